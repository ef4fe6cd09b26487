"""Deployment: from one ReplicaSet to the next, without losing service."""

from kaito.kube import errors
from kaito.kube.client import Object, Resource
from kaito.kube.informer import Key
from kaito.kube.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kaito.local.controllers import podstate, rolling
from kaito.local.controllers.cluster import Add, Cluster
from kaito.local.controllers.deployment_status import deployment_status
from kaito.local.controllers.naming import content_hash
from kaito.local.controllers.ownership import controller_of, owner_reference
from kaito.local.controllers.selectors import matches

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MOST}


class Deployments:
    """Reconciles one Deployment at a time."""

    name = "deployment"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        self._cluster.on_change(DEPLOYMENTS, add)
        self._cluster.on_owned(REPLICA_SETS, DEPLOYMENTS, add)

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
        sets = await self._claim(deployment)
        new = next((one for one in sets if _template(one) == deployment["spec"]["template"]), None)
        olds = [one for one in sets if one is not new]
        paused = bool(deployment["spec"].get("paused"))
        deployment, new = await self._ensure_new(deployment, new, olds, paused=paused)
        if paused or _is_rescaled(deployment, [*olds, *([new] if new else [])]):
            await self._rescale(deployment, new, olds)
        elif new is not None and deployment["spec"]["strategy"]["type"] == "Recreate":
            await self._recreate(deployment, new, olds)
        elif new is not None:
            await self._roll(deployment, new, olds)
        return await self._report(deployment, new["metadata"]["name"] if new else None)

    async def _claim(self, deployment: Object) -> list[Object]:
        """The Deployment's ReplicaSets, oldest first; matching orphans are taken up."""
        sets = self._cluster.owned(REPLICA_SETS, deployment)
        for one in self._cluster.orphans(REPLICA_SETS, deployment["metadata"]["namespace"]):
            labels = one["metadata"].get("labels")
            if matches(deployment["spec"]["selector"], labels) and not podstate.is_terminating(one):
                refs = [*(one["metadata"].get("ownerReferences") or ()), owner_reference(DEPLOYMENTS, deployment)]
                sets.append(await self._cluster.patch(REPLICA_SETS, one, {"metadata": {"ownerReferences": refs}}))
        return sorted(sets, key=lambda one: (one["metadata"]["creationTimestamp"], _revision(one)))

    # The new ReplicaSet and the revision numbers.

    async def _ensure_new(
        self, deployment: Object, new: Object | None, olds: list[Object], *, paused: bool
    ) -> tuple[Object, Object | None]:
        highest = max((_revision(one) for one in olds), default=0)
        if new is None:
            if paused:
                return deployment, None
            new = await self._create(deployment, olds, revision=highest + 1)
        elif _revision(new) <= highest:
            # An earlier template came back (kubectl rollout undo): it is the newest revision again.
            new = await self._annotate(REPLICA_SETS, new, {REVISION: str(highest + 1)})
        number = str(_revision(new))
        if (deployment["metadata"].get("annotations") or {}).get(REVISION) != number:
            deployment = await self._annotate(DEPLOYMENTS, deployment, {REVISION: number})
        return deployment, new

    async def _create(self, deployment: Object, olds: list[Object], *, revision: int) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        collisions = (deployment.get("status") or {}).get("collisionCount") or 0
        limits = _room(deployment)
        wanted = spec["replicas"]
        if spec["strategy"]["type"] == "Recreate":
            wanted = 0 if any(one["spec"]["replicas"] for one in olds) else wanted
        else:
            wanted = rolling.grown(limits, rolling.Size("", 0), [_size(one) for one in olds])
        kept = {key: value for key, value in (meta.get("annotations") or {}).items() if key not in NOT_COPIED}
        notes = {REVISION: str(revision), DESIRED: str(spec["replicas"]), MOST: str(limits.most)}
        while True:
            digest = content_hash(spec["template"], collisions=collisions)
            labels = {**(spec["template"]["metadata"].get("labels") or {}), HASH_LABEL: digest}
            replica_set = {
                "apiVersion": REPLICA_SETS.api_version,
                "kind": REPLICA_SETS.kind,
                "metadata": {
                    "name": f"{meta['name']}-{digest}",
                    "namespace": meta["namespace"],
                    "labels": labels,
                    "annotations": kept | notes,
                    "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
                },
                "spec": {
                    "replicas": wanted,
                    "minReadySeconds": spec.get("minReadySeconds", 0),
                    "selector": {
                        **spec["selector"],
                        "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH_LABEL: digest},
                    },
                    "template": {
                        **spec["template"],
                        "metadata": {**spec["template"]["metadata"], "labels": labels},
                    },
                },
            }
            try:
                made = await self._cluster.create(REPLICA_SETS, replica_set)
                break
            except errors.AlreadyExists:
                there = await self._cluster.client.get(REPLICA_SETS, f"{meta['name']}-{digest}", meta["namespace"])
                owner = controller_of(there)
                if owner is not None and owner["uid"] == meta["uid"] and _template(there) == spec["template"]:
                    return there
                collisions += 1
        text = f"Scaled up replica set {made['metadata']['name']} from 0 to {wanted}"
        await self._cluster.event(deployment, "ScalingReplicaSet", text)
        return made

    # Steps of a rollout.

    async def _roll(self, deployment: Object, new: Object, olds: list[Object]) -> None:
        limits, sizes = _room(deployment), [_size(one) for one in olds]
        wanted = rolling.grown(limits, _size(new), sizes)
        if wanted != new["spec"]["replicas"]:
            await self._resize(deployment, new, wanted)
            return
        for name, size in rolling.shrunk(limits, _size(new), sizes).items():
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
        limits = _room(deployment)
        sets = [*olds, *([new] if new is not None else [])]
        active = [one for one in sets if one["spec"]["replicas"]]
        if len(active) <= 1:
            target = active[0] if active else new
            if target is not None:
                await self._resize(deployment, target, deployment["spec"]["replicas"])
            return
        sizes = rolling.proportional(limits, [_size(one) for one in active])
        for one in active:
            await self._resize(deployment, one, sizes.get(one["metadata"]["name"], one["spec"]["replicas"]))

    async def _resize(self, deployment: Object, replica_set: Object, replicas: int) -> None:
        before, name = replica_set["spec"]["replicas"], replica_set["metadata"]["name"]
        notes = {DESIRED: str(deployment["spec"]["replicas"]), MOST: str(_room(deployment).most)}
        if before == replicas and notes.items() <= _notes(replica_set).items():
            return
        patch = {"metadata": {"annotations": notes}, "spec": {"replicas": replicas}}
        await self._cluster.patch(REPLICA_SETS, replica_set, patch)
        if before != replicas:
            way = "up" if replicas > before else "down"
            text = f"Scaled {way} replica set {name} from {before} to {replicas}"
            await self._cluster.event(deployment, "ScalingReplicaSet", text)

    # After the step.

    async def _report(self, deployment: Object, new_name: str | None) -> float | None:
        cluster = self._cluster
        sets = cluster.owned(REPLICA_SETS, deployment)
        new = next((one for one in sets if one["metadata"]["name"] == new_name), None)
        status, again = deployment_status(deployment, new, sets, clock=(cluster.clock(), cluster.now()))
        await cluster.write_status(DEPLOYMENTS, deployment, status)
        await self._truncate(deployment, [one for one in sets if one is not new])
        return again

    async def _truncate(self, deployment: Object, olds: list[Object]) -> None:
        """Delete the oldest empty ReplicaSets beyond the limit."""
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        empty = [
            one
            for one in sorted(olds, key=_revision)
            if not one["spec"]["replicas"]
            and not (one.get("status") or {}).get("replicas")
            and not podstate.is_terminating(one)
        ]
        for one in empty[: max(0, len(empty) - limit)]:
            await self._cluster.delete(REPLICA_SETS, one)

    async def _annotate(self, res: Resource, obj: Object, notes: dict[str, str]) -> Object:
        return await self._cluster.patch(res, obj, {"metadata": {"annotations": notes}})


