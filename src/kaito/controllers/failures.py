"""Why an inference pod is not ready, read off its status. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kaito.api import podcontract
from kaito.controllers.reasons import Reason, crashed, cut

Object = Mapping[str, Any]
Failure = tuple[Reason, str]

PULL = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
START = frozenset(
    {
        "CreateContainerConfigError",
        "PreCreateHookError",
        "CreateContainerError",
        "PreStartHookError",
        "RunContainerError",
        "PostStartHookError",
    }
)


def classify(pods: Sequence[Object]) -> Failure | None:
    """The first failure that applies, checked in the contract's order over all pods; None when none is seen."""
    for check in (_out_of_memory, _pull, _start, _crash_loop, _exited):
        for container in _containers(pods):
            found = check(container)
            if found is not None:
                return found[0], cut(found[1])
    for pod in pods:
        found = _evicted(pod) or _unschedulable(pod)
        if found is not None:
            return found[0], cut(found[1])
    return None


def _containers(pods: Iterable[Object]) -> Iterator[Object]:
    for pod in pods:
        status = pod.get("status") or {}
        yield from status.get("initContainerStatuses") or ()
        yield from status.get("containerStatuses") or ()


def _ends(container: Object) -> list[Object]:
    both = (container.get(key) or {} for key in ("state", "lastState"))
    return [one["terminated"] for one in both if one.get("terminated")]


def _waiting(container: Object) -> tuple[str, str]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    return waiting.get("reason") or "", waiting.get("message") or ""


def _last_words(container: Object) -> str:
    for end in _ends(container):
        return crashed(
            container["name"], end.get("exitCode"), end.get("message") or "", container.get("restartCount", 0)
        )
    return f"container {container['name']} keeps ending"


def _out_of_memory(container: Object) -> Failure | None:
    if container.get("ready"):
        return None
    for end in _ends(container):
        if end.get("reason") == "OOMKilled" or end.get("exitCode") == podcontract.EXIT_OUT_OF_MEMORY:
            return Reason.OUT_OF_MEMORY, _last_words(container)
    return None


def _pull(container: Object) -> Failure | None:
    reason, message = _waiting(container)
    return (Reason.IMAGE_PULL, f"container {container['name']}: {reason}: {message}") if reason in PULL else None


def _start(container: Object) -> Failure | None:
    reason, message = _waiting(container)
    return (Reason.START_ERROR, f"container {container['name']}: {reason}: {message}") if reason in START else None


def _crash_loop(container: Object) -> Failure | None:
    return (Reason.CRASH_LOOP, _last_words(container)) if _waiting(container)[0] == "CrashLoopBackOff" else None


def _exited(container: Object) -> Failure | None:
    """A container that ended with an error and is not back yet; seen before the back-off has its name."""
    failed = any(end.get("exitCode") for end in _ends(container))
    return (Reason.EXITED, _last_words(container)) if failed and not container.get("ready") else None


def _evicted(pod: Object) -> Failure | None:
    status = pod.get("status") or {}
    if status.get("phase") != "Failed" or status.get("reason") != "Evicted":
        return None
    message = status.get("message") or "the pod was evicted"
    lower = message.lower()
    if "ephemeral-storage" in lower or "disk" in lower:
        return Reason.DISK_PRESSURE, message
    return (Reason.MEMORY_PRESSURE if "memory" in lower else Reason.EVICTED), message


def _unschedulable(pod: Object) -> Failure | None:
    status = pod.get("status") or {}
    if status.get("phase") != "Pending":
        return None
    for one in status.get("conditions") or ():
        if one["type"] == "PodScheduled" and one["status"] == "False" and one.get("reason") == "Unschedulable":
            return Reason.UNSCHEDULABLE, one.get("message") or "no node fits the pod"
    return None
