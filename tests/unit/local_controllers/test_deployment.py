"""Deployments: from one template to the next, within their limits at every moment."""

import json

import pytest

from kaito.kube.client import Object
from kaito.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from tests.unit.local_controllers.bench import Bench, template

REVISION = "deployment.kubernetes.io/revision"


def deployment(replicas: int = 3, **spec: object) -> Object:
    made = {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template()}
    return {"metadata": {"name": "web"}, "spec": {**made, **spec}}


def rolling(surge: int | str, unavailable: int | str) -> Object:
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}


async def running(bench: Bench, replicas: int = 3, **spec: object) -> Object:
    await bench.create(DEPLOYMENTS, deployment(replicas, **spec))
    await bench.quiet()
    return await bench.get(DEPLOYMENTS, "web")


def image(name: str) -> Object:
    return {"spec": {"template": template(name)}}


def sizes(bench: Bench) -> dict[str, int]:
    """Replicas asked for, by image."""
    sets = bench.plane.all("replicasets.apps")
    return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"] for one in sets}


def moments(bench: Bench, since: int) -> list[tuple[int, int]]:
    """(pods that are not on their way out, ready ones among them) after each change to a pod."""
    alive: dict[str, bool] = {}
    seen = []
    for version, resource, line in bench.plane.events:
        if resource != "pods":
            continue
        event = json.loads(line)
        pod, name = event["object"], event["object"]["metadata"]["name"]
        if event["type"] == "DELETED" or "deletionTimestamp" in pod["metadata"]:
            alive.pop(name, None)
        else:
            conditions = (pod.get("status") or {}).get("conditions") or []
            alive[name] = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        if version > since:
            seen.append((len(alive), sum(alive.values())))
    return seen


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "most", "least"),
    [
        pytest.param(3, 1, 0, 4, 3, id="surge only"),
        pytest.param(3, 0, 1, 3, 2, id="without surge"),
        pytest.param(4, "25%", "25%", 5, 3, id="the default"),
        pytest.param(5, "50%", "50%", 8, 3, id="surge rounds up, unavailable down"),
        pytest.param(2, "0%", "1%", 2, 1, id="no room at all means one may go"),
        pytest.param(3, "100%", 0, 6, 3, id="all at once"),
    ],
)
async def test_a_rolling_update_keeps_its_limits_at_every_moment(
    bench: Bench, replicas: int, surge: int | str, unavailable: int | str, most: int, least: int
) -> None:
    await running(bench, replicas, **rolling(surge, unavailable))
    since = bench.plane.version
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    seen = moments(bench, since)
    assert max(count for count, _ in seen) <= most
    assert min(ready for _, ready in seen) >= least
    assert bench.images() == ["app:2"] * replicas
    assert sizes(bench) == {"app:1": 0, "app:2": replicas}


async def test_a_broken_update_stops_within_its_limits_and_is_rolled_back(bench: Bench) -> None:
    await running(bench, 4, **rolling(1, 1))
    bench.broken.add("app:2")
    since = bench.plane.version
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    assert min(ready for _, ready in moments(bench, since)) == 3
    assert sizes(bench) == {"app:1": 3, "app:2": 2}
    await bench.patch(DEPLOYMENTS, "web", image("app:1"))
    assert sizes(bench) == {"app:1": 4, "app:2": 0}
    assert min(ready for _, ready in moments(bench, since)) == 3


async def test_recreate_ends_the_last_old_pod_before_the_first_new_one_starts(bench: Bench) -> None:
    await running(bench, 2, strategy={"type": "Recreate"})
    bench.history.clear()
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    assert [step[0] for step in bench.history] == ["~", "~", "-", "-", "+", "+"]
    assert bench.images() == ["app:2"] * 2


@pytest.mark.parametrize("limit", [10, 0])
async def test_recreate_waits_for_old_pods_even_when_the_template_changes_again(bench: Bench, limit: int) -> None:
    await running(bench, 1, strategy={"type": "Recreate"}, revisionHistoryLimit=limit)
    bench.history.clear()
    await bench.client.patch(DEPLOYMENTS, "web", "default", image("app:2"))
    await bench.quiet(0.7)
    await bench.patch(DEPLOYMENTS, "web", image("app:3"))
    assert [step[0] for step in bench.history] == ["~", "-", "+"]
    assert bench.images() == ["app:3"]


async def test_a_replica_set_is_named_after_its_template_and_owned(bench: Bench) -> None:
    owner = await running(bench, 1)
    (made,) = bench.plane.all("replicasets.apps")
    digest = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{digest}"
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    assert made["spec"]["selector"]["matchLabels"] == {"app": "a", "pod-template-hash": digest}
    (pod,) = bench.plane.all("pods")
    assert pod["metadata"]["labels"] == {"app": "a", "pod-template-hash": digest}
    assert pod["metadata"]["name"].startswith(f"web-{digest}-")


