"""Namespaces: a deleted one takes everything in it along, and goes when it is empty."""

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import NAMESPACES
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster
from kaito.local.controllers.discovery import resources

FINALIZER = "kubernetes"
LOOK_AGAIN = (0.5, 10.0)
"""Seconds between two looks at what is left: at first, and when it has been going for long."""


class Namespaces:
    """Reconciles one Namespace at a time."""

    name = "namespace"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        self._cluster.on_change(NAMESPACES, lambda key: add(("", key[1])))

    async def reconcile(self, key: Key) -> float | None:
        namespace = self._cluster.get(NAMESPACES, key)
        if namespace is None or not podstate.is_terminating(namespace):
            return None
        finalizers = (namespace.get("spec") or {}).get("finalizers") or []
        if FINALIZER not in finalizers:
            return None
        left, finalizing = await self._empty(key[1])
        if left:
            await self._tell(namespace, left, finalizing)
            age = self._cluster.clock() - podstate.seconds(namespace["metadata"]["deletionTimestamp"])
            return min(max(LOOK_AGAIN[0], age / 4), LOOK_AGAIN[1])
        spec = {**namespace["spec"], "finalizers": [one for one in finalizers if one != FINALIZER]}
        try:
            await self._cluster.replace(NAMESPACES, {**namespace, "spec": spec}, subresource="finalize")
        except errors.NotFound:
            pass
        return None

    async def _empty(self, name: str) -> tuple[dict[str, int], dict[str, int]]:
        """Delete everything in the namespace; returns how much of each kind is left, and which finalizers hold it."""
        left: dict[str, int] = {}
        finalizing: dict[str, int] = {}
        for res in await resources(self._cluster.client):
            if not res.namespaced:
                continue
            try:
                objects, _ = await self._cluster.client.list(res, name)
            except errors.NotFound:
                continue
            for obj in objects:
                if not podstate.is_terminating(obj):
                    await self._cluster.delete(res, obj, propagation="Background")
                for finalizer in obj["metadata"].get("finalizers") or ():
                    finalizing[finalizer] = finalizing.get(finalizer, 0) + 1
            if objects:
                left[f"{res.plural}.{res.group}" if res.group else res.plural] = len(objects)
        return left, finalizing

    async def _tell(self, namespace: Object, left: dict[str, int], finalizing: dict[str, int]) -> None:
        """What still holds the namespace, in its status."""
        content = ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(left.items()))
        holders = ", ".join(f"{one} in {count} resource instances" for one, count in sorted(finalizing.items()))
        said = {
            "NamespaceContentRemaining": ("SomeResourcesRemain", f"Some resources are remaining: {content}"),
            "NamespaceFinalizersRemaining": (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {holders}",
            ),
        }
        conditions = []
        for kind, (reason, message) in said.items():
            if kind == "NamespaceFinalizersRemaining" and not finalizing:
                continue
            known = podstate.condition(namespace, kind) or {}
            since = known.get("lastTransitionTime") or self._cluster.now()
            fresh = {"type": kind, "status": "True", "reason": reason, "message": message}
            conditions.append({**fresh, "lastTransitionTime": since})
        status = {**(namespace.get("status") or {}), "phase": "Terminating", "conditions": conditions}
        await self._cluster.write_status(NAMESPACES, namespace, status)
