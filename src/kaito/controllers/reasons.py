"""Every reason that a Workspace's conditions and events may carry, and the sentences that go with them."""

from enum import StrEnum
from typing import Final

LIMIT = 256


class Reason(StrEnum):
    """Machine-readable; the spelling is wire contract."""

    NODES_READY = "NodesReady"
    NODE_NOT_READY = "NodeNotReady"
    RESOURCE_READY = "workspaceResourceStatusSuccess"
    INFERENCE_READY = "WorkspaceInferenceStatusSuccess"
    INFERENCE_PENDING = "WorkspaceInferenceStatusPending"
    SUCCEEDED = "workspaceSucceeded"
    PENDING = "workspacePending"
    DELETED = "workspaceDeleted"
    OUT_OF_MEMORY = "ContainerOOMKilled"
    IMAGE_PULL = "ImagePullError"
    START_ERROR = "ContainerStartError"
    CRASH_LOOP = "ContainerCrashLoopBackOff"
    EXITED = "ContainerExited"
    DISK_PRESSURE = "NodeDiskPressure"
    MEMORY_PRESSURE = "NodeMemoryPressure"
    EVICTED = "PodEvicted"
    UNSCHEDULABLE = "Unschedulable"
    CONFIG_MISSING = "ConfigMapNotFound"
    PLAN_FAILED = "PlanFailed"
    NOT_ANSWERING = "ModelNotAnswering"
    REFUSED = "WorkloadRefused"
    WORKLOAD_APPLIED = "WorkloadApplied"
    PLANNED = "Planned"


NODES_READY = "Enough Nodes are ready"
NODES_NOT_READY = "Not enough Nodes are ready"
RESOURCE_READY = "workspace resource is ready"
INFERENCE_READY = "Inference has been deployed successfully"
INFERENCE_PENDING = "Inference workload is not ready"
SUCCEEDED = "workspace succeeds"
WAITING = "workspace is waiting for inference workload readiness"
DELETING = "workspace is being deleted"


class Trouble(Exception):
    """Something the Workspace's author must know; ``sentence`` names the object and the next action."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


def cut(text: str) -> str:
    """At most 256 bytes of ``text``, then three dots; never half a character."""
    raw = text.encode()
    return text if len(raw) <= LIMIT else raw[:LIMIT].decode(errors="ignore") + "..."


def config_missing(name: str, namespace: str) -> Trouble:
    sentence = f"inference.config: ConfigMap {namespace}/{name} does not exist; create it, or clear the field"
    return Trouble(Reason.CONFIG_MISSING, sentence)


def plan_failed(why: str) -> Trouble:
    return Trouble(Reason.PLAN_FAILED, why)


def refused(kind: str, name: str, why: str) -> Trouble:
    return Trouble(Reason.REFUSED, f"the API server refused {kind} {name}: {why}")


def not_answering(url: str, why: str) -> str:
    return f"the pod is ready but no completion came from {url}: {why}; asked again every 10 s"


def workload_applied(name: str, revision: str) -> str:
    return f"Applied StatefulSet {name} at revision {revision}"


def planned(nodes: int) -> str:
    return f"The model needs {nodes} node{'s' if nodes != 1 else ''}"


_SIGNALS: Final[dict[int, str]] = {6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


def crashed(container: str, code: int | None, message: str, restarts: int) -> str:
    """How a container ended: the signal that killed it, else its own last words, else its exit code.

    A killed program had no time for last words: what its log ends with is not the reason.
    """
    times = "once" if restarts == 1 else f"{restarts} times"
    if code is not None and code - 128 in _SIGNALS:
        return f"container {container} was killed by {_SIGNALS[code - 128]} (exit code {code}, restarted {times})"
    last = " ".join(message.split()) or f"exit code {code}"
    return f"container {container} ended (restarted {times}): {last}"
