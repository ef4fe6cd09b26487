"""Pods of a node that is gone: nobody is left to stop them, so they are failed and removed here."""

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key, key_of
from kaito.kube.resources import NODES, PODS
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster

QUARANTINE = 40.0
"""Seconds that a node has to be away before its pods are given up; kube's own figure."""


class OrphanedPods:
    """Reconciles one Pod at a time."""

    name = "orphaned-pods"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._away_since: dict[str, float] = {}

    def wire(self, add: Add) -> None:
        self._cluster.on_change(PODS, add)

        def changed(old: Object | None, new: Object | None) -> None:
            name = (new or old or {})["metadata"]["name"]
            if new is not None:
                self._away_since.pop(name, None)
                return
            for pod in self._cluster.all(PODS):
                if pod["spec"].get("nodeName") == name:
                    add(key_of(pod))

        self._cluster.informer(NODES).add_handler(changed)

    async def reconcile(self, key: Key) -> float | None:
        pod = self._cluster.get(PODS, key)
        node = pod["spec"].get("nodeName") if pod is not None else None
        if pod is None or not node or self._cluster.get(NODES, ("", node)) is not None:
            return None
        since = self._away_since.setdefault(node, self._cluster.clock())
        left = since + QUARANTINE - self._cluster.clock()
        if left > 0:
            return left
        # The cache may lag behind: what ends a pod for good asks the API itself.
        try:
            await self._cluster.client.get(NODES, node)
        except errors.NotFound:
            await self._remove(pod)
        return None

    async def _remove(self, pod: Object) -> None:
        meta = pod["metadata"]
        try:
            if not podstate.is_finished(pod):
                await self._fail(pod)
            await self._cluster.client.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"], grace_period=0)
        except (errors.NotFound, errors.Conflict):
            return

    async def _fail(self, pod: Object) -> None:
        status = pod.get("status") or {}
        disrupted = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": self._cluster.now(),
        }
        kept = [one for one in status.get("conditions") or () if one["type"] != "DisruptionTarget"]
        changed = {**status, "phase": "Failed", "conditions": [*kept, disrupted]}
        await self._cluster.write_status(PODS, pod, changed)