async def test_revisions_are_counted_and_a_template_that_comes_back_is_the_newest(bench: Bench) -> None:
    assert (await running(bench, 1))["metadata"]["annotations"] == {REVISION: "1"}
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    assert (await bench.get(DEPLOYMENTS, "web"))["metadata"]["annotations"] == {REVISION: "2"}
    await bench.patch(DEPLOYMENTS, "web", image("app:1"))
    assert (await bench.get(DEPLOYMENTS, "web"))["metadata"]["annotations"] == {REVISION: "3"}
    noted = {
        one["spec"]["template"]["spec"]["containers"][0]["image"]: one["metadata"]["annotations"][REVISION]
        for one in bench.plane.all("replicasets.apps")
    }
    assert noted == {"app:1": "3", "app:2": "2"}


async def test_only_so_many_old_replica_sets_are_kept_the_newest(bench: Bench) -> None:
    await running(bench, 1, revisionHistoryLimit=2)
    for number in range(2, 6):
        await bench.patch(DEPLOYMENTS, "web", image(f"app:{number}"))
    assert sizes(bench) == {"app:3": 0, "app:4": 0, "app:5": 1}


async def test_what_is_noted_on_the_deployment_is_noted_on_its_newest_replica_set(bench: Bench) -> None:
    """kubectl rollout history shows the change cause from there."""
    await running(bench, 1)
    await bench.patch(DEPLOYMENTS, "web", {"metadata": {"annotations": {"kubernetes.io/change-cause": "because"}}})
    (made,) = bench.plane.all("replicasets.apps")
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "because",
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "1",
        "deployment.kubernetes.io/max-replicas": "2",
    }


async def test_min_ready_seconds_reach_the_running_replica_set(bench: Bench) -> None:
    await running(bench, 1)
    bench.history.clear()
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"minReadySeconds": 7}})
    (made,) = bench.plane.all("replicasets.apps")
    assert made["spec"]["minReadySeconds"] == 7
    assert bench.history == []


async def test_paused_a_new_template_waits_but_scaling_goes_on(bench: Bench) -> None:
    await running(bench, 2, paused=False)
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    assert sizes(bench) == {"app:1": 2}
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}})
    assert sizes(bench) == {"app:1": 3}
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}})
    assert sizes(bench) == {"app:1": 1}
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"paused": False}})
    assert sizes(bench) == {"app:1": 0, "app:2": 1}


async def test_paused_from_the_start_it_has_no_pods(bench: Bench) -> None:
    await running(bench, 2, paused=True)
    assert (bench.pods(), sizes(bench)) == ([], {})


async def test_scaling_makes_no_new_revision(bench: Bench) -> None:
    await running(bench, 1)
    for replicas in (5, 0, 2):
        await bench.patch(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}})
        assert sizes(bench) == {"app:1": replicas}
    assert (await bench.get(DEPLOYMENTS, "web"))["metadata"]["annotations"] == {REVISION: "1"}


async def test_scaled_in_mid_rollout_old_and_new_share_the_change(bench: Bench) -> None:
    await running(bench, 10, **rolling(3, 2))
    bench.broken.add("app:2")
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    assert sizes(bench) == {"app:1": 8, "app:2": 5}
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 15}})
    assert sizes(bench) == {"app:1": 11, "app:2": 7}
    assert len(bench.pods()) == 18


async def test_an_orphaned_replica_set_is_taken_up_again_without_touching_pods(bench: Bench) -> None:
    await running(bench, 2)
    await bench.delete(DEPLOYMENTS, "web", propagation="Orphan")
    bench.history.clear()
    owner = await running(bench, 2)
    (made,) = bench.plane.all("replicasets.apps")
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    assert bench.history == []


async def test_a_replica_set_orphaned_under_a_living_deployment_comes_back(bench: Bench) -> None:
    owner = await running(bench, 1)
    (made,) = bench.plane.all("replicasets.apps")
    await bench.patch(REPLICA_SETS, made["metadata"]["name"], {"metadata": {"ownerReferences": None}})
    (made,) = bench.plane.all("replicasets.apps")
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


async def test_a_replica_set_that_no_longer_fits_is_let_go(bench: Bench) -> None:
    await running(bench, 1)
    (made,) = bench.plane.all("replicasets.apps")
    await bench.patch(REPLICA_SETS, made["metadata"]["name"], {"metadata": {"labels": {"app": "other"}}})
    stray = await bench.get(REPLICA_SETS, made["metadata"]["name"])
    assert not stray["metadata"].get("ownerReferences")


async def test_a_deleted_deployment_takes_everything_along(bench: Bench) -> None:
    await running(bench, 2)
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    await bench.delete(DEPLOYMENTS, "web", propagation="Foreground")
    kinds = ("deployments.apps", "replicasets.apps", "pods")
    assert [bench.plane.all(kind) for kind in kinds] == [[], [], []]


async def test_a_deleted_pod_is_made_good(bench: Bench) -> None:
    await running(bench, 2)
    gone = bench.pods()[0]
    await bench.delete(PODS, gone)
    assert len(bench.pods()) == 2
    assert gone not in bench.pods()
