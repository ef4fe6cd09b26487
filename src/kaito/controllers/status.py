"""A Workspace's status as a function of what was observed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaito.controllers import reasons
from kaito.controllers.reasons import Reason, Trouble, cut
from kaito.nodes.provisioner import is_ready, pressure_warning

Object = Mapping[str, Any]
READY_STATES = ("Ready", "NotReady")


@dataclass
class Seen:
    """What one pass saw.

    ``failure`` is the classified reason why the workload is not ready, ``step`` what one that has not failed is doing,
    ``missing`` what the nodes lack while there are too few.
    """

    nodes: Sequence[Object] = ()
    target: int = 0
    rolled_out: bool = False
    answered: bool = False
    failure: tuple[str, str] | None = None
    step: str = reasons.INFERENCE_PENDING
    missing: str = reasons.NODES_NOT_READY
    trouble: Trouble | None = None


def rolled_out(stateful_set: Object | None) -> bool:
    """Every replica runs the newest template and is ready."""
    if stateful_set is None:
        return False
    status, wanted = stateful_set.get("status") or {}, stateful_set["spec"].get("replicas", 1)
    return (
        wanted > 0
        and status.get("observedGeneration", 0) >= stateful_set["metadata"].get("generation", 0)
        and status.get("readyReplicas", 0) == wanted
        and status.get("updatedReplicas", 0) == wanted
    )


def nodes_ready(nodes: Sequence[Object], target: int) -> bool:
    return sum(is_ready(node) for node in nodes) >= max(1, target)


def next_status(ws: Object, seen: Seen, *, now: str) -> dict[str, Any]:
    """The status to write; equal to the old one when nothing changed."""
    old = ws.get("status") or {}
    enough = nodes_ready(seen.nodes, seen.target)
    served = seen.rolled_out and seen.answered
    ready = served and enough
    status = {key: value for key, value in old.items() if key != "conditions"}
    status["workerNodes"] = [node["metadata"]["name"] for node in seen.nodes]
    if seen.target:
        status["targetNodeCount"] = seen.target
    status["state"] = "Ready" if ready else "NotReady" if old.get("state") in READY_STATES else "Pending"
    wanted = [_nodes(seen, enough), _resource(seen, enough), _inference(served, seen), _succeeded(ready)]
    status["conditions"] = merge(ws, [_with_trouble(one, seen.trouble) for one in wanted], now=now)
    return status


def deleting_status(ws: Object, *, now: str) -> dict[str, Any]:
    """Deletion adds one condition and leaves all else."""
    wanted = [("WorkspaceDeleting", True, Reason.DELETED, reasons.DELETING)]
    return {**(ws.get("status") or {}), "conditions": merge(ws, wanted, now=now)}


Condition = tuple[str, bool, str, str]


def merge(ws: Object, wanted: Sequence[Condition], *, now: str) -> list[dict[str, Any]]:
    """The Workspace's conditions with ``wanted`` set; the transition time moves only with the status."""
    before = {one["type"]: dict(one) for one in (ws.get("status") or {}).get("conditions") or ()}
    for kind, true, reason, message in wanted:
        status = "True" if true else "False"
        known = before.get(kind)
        before[kind] = {
            "type": kind,
            "status": status,
            "reason": str(reason),
            "message": message,
            "observedGeneration": ws["metadata"].get("generation", 0),
            "lastTransitionTime": known["lastTransitionTime"] if known and known["status"] == status else now,
        }
    return list(before.values())


def _nodes(seen: Seen, enough: bool) -> Condition:
    reason = Reason.NODES_READY if enough else Reason.NODE_NOT_READY
    message = reasons.NODES_READY if enough else cut(seen.missing)
    return "NodesReady", enough, reason, message + pressure_warning(seen.nodes)


def _resource(seen: Seen, enough: bool) -> Condition:
    if enough:
        return "ResourceReady", True, Reason.RESOURCE_READY, reasons.RESOURCE_READY
    return "ResourceReady", False, Reason.NODE_NOT_READY, cut(seen.missing)


def _inference(served: bool, seen: Seen) -> Condition:
    if served:
        return "InferenceReady", True, Reason.INFERENCE_READY, reasons.INFERENCE_READY
    if seen.failure is not None:
        return "InferenceReady", False, *seen.failure
    if seen.trouble is not None:
        return "InferenceReady", False, seen.trouble.reason, cut(seen.trouble.sentence)
    return "InferenceReady", False, Reason.INFERENCE_PENDING, cut(seen.step)


def _succeeded(ready: bool) -> Condition:
    if ready:
        return "WorkspaceSucceeded", True, Reason.SUCCEEDED, reasons.SUCCEEDED
    return "WorkspaceSucceeded", False, Reason.PENDING, reasons.WAITING


def _with_trouble(condition: Condition, trouble: Trouble | None) -> Condition:
    if trouble is None:
        return condition
    kind, true, reason, message = condition
    text = cut(trouble.sentence)
    said = text in message or (message.endswith("...") and text.startswith(message[:-3]))
    return kind, true, reason, message if said else f"{message} (last reconcile error: {text})"