def _template(replica_set: Object) -> Object:
    """The template without the hash that the controller added: comparable with the Deployment's."""
    template = replica_set["spec"]["template"]
    labels = {key: value for key, value in (template["metadata"].get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _note(obj: Object, key: str) -> int:
    value = (obj["metadata"].get("annotations") or {}).get(key, "")
    return int(value) if value.isdecimal() else 0


def _revision(replica_set: Object) -> int:
    return _note(replica_set, REVISION)


def _size(replica_set: Object) -> rolling.Size:
    status = replica_set.get("status") or {}
    return rolling.Size(
        replica_set["metadata"]["name"],
        replica_set["spec"]["replicas"],
        available=status.get("availableReplicas", 0),
        allowed=_note(replica_set, MOST),
    )


def _room(deployment: Object) -> rolling.Room:
    spec = deployment["spec"]
    update = spec["strategy"].get("rollingUpdate") or {"maxSurge": 0, "maxUnavailable": 0}
    if spec["strategy"]["type"] == "Recreate":
        return rolling.Room(spec["replicas"], 0, spec["replicas"])
    return rolling.room(spec["replicas"], surge=update["maxSurge"], unavailable=update["maxUnavailable"])


def _is_rescaled(deployment: Object, sets: list[Object]) -> bool:
    """Whether ``spec.replicas`` changed since the ReplicaSets with pods were last sized."""
    noted = [_note(one, DESIRED) for one in sets if one["spec"]["replicas"] and DESIRED in _notes(one)]
    return any(desired != deployment["spec"]["replicas"] for desired in noted)


def _notes(obj: Object) -> Object:
    return obj["metadata"].get("annotations") or {}
