"""StatefulSet: pods with an identity, made and replaced in order."""

from dataclasses import dataclass

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import CONTROLLER_REVISIONS, PODS, PVCS, STATEFUL_SETS
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster, in_batches
from kaito.local.controllers.pods import claim_pods
from kaito.local.controllers.revisions import Revisions, revisions, truncate
from kaito.local.controllers.stateful_identity import (
    INDEX_LABEL,
    NAME_LABEL,
    REVISION_LABEL,
    belongs_to_pod,
    claim_owners,
    claims_of,
    ordinal_of,
    pod_name,
    start,
    stateful_pod,
)


@dataclass
class _Look:
    """One reconciliation's view: the set, its revisions, its pods by ordinal."""

    stateful_set: Object
    revisions: Revisions
    pods: dict[int, Object]
    now: float

    @property
    def spec(self) -> Object:
        return self.stateful_set["spec"]

    @property
    def wanted(self) -> range:
        first = start(self.stateful_set)
        return range(first, first + self.spec["replicas"])

    @property
    def ordered(self) -> bool:
        return self.spec.get("podManagementPolicy") != "Parallel"

    @property
    def min_ready(self) -> int:
        return self.spec.get("minReadySeconds", 0)

    @property
    def rolling(self) -> bool:
        return (self.spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"

    @property
    def partition(self) -> int:
        strategy = self.spec.get("updateStrategy") or {}
        return start(self.stateful_set) + ((strategy.get("rollingUpdate") or {}).get("partition") or 0)

    def is_healthy(self, pod: Object) -> bool:
        return podstate.is_running_and_ready(pod) and not podstate.is_terminating(pod)

    def is_available(self, pod: Object) -> bool:
        return self.is_healthy(pod) and podstate.is_available(pod, self.min_ready, self.now)

    def revision_for(self, ordinal: int) -> Object:
        """A pod below the partition comes back as it was; every other one in the new revision."""
        if not self.rolling:
            return self.revisions.update
        return self.revisions.current if ordinal < self.partition else self.revisions.update


class StatefulSets:
    """Reconciles one StatefulSet at a time."""

    name = "statefulset"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        self._cluster.on_change(STATEFUL_SETS, add)
        self._cluster.on_owned(PODS, STATEFUL_SETS, add)
        self._cluster.on_owned(CONTROLLER_REVISIONS, STATEFUL_SETS, add)
        self._cluster.informer(PVCS)
        self._cluster.on_orphan(PODS, STATEFUL_SETS, add)

    async def reconcile(self, key: Key) -> float | None:
        cluster = self._cluster
        stateful_set = cluster.get(STATEFUL_SETS, key)
        if stateful_set is None or podstate.is_terminating(stateful_set):
            return None
        await claim_pods(
            cluster, STATEFUL_SETS, stateful_set, fits=lambda pod: ordinal_of(stateful_set, pod) is not None
        )
        known = await revisions(cluster, stateful_set)
        try:
            await self._act(self._look(stateful_set, known))
        finally:
            # Whatever stopped the work, the status tells how far it came.
            look = self._look(stateful_set, known)
            stateful_set = await cluster.write_status(STATEFUL_SETS, stateful_set, _status(look))
        used = {_revision(pod) for pod in look.pods.values()}
        names = {known.current["metadata"]["name"], known.update["metadata"]["name"]}
        await truncate(cluster, stateful_set, used | names)
        waits = [podstate.available_in(pod, look.min_ready, look.now) for pod in look.pods.values()]
        return min((wait for wait in waits if wait), default=None)

    def _look(self, stateful_set: Object, known: Revisions) -> _Look:
        pods = {}
        for pod in self._cluster.owned(PODS, stateful_set):
            ordinal = ordinal_of(stateful_set, pod)
            if ordinal is not None:
                pods[ordinal] = pod
        return _Look(stateful_set, known, dict(sorted(pods.items())), self._cluster.clock())

    async def _act(self, look: _Look) -> None:
        """Make, remove or replace pods; in order, one at a time and only past healthy ones, unless Parallel."""
        if not await self._fill(look):
            return
        if not await self._shrink(look):
            return
        if look.rolling:
            await self._roll(look)

    async def _fill(self, look: _Look) -> bool:
        """Every wanted ordinal gets its pod; False while an ordered set must wait before the next step."""
        missing = []
        for ordinal in look.wanted:
            pod = look.pods.get(ordinal)
            if pod is not None and podstate.is_finished(pod) and not podstate.is_terminating(pod):
                await self._delete(look, pod, "recreating a finished Pod")
                pod = self._cluster.get(PODS, (pod["metadata"]["namespace"], pod["metadata"]["name"]))
            if pod is None:
                missing.append(ordinal)
                if look.ordered:
                    break
                continue
            if look.ordered and not look.is_available(pod):
                await self._replace_stuck(look)
                return False
            await self._keep_identity(look, ordinal, pod)
        await in_batches([lambda ordinal=one: self._create(look, ordinal) for one in missing])
        return not (missing and look.ordered)

    async def _replace_stuck(self, look: _Look) -> None:
        """Replace the highest pod that is down in a revision that is not wanted any more; one at a time.

        Such a pod may never come up, and an ordered set that waited for it could not leave a broken update.
        """
        if not look.rolling:
            return
        update = look.revisions.update["metadata"]["name"]
        down = {ordinal: pod for ordinal, pod in look.pods.items() if not look.is_healthy(pod)}
        if any(podstate.is_terminating(pod) or _revision(pod) == update for pod in down.values()):
            return
        stuck = [pod for ordinal, pod in down.items() if ordinal in look.wanted and ordinal >= look.partition]
        if stuck:
            await self._delete(look, stuck[-1], "updating")

    async def _shrink(self, look: _Look) -> bool:
        """Unwanted ordinals go, the highest first; False while an ordered set must wait before the next step."""
        condemned = [pod for ordinal, pod in reversed(look.pods.items()) if ordinal not in look.wanted]
        unhealthy = [pod for pod in look.pods.values() if not look.is_healthy(pod)]
        for pod in condemned:
            if podstate.is_terminating(pod):
                if look.ordered:
                    return False
                continue
            # An ordered set removes no healthy pod while another one is down, lest a quorum be lost.
            if look.ordered and unhealthy and pod is not unhealthy[0] and not look.is_available(pod):
                return False
            await self._sync_claims(look, pod, condemned=True)
            await self._delete(look, pod, "scaled down")
            if look.ordered:
                return False
        return True

    async def _roll(self, look: _Look) -> None:
        """Replace the highest pod that is not in the new revision, once all above it are available."""
        update = look.revisions.update["metadata"]["name"]
        for ordinal in reversed(look.wanted):
            if ordinal < look.partition:
                return
            pod = look.pods.get(ordinal)
            if pod is None:
                return
            if _revision(pod) != update and not podstate.is_terminating(pod):
                await self._delete(look, pod, "updating")
                return
            if not look.is_available(pod):
                return

    async def _create(self, look: _Look, ordinal: int) -> None:
        pod = stateful_pod(look.stateful_set, look.revision_for(ordinal), ordinal)
        try:
            await self._ensure_claims(look, pod_name(look.stateful_set, ordinal))
            made = await self._cluster.create(PODS, pod)
        except errors.ApiError as exc:
            text = f"create Pod {pod['metadata']['name']} in StatefulSet {look.stateful_set['metadata']['name']} failed"
            await self._cluster.event(look.stateful_set, "FailedCreate", f"{text} error: {exc.message}", warning=True)
            raise
        name = look.stateful_set["metadata"]["name"]
        text = f"create Pod {made['metadata']['name']} in StatefulSet {name} successful"
        await self._cluster.event(look.stateful_set, "SuccessfulCreate", text)

    async def _ensure_claims(self, look: _Look, pod: str) -> None:
        for claim in claims_of(look.stateful_set, pod):
            key = (claim["metadata"]["namespace"], claim["metadata"]["name"])
            there = self._cluster.get(PVCS, key)
            if there is not None and (podstate.is_terminating(there) or belongs_to_pod(there, pod)):
                # A pod on a claim that is going away would never start, or lose its data later: wait for the end of it.
                text = f"persistentvolumeclaim {key[1]!r} is being deleted; Pod {pod} is made when it is gone"
                raise errors.Conflict(409, "Conflict", text)
            if there is None:
                owners = claim_owners(look.stateful_set, claim, None, condemned=False)
                claim["metadata"] |= {"ownerReferences": owners} if owners else {}
                try:
                    await self._cluster.create(PVCS, claim)
                except errors.AlreadyExists:
                    continue
                text = f"create Claim {key[1]} Pod {pod} in StatefulSet {look.stateful_set['metadata']['name']} success"
                await self._cluster.event(look.stateful_set, "SuccessfulCreate", text)

    async def _keep_identity(self, look: _Look, ordinal: int, pod: Object) -> None:
        """Put back the labels by which a pod is known, and what the retention policy asks of its claims."""
        labels = {NAME_LABEL: pod["metadata"]["name"], INDEX_LABEL: str(ordinal)}
        have = pod["metadata"].get("labels") or {}
        if any(have.get(key) != value for key, value in labels.items()):
            await self._cluster.patch(PODS, pod, {"metadata": {"labels": labels}})
        await self._sync_claims(look, pod, condemned=False)

    async def _sync_claims(self, look: _Look, pod: Object, *, condemned: bool) -> None:
        for wanted in claims_of(look.stateful_set, pod["metadata"]["name"]):
            claim = self._cluster.get(PVCS, (wanted["metadata"]["namespace"], wanted["metadata"]["name"]))
            if claim is None or podstate.is_terminating(claim):
                continue
            owners = claim_owners(look.stateful_set, claim, pod, condemned=condemned)
            if owners != (claim["metadata"].get("ownerReferences") or []):
                await self._cluster.patch(PVCS, claim, {"metadata": {"ownerReferences": owners or None}})

    async def _delete(self, look: _Look, pod: Object, why: str) -> None:
        await self._cluster.delete(PODS, pod)
        name = look.stateful_set["metadata"]["name"]
        text = f"delete Pod {pod['metadata']['name']} in StatefulSet {name} successful ({why})"
        await self._cluster.event(look.stateful_set, "SuccessfulDelete", text)


def _revision(pod: Object) -> str:
    return (pod["metadata"].get("labels") or {}).get(REVISION_LABEL, "")


def _status(look: _Look) -> Object:
    """The counts, and which revision is current: the new one once every pod is in it and ready."""
    known, spec = look.revisions, look.spec
    current, update = known.current["metadata"]["name"], known.update["metadata"]["name"]
    alive = [pod for pod in look.pods.values() if not podstate.is_finished(pod)]
    ready = [pod for pod in alive if look.is_healthy(pod)]
    staying = [pod for pod in alive if not podstate.is_terminating(pod)]

    def of(revision: str) -> int:
        return sum(_revision(pod) == revision for pod in staying)

    updated, done = of(update), current == update
    if look.rolling and updated == len(ready) == len(alive) == spec["replicas"]:
        done = True
    if done:
        current = update
    status = {
        "observedGeneration": look.stateful_set["metadata"].get("generation", 1),
        "replicas": len(alive),
        "readyReplicas": len(ready),
        "availableReplicas": sum(look.is_available(pod) for pod in ready),
        "currentReplicas": of(current),
        "updatedReplicas": updated,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": known.collisions,
    }
    always = ("replicas", "availableReplicas", "collisionCount")
    return {key: value for key, value in status.items() if value or key in always}
