"""What a pod's status means to a controller. Pure: the time is an argument, in seconds since the epoch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Pod = Mapping[str, Any]


def seconds(timestamp: str) -> float:
    """An RFC 3339 timestamp as seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def phase(pod: Pod) -> str:
    return (pod.get("status") or {}).get("phase") or "Pending"


def is_terminating(obj: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def is_finished(pod: Pod) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Pod) -> bool:
    """Neither finished nor on its way out."""
    return not is_finished(pod) and not is_terminating(pod)


def condition(obj: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    for one in (obj.get("status") or {}).get("conditions") or ():
        if one["type"] == kind:
            return one
    return None


def is_ready(pod: Pod) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def is_running_and_ready(pod: Pod) -> bool:
    return phase(pod) == "Running" and is_ready(pod)


def available_in(pod: Pod, min_ready: int, now: float) -> float | None:
    """Seconds until the pod counts as available: 0 when it does, None when it is not even ready."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True":
        return None
    since = found.get("lastTransitionTime")
    if not min_ready or not since:
        return 0.0
    return max(0.0, seconds(since) + min_ready - now)


def is_available(pod: Pod, min_ready: int, now: float) -> bool:
    return available_in(pod, min_ready, now) == 0.0


def restarts(pod: Pod) -> int:
    """Container restarts of a pod, init containers included."""
    status = pod.get("status") or {}
    lists = (status.get("initContainerStatuses") or (), status.get("containerStatuses") or ())
    return sum(one.get("restartCount", 0) for statuses in lists for one in statuses)


def first_to_go(pod: Pod, now: float) -> tuple[Any, ...]:
    """Sort key: the pods whose loss hurts least come first, as the ReplicaSet controller ranks them."""
    ready = condition(pod, "Ready") or {}
    is_up = ready.get("status") == "True"
    since = seconds(ready["lastTransitionTime"]) if is_up and ready.get("lastTransitionTime") else now
    cost = _integer((pod["metadata"].get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", ""))
    order = {"Pending": 0, "Unknown": 1, "Running": 2}
    return (
        bool(pod["spec"].get("nodeName")),
        order.get(phase(pod), 1),
        is_up,
        cost,
        -since if is_up else 0.0,
        -restarts(pod),
        -seconds(pod["metadata"]["creationTimestamp"]),
        pod["metadata"]["name"],
    )


def _integer(text: str) -> int:
    """A number that somebody wrote into an annotation; anything else counts as 0."""
    return int(text) if text.removeprefix("-").isdecimal() else 0
