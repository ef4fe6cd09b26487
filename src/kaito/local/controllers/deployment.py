"""Deployment: from one ReplicaSet to the next, without losing service."""

from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kaito.local.controllers import podstate, rolling
from kaito.local.controllers.cluster import Add, Cluster
from kaito.local.controllers.deployment_sets import (
    DESIRED,
    MOST,
    claim,
    ensure_new,
    is_rescaled,
    notes,
    room_of,
    size_of,
    template_of,
    truncate,
)
from kaito.local.controllers.deployment_status import deployment_status, is_complete
from kaito.local.controllers.ownership import controller_of


class Deployments:
    """Reconciles one Deployment at a time."""

    name = "deployment"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        self._cluster.on_change(DEPLOYMENTS, add)
        self._cluster.on_owned(REPLICA_SETS, DEPLOYMENTS, add)
        self._cluster.on_orphan(REPLICA_SETS, DEPLOYMENTS, add)

        def pod_gone(old: Object | None, new: Object | None) -> None:
            """Recreate waits for the last old pod; the ReplicaSet's own numbers do not change then."""
            ref = controller_of(old) if old is not None and new is None else None
            if old is None or ref is None or ref["kind"] != REPLICA_SETS.kind:
                return
            replica_set = self._cluster.get(REPLICA_SETS, (old["metadata"]["namespace"], ref["name"]))
            owner = controller_of(replica_set) if replica_set is not None else None
            if owner is not None:
                add((old["metadata"]["namespace"], owner["name"]))

        self._cluster.informer(PODS).add_handler(pod_gone)

    async def reconcile(self, key: Key) -> float | None:
        cluster = self._cluster
        deployment = cluster.get(DEPLOYMENTS, key)
        if deployment is None or podstate.is_terminating(deployment):
            return None
        sets = await claim(cluster, deployment)
        new = next((one for one in sets if template_of(one) == deployment["spec"]["template"]), None)
        olds = [one for one in sets if one is not new]
        deployment, new, collisions = await ensure_new(cluster, deployment, new, olds)
        if deployment["spec"].get("paused") or is_rescaled(deployment, [*olds, *([new] if new else [])]):
            await self._rescale(deployment, new, olds)
        elif new is not None and deployment["spec"]["strategy"]["type"] == "Recreate":
            await self._recreate(deployment, new, olds)
        elif new is not None:
            await self._roll(deployment, new, olds)
        return await self._report(deployment, new["metadata"]["name"] if new else None, collisions)

    # Steps of a rollout.

    async def _roll(self, deployment: Object, new: Object, olds: list[Object]) -> None:
        limits, sizes = room_of(deployment), [size_of(one) for one in olds]
        wanted = rolling.grown(limits, size_of(new), sizes)
        if wanted != new["spec"]["replicas"]:
            await self._resize(deployment, new, wanted)
            return
        for name, size in rolling.shrunk(limits, size_of(new), sizes).items():
            await self._resize(deployment, next(one for one in olds if one["metadata"]["name"] == name), size)

    async def _recreate(self, deployment: Object, new: Object, olds: list[Object]) -> None:
        for old in olds:
            if old["spec"]["replicas"]:
                await self._resize(deployment, old, 0)
        left = [pod for old in olds for pod in self._cluster.owned(PODS, old) if not podstate.is_finished(pod)]
        if not left and new["spec"]["replicas"] != deployment["spec"]["replicas"]:
            await self._resize(deployment, new, deployment["spec"]["replicas"])

    async def _rescale(self, deployment: Object, new: Object | None, olds: list[Object]) -> None:
        """The Deployment itself was scaled: one ReplicaSet follows at once, several share the change."""
        limits = room_of(deployment)
        sets = [*olds, *([new] if new is not None else [])]
        active = [one for one in sets if one["spec"]["replicas"]]
        if len(active) <= 1:
            target = active[0] if active else new or (olds[-1] if olds else None)
            if target is not None:
                await self._resize(deployment, target, deployment["spec"]["replicas"])
            return
        sizes = rolling.proportional(limits, [size_of(one) for one in active])
        for one in active:
            await self._resize(deployment, one, sizes.get(one["metadata"]["name"], one["spec"]["replicas"]))

    async def _resize(self, deployment: Object, replica_set: Object, replicas: int) -> None:
        before, name = replica_set["spec"]["replicas"], replica_set["metadata"]["name"]
        noted = {DESIRED: str(deployment["spec"]["replicas"]), MOST: str(room_of(deployment).most)}
        if before == replicas and noted.items() <= notes(replica_set).items():
            return
        patch = {"metadata": {"annotations": noted}, "spec": {"replicas": replicas}}
        await self._cluster.patch(REPLICA_SETS, replica_set, patch)
        if before != replicas:
            way = "up" if replicas > before else "down"
            text = f"Scaled {way} replica set {name} from {before} to {replicas}"
            await self._cluster.event(deployment, "ScalingReplicaSet", text)

    # After the step.

    async def _report(self, deployment: Object, new_name: str | None, collisions: int) -> float | None:
        cluster = self._cluster
        sets = cluster.owned(REPLICA_SETS, deployment)
        new = next((one for one in sets if one["metadata"]["name"] == new_name), None)
        status, again = deployment_status(deployment, new, sets, clock=(cluster.clock(), cluster.now()))
        if collisions:
            status["collisionCount"] = collisions
        await cluster.write_status(DEPLOYMENTS, deployment, status)
        # In mid-rollout the old ones still tell which pods are on their way out.
        if is_complete(deployment, status) or deployment["spec"].get("paused"):
            await truncate(cluster, deployment, [one for one in sets if one is not new])
        return again
