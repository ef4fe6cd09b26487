"""ReplicaSet: so many pods of one template, no matter which."""

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import PODS, REPLICA_SETS
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster, in_batches
from kaito.local.controllers.pods import claim_pods, pod_from_template
from kaito.local.controllers.selectors import includes


class ReplicaSets:
    """Reconciles one ReplicaSet at a time."""

    name = "replicaset"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        self._cluster.on_change(REPLICA_SETS, add)
        self._cluster.on_owned(PODS, REPLICA_SETS, add)
        self._cluster.on_orphan(PODS, REPLICA_SETS, add)

    async def reconcile(self, key: Key) -> float | None:
        cluster = self._cluster
        replica_set = cluster.get(REPLICA_SETS, key)
        if replica_set is None:
            return None
        pods = await claim_pods(cluster, REPLICA_SETS, replica_set)
        failure: errors.ApiError | None = None
        if not podstate.is_terminating(replica_set):
            try:
                await self._scale(replica_set, [pod for pod in pods if podstate.is_active(pod)])
            except errors.ApiError as exc:
                failure = exc
        active = [pod for pod in cluster.owned(PODS, replica_set) if podstate.is_active(pod)]
        status = _status(replica_set, active, failure, clock=(cluster.clock(), cluster.now()))
        await cluster.write_status(REPLICA_SETS, replica_set, status)
        if failure is not None:
            raise failure
        min_ready = replica_set["spec"].get("minReadySeconds", 0)
        waits = [podstate.available_in(pod, min_ready, cluster.clock()) for pod in active]
        return min((wait for wait in waits if wait), default=None)

    async def _scale(self, replica_set: Object, active: list[Object]) -> None:
        missing = replica_set["spec"]["replicas"] - len(active)
        if missing > 0:
            await in_batches([lambda: self._create(replica_set)] * missing)
        elif missing < 0:
            now = self._cluster.clock()
            for pod in sorted(active, key=lambda pod: podstate.first_to_go(pod, now))[:-missing]:
                await self._cluster.delete(PODS, pod)
                text = f"Deleted pod: {pod['metadata']['name']}"
                await self._cluster.event(replica_set, "SuccessfulDelete", text)

    async def _create(self, replica_set: Object) -> None:
        pod = pod_from_template(REPLICA_SETS, replica_set, replica_set["spec"]["template"])
        try:
            made = await self._cluster.create(PODS, pod)
        except errors.ApiError as exc:
            await self._cluster.event(replica_set, "FailedCreate", f"Error creating: {exc.message}", warning=True)
            raise
        await self._cluster.event(replica_set, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")


def _status(
    replica_set: Object, active: list[Object], failure: errors.ApiError | None, *, clock: tuple[float, str]
) -> Object:
    spec = replica_set["spec"]
    min_ready, labels = spec.get("minReadySeconds", 0), spec["template"]["metadata"].get("labels")
    counts = {
        "fullyLabeledReplicas": sum(includes(labels, pod["metadata"].get("labels")) for pod in active),
        "readyReplicas": sum(podstate.is_ready(pod) for pod in active),
        "availableReplicas": sum(podstate.is_available(pod, min_ready, clock[0]) for pod in active),
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    status: Object = {"replicas": len(active)} | {key: value for key, value in counts.items() if value}
    known = podstate.condition(replica_set, "ReplicaFailure")
    if failure is not None:
        fresh = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure.message}
        since = known["lastTransitionTime"] if known else clock[1]
        status["conditions"] = [{**fresh, "lastTransitionTime": since}]
    return status
