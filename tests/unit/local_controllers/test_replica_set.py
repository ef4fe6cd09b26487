"""ReplicaSets: how many pods, whose pods, and which go first."""

import pytest

from kaito.kube.client import Object
from kaito.kube.resources import PODS, REPLICA_SETS
from kaito.local.controllers import podstate
from kaito.local.kubelet.events import timestamp
from tests.unit.local_controllers.bench import Bench, template

NOW = 1_700_000_000.0


def replica_set(replicas: int = 3, name: str = "web", **spec: object) -> Object:
    made = {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template()}
    return {"metadata": {"name": name}, "spec": {**made, **spec}}


async def running(bench: Bench, replicas: int = 3, **spec: object) -> Object:
    made = await bench.create(REPLICA_SETS, replica_set(replicas, **spec))
    await bench.quiet()
    return made


async def status(bench: Bench) -> Object:
    return (await bench.get(REPLICA_SETS, "web"))["status"]


async def test_so_many_pods_of_its_template(bench: Bench) -> None:
    await running(bench)
    assert len(bench.pods()) == 3
    assert all(name.startswith("web-") for name in bench.pods())
    assert await status(bench) == {
        "observedGeneration": 1,
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    said = [one["message"] for one in bench.plane.all("events") if one["reason"] == "SuccessfulCreate"]
    assert sorted(said) == sorted(f"Created pod: {name}" for name in bench.pods())


async def test_finished_and_dying_pods_are_made_good_and_not_counted(bench: Bench) -> None:
    await running(bench)
    first, second, third = bench.pods()
    await bench.end(first, "Failed", code=1)
    await bench.quiet()
    assert len(bench.pods()) == 4
    assert (await status(bench))["replicas"] == 3
    await bench.client.delete(PODS, second, "default")
    await bench.quiet(0.6)
    assert len(bench.pods()) == 4
    assert second not in bench.pods()
    assert third in bench.pods()


async def test_min_ready_seconds_come_before_available(bench: Bench) -> None:
    await running(bench, 2, minReadySeconds=60)
    now = await status(bench)
    assert (now["readyReplicas"], now.get("availableReplicas", 0)) == (2, 0)
    await bench.quiet(60)
    assert (await status(bench))["availableReplicas"] == 2


async def test_an_orphan_that_fits_is_taken_up_and_counts(bench: Bench) -> None:
    orphan = {"metadata": {"name": "mine", "labels": {"app": "a", "x": "y"}}, "spec": template()["spec"]}
    await bench.create(PODS, orphan)
    made = await running(bench, 2)
    assert len(bench.pods()) == 2
    assert "mine" in bench.pods()
    (ref,) = (await bench.get(PODS, "mine"))["metadata"]["ownerReferences"]
    assert (ref["uid"], ref["controller"]) == (made["metadata"]["uid"], True)


async def test_an_orphan_that_comes_later_is_taken_up_too_and_one_goes(bench: Bench) -> None:
    await running(bench, 2)
    await bench.create(PODS, {"metadata": {"name": "mine", "labels": {"app": "a"}}, "spec": template()["spec"]})
    await bench.quiet()
    assert len(bench.pods()) == 2


async def test_a_pod_of_another_controller_is_not_taken(bench: Bench) -> None:
    await running(bench, 1, selector={"matchLabels": {"app": "a", "b": "c"}}, template=labelled({"app": "a", "b": "c"}))
    await bench.create(REPLICA_SETS, replica_set(1, "wide"))
    await bench.quiet()
    assert sorted(name.partition("-")[0] for name in bench.pods()) == ["web", "wide"]


def labelled(labels: dict[str, str]) -> Object:
    return {**template(), "metadata": {"labels": labels}}


async def test_a_pod_relabelled_for_a_closer_look_is_let_go_and_replaced(bench: Bench) -> None:
    await running(bench, 1)
    (name,) = bench.pods()
    await bench.patch(PODS, name, {"metadata": {"labels": {"app": "suspect"}}})
    assert len(bench.pods()) == 2
    assert not (await bench.get(PODS, name))["metadata"].get("ownerReferences")


async def test_labels_that_the_template_lacks_are_told(bench: Bench) -> None:
    await running(bench, 1, template=labelled({"app": "a", "b": "c"}))
    await bench.patch(PODS, bench.pods()[0], {"metadata": {"labels": {"b": None}}})
    now = await status(bench)
    assert (now["replicas"], now.get("fullyLabeledReplicas", 0)) == (1, 0)


async def test_deleted_with_its_pods_kept_they_live_on_without_an_owner(bench: Bench) -> None:
    await running(bench, 2)
    names = bench.pods()
    await bench.delete(REPLICA_SETS, "web", propagation="Orphan")
    assert bench.pods() == names
    assert [pod["metadata"].get("ownerReferences") for pod in bench.plane.all("pods")] == [None, None]


async def test_refused_pods_are_not_asked_for_a_hundred_times(bench: Bench) -> None:
    bench.plane.refuse["POST", "pods"] = bench.plane.refusal(403, "Forbidden", "exceeded quota")
    await bench.create(REPLICA_SETS, replica_set(100))
    await bench.quiet(0.01)
    tries = [path for method, path in bench.plane.requests if method == "POST" and path.endswith("/pods")]
    assert len(tries) <= 2
    (failure,) = (await status(bench))["conditions"]
    told = (failure["type"], failure["reason"], failure["message"])
    assert told == ("ReplicaFailure", "FailedCreate", "exceeded quota")
    bench.plane.refuse.clear()
    await bench.quiet(60)
    assert len(bench.pods()) == 100
    assert "conditions" not in await status(bench)


async def test_scaled_down_the_pod_that_does_not_run_goes_first(bench: Bench) -> None:
    bench.starts = False
    await running(bench)
    first, second, third = bench.pods()
    await bench.up(first)
    await bench.up(second, ready=False)
    await bench.patch(REPLICA_SETS, "web", {"spec": {"replicas": 2}})
    assert third not in bench.pods()
    await bench.patch(REPLICA_SETS, "web", {"spec": {"replicas": 1}})
    assert bench.pods() == [first]


def pod(name: str, **given: object) -> Object:
    """A pod that is on a node, running and ready for 100 s, unless told otherwise."""
    since = given.get("ready", -100)
    ready = {"type": "Ready", "status": "True" if since is not None else "False"}
    if isinstance(since, int):
        ready["lastTransitionTime"] = stamp(since)
    cost = given.get("cost")
    notes = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost is not None else {}
    restarts = [{"name": "c", "restartCount": given.get("restarts", 0)}]
    return {
        "metadata": {"name": name, "creationTimestamp": stamp(given.get("made", -200)), "annotations": notes},
        "spec": {"nodeName": "here"} if given.get("placed", True) else {},
        "status": {"phase": given.get("phase", "Running"), "conditions": [ready], "containerStatuses": restarts},
    }


def stamp(seconds: object) -> str:
    assert isinstance(seconds, int)
    return timestamp(NOW + seconds)


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        pytest.param(pod("z", placed=False, phase="Pending", ready=None), pod("a"), id="on no node"),
        pytest.param(pod("z", phase="Pending", ready=None), pod("a"), id="pending before running"),
        pytest.param(pod("z", phase="Pending", ready=None), pod("a", phase="Unknown", ready=None), id="before unknown"),
        pytest.param(pod("z", ready=None), pod("a"), id="not ready before ready"),
        pytest.param(pod("z", cost="-5"), pod("a"), id="the cheaper one"),
        pytest.param(pod("z", cost="1", ready=-9), pod("a", cost="2"), id="cost before age"),
        pytest.param(pod("z", ready=-9), pod("a", ready=-99), id="ready for a shorter time"),
        pytest.param(pod("z", restarts=3), pod("a", restarts=1), id="restarted more often"),
        pytest.param(pod("z", made=-150), pod("a", made=-200), id="the younger"),
        pytest.param(pod("z", cost="-1"), pod("a", cost="cheap"), id="a cost that is no number counts as none"),
    ],
)
def test_of_two_pods_the_one_goes_whose_loss_hurts_less(goes: Object, stays: Object) -> None:
    ranked = sorted([stays, goes], key=lambda one: podstate.first_to_go(one, NOW))
    assert [one["metadata"]["name"] for one in ranked] == ["z", "a"]
