"""The pure decisions of the reconciler, as tables."""

from typing import Any

import pytest

from kaito.controllers import revision
from kaito.controllers.failures import classify
from kaito.controllers.reasons import Reason, Trouble, cut
from kaito.controllers.status import Seen, next_status, rolled_out

NODE = {"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def pod(container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    found = {"containerStatuses": [{"name": "c", "ready": False, "restartCount": 2, **container}]} if container else {}
    return {"metadata": {"name": "p"}, "status": {**found, **status}}


def waiting(reason: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": "why"}}}


def ended(**terminated: Any) -> dict[str, Any]:
    return {"state": {"running": {}}, "lastState": {"terminated": terminated}}


UNSCHEDULABLE = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no memory"}]


@pytest.mark.parametrize(
    ("seen", "reason", "text"),
    [
        (pod(ended(reason="OOMKilled", exitCode=137)), "ContainerOOMKilled", "exit code 137"),
        (pod(ended(exitCode=66, message="8 GiB short")), "ContainerOOMKilled", "8 GiB short"),
        (pod(waiting("ErrImagePull")), "ImagePullError", "ErrImagePull: why"),
        (pod(waiting("RunContainerError")), "ContainerStartError", "RunContainerError: why"),
        (pod(waiting("CrashLoopBackOff") | {"lastState": {"terminated": {"exitCode": 3}}}),
         "ContainerCrashLoopBackOff", "container c ended (restarted 2 times): exit code 3"),
        (pod(ended(exitCode=65, message="bad\nweights")), "ContainerExited", "bad weights"),
        (pod(phase="Failed", reason="Evicted", message="low on Disk"), "NodeDiskPressure", "low on Disk"),
        (pod(phase="Failed", reason="Evicted", message="low on memory"), "NodeMemoryPressure", "low on memory"),
        (pod(phase="Failed", reason="Evicted"), "PodEvicted", "evicted"),
        (pod(phase="Pending", conditions=UNSCHEDULABLE), "Unschedulable", "no memory"),
    ],
)  # fmt: skip
def test_failures(seen: dict[str, Any], reason: str, text: str) -> None:
    found = classify([pod(), seen])
    assert found is not None
    assert found[0] == reason
    assert text in found[1]


def test_a_pod_that_came_back_has_no_failure() -> None:
    assert classify([pod(ended(exitCode=1) | {"ready": True})]) is None
    assert classify([pod({"state": {"terminated": {"exitCode": 0}}})]) is None


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({"observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 1}, True),
        ({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}, False),
        ({"observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 0}, False),
        ({"observedGeneration": 2, "updatedReplicas": 1}, False),
        ({}, False),
    ],
)
def test_old_pods_do_not_count_as_the_new_rollout(status: dict[str, int], done: bool) -> None:
    assert rolled_out({"metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}) is done


@pytest.mark.parametrize(
    ("before", "up", "answered", "nodes", "state"),
    [
        (None, True, True, [NODE], "Ready"),
        (None, True, False, [NODE], "Pending"),
        (None, True, True, [], "Pending"),
        ("Ready", False, False, [NODE], "NotReady"),
        ("NotReady", False, False, [NODE], "NotReady"),
        ("NotReady", True, True, [NODE], "Ready"),
    ],
)
def test_states(before: str | None, up: bool, answered: bool, nodes: list[Any], state: str) -> None:
    ws = {"metadata": {"generation": 4}, "status": {"state": before} if before else {}}
    status = next_status(ws, Seen(nodes=nodes, target=1, rolled_out=up, answered=answered), now="t1")
    assert status["state"] == state
    assert {one["observedGeneration"] for one in status["conditions"]} == {4}


def test_the_transition_time_moves_with_the_status_alone() -> None:
    ws: dict[str, Any] = {"metadata": {}}
    seen = Seen(nodes=[NODE], target=1)
    ws["status"] = next_status(ws, seen, now="t1")
    assert next_status(ws, seen, now="t2") == ws["status"]
    seen.trouble = Trouble(Reason.PLAN_FAILED, "too big")
    ws["status"] = next_status(ws, seen, now="t2")
    inference = next(one for one in ws["status"]["conditions"] if one["type"] == "InferenceReady")
    assert (inference["reason"], inference["message"], inference["lastTransitionTime"]) == (
        "PlanFailed",
        "too big",
        "t1",
    )
    nodes = next(one for one in ws["status"]["conditions"] if one["type"] == "NodesReady")
    assert nodes["message"] == "Enough Nodes are ready (last reconcile error: too big)"


def test_long_text_is_cut_between_characters() -> None:
    assert cut("a" * 256) == "a" * 256
    assert cut("a" * 255 + "é") == "a" * 255 + "..."


def test_the_hash_sees_what_rolls_the_workload_and_nothing_else() -> None:
    ws: dict[str, Any] = {"metadata": {"name": "w"}, "inference": {"config": "c"}}
    base = revision.spec_hash(ws, {"data": {"k": "1"}})
    assert base == revision.spec_hash({**ws, "status": {"state": "Ready"}}, {"data": {"k": "1"}, "metadata": {"x": 1}})
    assert base != revision.spec_hash(ws, {"data": {"k": "2"}})
    assert base != revision.spec_hash({**ws, "inference": {"config": "d"}}, {"data": {"k": "1"}})

    def annotated(**annotations: str) -> str:
        metadata = {"annotations": {key.replace("_", "/"): value for key, value in annotations.items()}}
        return revision.spec_hash({**ws, "metadata": metadata}, {"data": {"k": "1"}})

    assert base == annotated(**{"kaito.sh/enablelb": "True"})
    assert base != annotated(**{"kaito.sh/runtime": "transformers"})


def test_history_keeps_ten_and_never_drops_the_current_one() -> None:
    known = [{"metadata": {"name": f"w-{number}"}, "revision": number} for number in range(1, 13)]
    assert [one["revision"] for one in revision.surplus(known, "w-1")] == [2, 3]
    assert revision.surplus(known[:10], "w-10") == []
