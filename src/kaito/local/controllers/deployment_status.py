"""A Deployment's status: counts, and the conditions that `kubectl rollout status` and `kubectl wait` read. Pure."""

from kaito.kube.client import Object
from kaito.local.controllers import rolling
from kaito.local.controllers.podstate import condition, seconds

COMPLETE = "NewReplicaSetAvailable"
LATE = "ProgressDeadlineExceeded"
Clock = tuple[float, str]


def deployment_status(
    deployment: Object, new: Object | None, sets: list[Object], *, clock: Clock
) -> tuple[Object, float | None]:
    """The status, and in how many seconds the progress deadline is to be looked at. ``clock``: seconds, timestamp."""
    counts = _counts(deployment, new, sets)
    status: Object = {key: value for key, value in counts.items() if value}
    failures = [found for one in sets if (found := condition(one, "ReplicaFailure"))]
    progressing, again = _progressing(deployment, new, counts, clock)
    conditions = [_available(deployment, counts, clock), progressing]
    if failures:
        failure = {key: value for key, value in failures[0].items() if key != "lastTransitionTime"}
        conditions.append(_condition(deployment, failure, clock, touched=False))
    status["conditions"] = [one for one in conditions if one]
    return status, again


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all pods are of the newest template, and available."""
    counts = [status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")]
    return counts == [deployment["spec"]["replicas"]] * 3


def _counts(deployment: Object, new: Object | None, sets: list[Object]) -> dict[str, int]:
    def total(field: str, of: list[Object]) -> int:
        return sum((one.get("status") or {}).get(field, 0) for one in of)

    available = total("availableReplicas", sets)
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": total("replicas", sets),
        "updatedReplicas": total("replicas", [new] if new else []),
        "readyReplicas": total("readyReplicas", sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(one["spec"]["replicas"] for one in sets) - available),
    }


def _available(deployment: Object, counts: dict[str, int], clock: Clock) -> Object:
    spec = deployment["spec"]
    least = spec["replicas"]
    if spec["strategy"]["type"] == "RollingUpdate":
        update = spec["strategy"]["rollingUpdate"]
        limits = rolling.room(spec["replicas"], surge=update["maxSurge"], unavailable=update["maxUnavailable"])
        least = limits.least
    enough = counts["availableReplicas"] >= least
    said = {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }
    return _condition(deployment, said, clock, touched=False)


def _progressing(
    deployment: Object, new: Object | None, counts: dict[str, int], clock: Clock
) -> tuple[Object | None, float | None]:
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    known = condition(deployment, "Progressing")
    if deadline is None:
        return None, None
    if deployment["spec"].get("paused"):
        said = {"status": "Unknown", "reason": "DeploymentPaused", "message": "Deployment is paused"}
        return _condition(deployment, {"type": "Progressing", **said}, clock, touched=False), None
    name = new["metadata"]["name"] if new else ""
    if is_complete(deployment, counts):
        text = f'ReplicaSet "{name}" has successfully progressed.'
        said = {"status": "True", "reason": COMPLETE, "message": text}
        return _condition(deployment, {"type": "Progressing", **said}, clock, touched=False), None
    if known is not None and known["reason"] == COMPLETE and counts["updatedReplicas"] == counts["replicas"]:
        # A pod lost after the rollout is a matter of availability, not of progress.
        return dict(known), None
    if known is None or _moved(deployment, counts) or known["reason"] in (COMPLETE, "DeploymentPaused"):
        is_new = known is None and counts["replicas"] == 0
        reason = "NewReplicaSetCreated" if is_new else "ReplicaSetUpdated"
        text = f'Created new replica set "{name}"' if is_new else f'ReplicaSet "{name}" is progressing.'
        said = {"status": "True", "reason": reason, "message": text}
        return _condition(deployment, {"type": "Progressing", **said}, clock, touched=True), float(deadline)
    left = seconds(known["lastUpdateTime"]) + deadline - clock[0]
    if known["reason"] == LATE or left <= 0:
        text = f'ReplicaSet "{name}" has timed out progressing.'
        said = {"status": "False", "reason": LATE, "message": text}
        return _condition(deployment, {"type": "Progressing", **said}, clock, touched=False), None
    return dict(known), left


def _moved(deployment: Object, counts: dict[str, int]) -> bool:
    """Whether the rollout came forward since the last status, or a new one began."""
    before = deployment.get("status") or {}
    old_before = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    old_now = counts["replicas"] - counts["updatedReplicas"]
    return (
        counts["observedGeneration"] != before.get("observedGeneration")
        or counts["updatedReplicas"] > before.get("updatedReplicas", 0)
        or old_now < old_before
        or counts["readyReplicas"] > before.get("readyReplicas", 0)
        or counts["availableReplicas"] > before.get("availableReplicas", 0)
    )


def _condition(deployment: Object, said: Object, clock: Clock, *, touched: bool) -> Object:
    """The condition with its times: unchanged if it says the same, unless ``touched``."""
    known = condition(deployment, said["type"])
    if known is not None and not touched and all(known.get(key) == value for key, value in said.items()):
        return dict(known)
    same = known is not None and known["status"] == said["status"]
    since = known["lastTransitionTime"] if known is not None and same else clock[1]
    return {**said, "lastUpdateTime": clock[1], "lastTransitionTime": since}
