"""What a workload that has not failed is doing, read off the cluster: the step, its object, since when. Pure.

A sentence changes only when the step does, so that waiting writes nothing: it gives the time a step began, not how long
it has lasted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]


LOADING = "loads the model and produces a first token"


def workload(name: str, stateful_set: Object | None, pods: Sequence[Object], *, wanted: int) -> str:
    """The step that a rollout is at: that of its first pod, by name, that is not ready."""
    if stateful_set is None:
        return f"StatefulSet {name} is not created yet"
    alive = sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
    late = [pod for pod in alive if not _condition(pod, "Ready")]
    behind = f" ({len(alive) - len(late)} of {wanted} pods ready)" if wanted > 1 else ""
    if late:
        return _pod(late[0]) + behind
    if wanted == 0:
        return f"StatefulSet {name} is scaled to 0, so nothing serves: kubectl scale statefulset {name} --replicas=1"
    if len(alive) < wanted:
        return f"StatefulSet {name} has {len(alive)} of {wanted} pods"
    return f"StatefulSet {name} is being rolled out{behind}"


def _pod(pod: Object) -> str:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return f"pod {name} is stopping; its successor follows"
    if not pod["spec"].get("nodeName"):
        return f"pod {name} waits for the scheduler to choose a node"
    prepared = status.get("initContainerStatuses") or ()
    for number, one in enumerate(prepared, 1):
        if not (one.get("state") or {}).get("terminated"):
            return f"pod {name}: {_step(one, 'prepares')} (preparation {number} of {len(prepared)})"
    for one in status.get("containerStatuses") or ():
        if not one.get("ready"):
            return f"pod {name}: {_step(one, LOADING)}"
    return f"pod {name} is on node {pod['spec']['nodeName']} and about to start"


def _step(container: Object, does: str) -> str:
    name, state = container["name"], container.get("state") or {}
    if since := (state.get("running") or {}).get("startedAt"):
        return f"container {name} {does}, since {since}"
    waiting = state.get("waiting") or {}
    why = waiting.get("message") or waiting.get("reason")
    return f"container {name} is not started yet" + (f": {why}" if why else "")


def _condition(pod: Object, kind: str) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
