"""Pod status out of what is known of its containers: phase, conditions, containerStatuses, as kube writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


@dataclass(frozen=True, slots=True)
class View:
    """One container as the kubelet sees it now; ``state`` and ``last`` are ContainerState objects."""

    name: str
    image: str
    state: Mapping[str, Any]
    last: Mapping[str, Any]
    restarts: int
    ready: bool
    started: bool
    container_id: str = ""

    def status(self) -> dict[str, Any]:
        """The containerStatus object."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"process://{self.image}" if self.container_id else "",
            "containerID": self.container_id,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": dict(self.state),
            "lastState": dict(self.last),
        }

    @property
    def exit_code(self) -> int | None:
        """Exit code when it is terminated now."""
        ended = self.state.get("terminated")
        return None if ended is None else ended["exitCode"]


@dataclass(frozen=True, slots=True)
class Observed:
    """All that decides a pod's status."""

    inits: Sequence[View]
    mains: Sequence[View]
    initialized: bool
    sandbox: bool
    failed: tuple[str, str] | None = None  # reason and message of a pod failed as a whole
    deleting: bool = False


def phase(pod: Mapping[str, Any], seen: Observed) -> str:
    """Pending, Running, Succeeded or Failed."""
    policy = pod["spec"].get("restartPolicy") or "Always"
    if seen.failed:
        return "Failed"
    sidecars = {c["name"] for c in pod["spec"].get("initContainers") or [] if c.get("restartPolicy") == "Always"}
    if policy == "Never" and any(v.exit_code for v in seen.inits if v.name not in sidecars):
        return "Failed"
    if not seen.initialized:
        return "Pending"
    codes = [view.exit_code for view in seen.mains]
    if all(code is not None for code in codes) and (policy != "Always" or seen.deleting):
        if all(code == 0 for code in codes):
            return "Succeeded"
        if policy == "Never" or seen.deleting:
            return "Failed"
        return "Running"
    untouched = [v for v in seen.mains if "waiting" in v.state and not v.last]
    return "Pending" if untouched else "Running"


def build(pod: Mapping[str, Any], seen: Observed, *, ip: str, host_ip: str, now: str) -> dict[str, Any]:
    """The whole status. Times of conditions that did not change are kept; conditions of others are kept."""
    old = pod.get("status") or {}
    name = phase(pod, seen)
    status: dict[str, Any] = {
        "phase": name,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": old.get("startTime") or now,
        "qosClass": old.get("qosClass") or qos_class(pod),
        "containerStatuses": [view.status() for view in seen.mains],
        "reason": seen.failed[0] if seen.failed else None,
        "message": seen.failed[1] if seen.failed else None,
    }
    if seen.inits:
        status["initContainerStatuses"] = [view.status() for view in seen.inits]
    status["conditions"] = _conditions(pod, seen, name, now)
    return status


def differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a merge patch of ``new`` onto ``old`` would change anything."""
    return any(old.get(key) != value for key, value in new.items())


def qos_class(pod: Mapping[str, Any]) -> str:
    """BestEffort, Burstable or Guaranteed."""
    containers = [*pod["spec"].get("containers", []), *(pod["spec"].get("initContainers") or [])]
    resources = [c.get("resources") or {} for c in containers]
    picked = [
        {
            kind: {n: v for n, v in (r.get(kind) or {}).items() if n in ("cpu", "memory")}
            for kind in ("limits", "requests")
        }
        for r in resources
    ]
    if not any(p["limits"] or p["requests"] for p in picked):
        return "BestEffort"
    even = all(
        set(p["limits"]) == {"cpu", "memory"} and {**p["limits"], **p["requests"]} == p["limits"] for p in picked
    )
    return "Guaranteed" if even else "Burstable"


def _conditions(pod: Mapping[str, Any], seen: Observed, name: str, now: str) -> list[dict[str, Any]]:
    old = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
    done = name in ("Succeeded", "Failed")
    waiting = [v.name for v in seen.mains if not v.ready]
    undone = [v.name for v in seen.inits if v.exit_code != 0 and not v.started]
    completed = {"reason": "PodCompleted"} if name == "Succeeded" else {"reason": "PodFailed"}

    def condition(kind: str, good: bool, why: Mapping[str, str]) -> dict[str, Any]:
        value = "True" if good else "False"
        before = old.get(kind, {})
        changed = now if before.get("status") != value else before.get("lastTransitionTime", now)
        fresh = {"type": kind, "status": value, "lastTransitionTime": changed}
        return fresh if good and not why else {**fresh, **why}

    if done:
        contained, containers_ok = completed, False
    else:
        text = f"containers with unready status: [{' '.join(waiting)}]"
        contained = {"reason": "ContainersNotReady", "message": text} if waiting else {}
        containers_ok = not waiting
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or []]
    shut = [g for g in gates if old.get(g, {}).get("status") != "True"]
    ready_why = dict(contained)
    if containers_ok and shut:
        ready_why = {
            "reason": "ReadinessGatesNotReady",
            "message": f'corresponding condition of pod readiness gate "{shut[0]}" does not exist or is not "True".',
        }
    incomplete = {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(undone)}]",
    }
    initialized = seen.initialized or name == "Succeeded"
    own = [
        condition("PodReadyToStartContainers", seen.sandbox and not done, {}),
        condition("Initialized", initialized, {} if initialized else incomplete),
        condition("Ready", containers_ok and not shut, ready_why),
        condition("ContainersReady", containers_ok, contained),
        condition("PodScheduled", True, {}),
    ]
    return [*own, *(c for kind, c in old.items() if kind not in OWN_CONDITIONS)]


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """A waiting ContainerState."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(report: Mapping[str, Any], *, container_id: str, message: str) -> dict[str, Any]:
    """A terminated ContainerState out of an attempt's report."""
    code = report["exit_code"]
    reason = report.get("reason") or (
        "StartError" if "start_error" in report else "Completed" if code == 0 else "Error"
    )
    state: dict[str, Any] = {
        "exitCode": code,
        "reason": reason,
        "startedAt": whole_seconds(report["started_at"]),
        "finishedAt": whole_seconds(report["finished_at"]),
        "containerID": container_id,
    }
    if message:
        state["message"] = message
    return {"terminated": state}


def whole_seconds(moment: str) -> str:
    """RFC 3339 without its fraction, as metav1.Time is written."""
    return moment.partition(".")[0].rstrip("Z") + "Z"
