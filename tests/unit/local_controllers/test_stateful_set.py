"""StatefulSet: which pods there are, in which order they come and go, and what the status says of it."""

import pytest

from kaito.kube.client import Object
from kaito.kube.resources import PODS, STATEFUL_SETS
from tests.unit.local_controllers.bench import Bench, template


def a_set(replicas: int = 3, **spec: object) -> Object:
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "serviceName": "web",
            "selector": {"matchLabels": {"app": "a"}},
            "template": template(),
            **spec,
        },
    }


async def test_ordered_pods_come_one_by_one_each_after_the_last_is_ready(bench: Bench) -> None:
    bench.starts = False
    await bench.create(STATEFUL_SETS, a_set())
    await bench.quiet()
    assert bench.pods() == ["web-0"]
    await bench.up("web-0", ready=False)
    await bench.quiet()
    assert bench.pods() == ["web-0"]
    await bench.up("web-0")
    await bench.quiet()
    assert bench.pods() == ["web-0", "web-1"]
    await bench.up("web-1")
    await bench.quiet()
    await bench.up("web-2")
    await bench.quiet()
    status = (await bench.get(STATEFUL_SETS, "web"))["status"]
    revision = status["currentRevision"]
    assert status == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }


async def test_ready_counts_as_available_only_after_min_ready_seconds(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(2, minReadySeconds=100))
    await bench.quiet(50)
    assert bench.pods() == ["web-0"]
    status = (await bench.get(STATEFUL_SETS, "web"))["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (1, 0)
    await bench.quiet(60)
    assert bench.pods() == ["web-0", "web-1"]
    status = (await bench.get(STATEFUL_SETS, "web"))["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (2, 1)
    await bench.quiet(110)
    status = (await bench.get(STATEFUL_SETS, "web"))["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (2, 2)


async def test_parallel_pods_come_and_go_all_at_once(bench: Bench) -> None:
    bench.starts = False
    await bench.create(STATEFUL_SETS, a_set(podManagementPolicy="Parallel"))
    await bench.quiet(1)
    assert bench.pods() == ["web-0", "web-1", "web-2"]
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 0}})
    assert bench.plane.all("pods") == []
    status = (await bench.get(STATEFUL_SETS, "web"))["status"]
    assert (status["replicas"], status.get("readyReplicas", 0), status["observedGeneration"]) == (0, 0, 2)


async def test_a_pod_has_its_identity(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(1))
    await bench.quiet()
    pod = await bench.get(PODS, "web-0")
    owner = await bench.get(STATEFUL_SETS, "web")
    assert pod["metadata"]["labels"] == {
        "app": "a",
        "apps.kubernetes.io/pod-index": "0",
        "controller-revision-hash": owner["status"]["updateRevision"],
        "statefulset.kubernetes.io/pod-name": "web-0",
    }
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-0", "web")
    assert pod["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "name": "web",
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


async def test_scaling_up_and_down_keeps_the_order(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(2))
    await bench.quiet()
    bench.history.clear()
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 4}})
    assert bench.history == ["+web-2", "+web-3"]
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 1}})
    assert bench.history[2:] == ["~web-3", "-web-3", "~web-2", "-web-2", "~web-1", "-web-1"]


async def test_an_ordered_scale_down_waits_while_another_pod_is_down(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set())
    await bench.quiet()
    await bench.up("web-0", ready=False)
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 1}})
    assert bench.pods() == ["web-0", "web-1", "web-2"]
    await bench.up("web-0")
    await bench.quiet()
    assert bench.pods() == ["web-0"]


async def test_ordinals_may_start_later(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(2, ordinals={"start": 5}))
    await bench.quiet()
    assert bench.pods() == ["web-5", "web-6"]
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"ordinals": {"start": 6}}})
    assert bench.pods() == ["web-6", "web-7"]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_finished_pod_is_made_anew(bench: Bench, phase: str) -> None:
    await bench.create(STATEFUL_SETS, a_set(2))
    await bench.quiet()
    before = (await bench.get(PODS, "web-0"))["metadata"]["uid"]
    await bench.end("web-0", phase)
    await bench.quiet()
    again = await bench.get(PODS, "web-0")
    assert again["metadata"]["uid"] != before
    assert again["status"]["phase"] == "Running"


async def test_a_deleted_pod_comes_back_under_its_name(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set())
    await bench.quiet()
    bench.history.clear()
    await bench.delete(PODS, "web-1")
    assert bench.history == ["~web-1", "-web-1", "+web-1"]
    assert (await bench.get(STATEFUL_SETS, "web"))["status"]["availableReplicas"] == 3


async def test_pods_that_were_orphaned_are_taken_up_again(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(2))
    await bench.quiet()
    uids = [pod["metadata"]["uid"] for pod in bench.plane.all("pods")]
    await bench.delete(STATEFUL_SETS, "web", propagation="Orphan")
    assert bench.plane.all("statefulsets.apps") == []
    assert [pod["metadata"].get("ownerReferences") for pod in bench.plane.all("pods")] == [None, None]
    made = await bench.create(STATEFUL_SETS, a_set(2))
    await bench.quiet()
    assert [pod["metadata"]["uid"] for pod in bench.plane.all("pods")] == uids
    owners = [pod["metadata"]["ownerReferences"][0]["uid"] for pod in bench.plane.all("pods")]
    assert owners == [made["metadata"]["uid"]] * 2


async def test_a_pod_whose_labels_no_longer_fit_is_let_go_and_blocks_its_name(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(2))
    await bench.quiet()
    await bench.patch(PODS, "web-1", {"metadata": {"labels": {"app": "b"}}})
    stray = await bench.get(PODS, "web-1")
    assert not stray["metadata"].get("ownerReferences")
    assert (await bench.get(STATEFUL_SETS, "web"))["status"]["replicas"] == 1
    await bench.delete(PODS, "web-1")
    await bench.quiet()
    assert (await bench.get(STATEFUL_SETS, "web"))["status"]["replicas"] == 2


async def test_another_ones_pod_of_the_right_name_is_left_alone(bench: Bench) -> None:
    """Not even a pod with fitting labels, if its name is not one of this set."""
    pod = {"metadata": {"name": "web-x", "labels": {"app": "a"}}, "spec": template()["spec"]}
    await bench.create(PODS, pod)
    await bench.create(STATEFUL_SETS, a_set(1))
    await bench.quiet()
    assert not (await bench.get(PODS, "web-x"))["metadata"].get("ownerReferences")
    assert (await bench.get(STATEFUL_SETS, "web"))["status"]["replicas"] == 1


async def test_the_pods_name_label_is_put_back(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(1))
    await bench.quiet()
    await bench.patch(PODS, "web-0", {"metadata": {"labels": {"statefulset.kubernetes.io/pod-name": None}}})
    assert (await bench.get(PODS, "web-0"))["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == "web-0"


async def test_a_refused_pod_is_told_and_tried_again(bench: Bench) -> None:
    bench.plane.refuse["POST", "pods"] = bench.plane.refusal(403, "Forbidden", "exceeded quota")
    await bench.create(STATEFUL_SETS, a_set(1))
    await bench.quiet()
    said = [one for one in bench.plane.all("events") if one["reason"] == "FailedCreate"]
    assert said[0]["type"] == "Warning"
    assert said[0]["message"] == "create Pod web-0 in StatefulSet web failed error: exceeded quota"
    assert (await bench.get(STATEFUL_SETS, "web"))["status"]["observedGeneration"] == 1
    bench.plane.refuse.clear()
    await bench.quiet(40)
    assert bench.pods() == ["web-0"]
