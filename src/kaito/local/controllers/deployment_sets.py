"""The ReplicaSets of a Deployment: which are its own, which one has its template, what is noted on them."""

from kaito.kube import errors
from kaito.kube.client import Object, Resource
from kaito.kube.resources import DEPLOYMENTS, REPLICA_SETS
from kaito.local.controllers import podstate, rolling
from kaito.local.controllers.cluster import Cluster
from kaito.local.controllers.naming import content_hash
from kaito.local.controllers.ownership import controller_of, owner_reference, without_owner
from kaito.local.controllers.pods import still_there
from kaito.local.controllers.selectors import matches

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MOST}


async def claim(cluster: Cluster, deployment: Object) -> list[Object]:
    """The Deployment's ReplicaSets, oldest first: orphans that fit are taken up, others are let go."""
    meta, selector = deployment["metadata"], deployment["spec"]["selector"]
    sets = []
    for one in cluster.owned(REPLICA_SETS, deployment):
        if matches(selector, one["metadata"].get("labels")):
            sets.append(one)
        elif not podstate.is_terminating(one):
            left = without_owner(one, meta["uid"])
            await cluster.patch(REPLICA_SETS, one, {"metadata": {"ownerReferences": left or None}})
    orphans = [
        one
        for one in cluster.orphans(REPLICA_SETS, meta["namespace"])
        if matches(selector, one["metadata"].get("labels")) and not podstate.is_terminating(one)
    ]
    if orphans and await still_there(cluster, DEPLOYMENTS, deployment):
        for one in orphans:
            refs = [*(one["metadata"].get("ownerReferences") or ()), owner_reference(DEPLOYMENTS, deployment)]
            sets.append(await cluster.patch(REPLICA_SETS, one, {"metadata": {"ownerReferences": refs}}))
    return sorted(sets, key=lambda one: (one["metadata"]["creationTimestamp"], revision_of(one)))


async def ensure_new(
    cluster: Cluster, deployment: Object, new: Object | None, olds: list[Object]
) -> tuple[Object, Object | None, int]:
    """The Deployment, the ReplicaSet of its template with all that is noted on it, and the collisions of its name.

    A ReplicaSet that is missing is made, unless the Deployment is paused.
    """
    collisions = (deployment.get("status") or {}).get("collisionCount") or 0
    highest = max((revision_of(one) for one in olds), default=0)
    if new is None:
        if deployment["spec"].get("paused"):
            return deployment, None, collisions
        new, collisions = await _create(cluster, deployment, olds, revision=highest + 1, collisions=collisions)
    else:
        new = await _follow(cluster, deployment, new, highest)
    number = str(revision_of(new))
    if notes(deployment).get(REVISION) != number:
        deployment = await _annotate(cluster, DEPLOYMENTS, deployment, {REVISION: number})
    return deployment, new, collisions


async def _follow(cluster: Cluster, deployment: Object, new: Object, highest: int) -> Object:
    """What the Deployment says outside its template goes to the ReplicaSet that is there."""
    wanted = _copied(deployment)
    if revision_of(new) <= highest:
        # An earlier template came back (kubectl rollout undo): it is the newest revision again.
        wanted[REVISION] = str(highest + 1)
    patch: Object = {}
    if not wanted.items() <= notes(new).items():
        patch["metadata"] = {"annotations": wanted}
    pause = deployment["spec"].get("minReadySeconds", 0)
    if new["spec"].get("minReadySeconds", 0) != pause:
        patch["spec"] = {"minReadySeconds": pause}
    return await cluster.patch(REPLICA_SETS, new, patch) if patch else new


async def _create(
    cluster: Cluster, deployment: Object, olds: list[Object], *, revision: int, collisions: int
) -> tuple[Object, int]:
    meta, spec = deployment["metadata"], deployment["spec"]
    limits = room_of(deployment)
    wanted = spec["replicas"]
    if spec["strategy"]["type"] == "Recreate":
        # It may grow when no pod of the old ones is left, which is seen later.
        wanted = 0 if olds else wanted
    else:
        wanted = rolling.grown(limits, rolling.Size("", 0), [size_of(one) for one in olds])
    noted = {REVISION: str(revision), DESIRED: str(spec["replicas"]), MOST: str(limits.most)}
    while True:
        replica_set = _replica_set(deployment, content_hash(spec["template"], collisions=collisions), wanted)
        replica_set["metadata"]["annotations"] = _copied(deployment) | noted
        try:
            made = await cluster.create(REPLICA_SETS, replica_set)
            break
        except errors.AlreadyExists:
            there = await cluster.client.get(REPLICA_SETS, replica_set["metadata"]["name"], meta["namespace"])
            owner = controller_of(there)
            if owner is not None and owner["uid"] == meta["uid"] and template_of(there) == spec["template"]:
                return there, collisions
            collisions += 1
    if wanted:
        text = f"Scaled up replica set {made['metadata']['name']} from 0 to {wanted}"
        await cluster.event(deployment, "ScalingReplicaSet", text)
    return made, collisions


def _replica_set(deployment: Object, digest: str, replicas: int) -> Object:
    meta, spec = deployment["metadata"], deployment["spec"]
    template, selector = spec["template"], spec["selector"]
    labels = {**(template["metadata"].get("labels") or {}), HASH_LABEL: digest}
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }


async def truncate(cluster: Cluster, deployment: Object, olds: list[Object]) -> None:
    """Delete the oldest empty ReplicaSets beyond the limit."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    empty = [
        one
        for one in sorted(olds, key=revision_of)
        if not one["spec"]["replicas"]
        and not (one.get("status") or {}).get("replicas")
        and (one.get("status") or {}).get("observedGeneration", 0) >= one["metadata"].get("generation", 1)
        and not podstate.is_terminating(one)
    ]
    for one in empty[: max(0, len(empty) - limit)]:
        await cluster.delete(REPLICA_SETS, one)


async def _annotate(cluster: Cluster, res: Resource, obj: Object, noted: dict[str, str]) -> Object:
    return await cluster.patch(res, obj, {"metadata": {"annotations": noted}})


def notes(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def _copied(deployment: Object) -> dict[str, str]:
    """The Deployment's annotations that its ReplicaSet has too."""
    return {key: value for key, value in notes(deployment).items() if key not in NOT_COPIED}


def template_of(replica_set: Object) -> Object:
    """The template without the hash that the controller added: comparable with the Deployment's."""
    template = replica_set["spec"]["template"]
    labels = {key: value for key, value in (template["metadata"].get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _number(obj: Object, key: str) -> int:
    value = notes(obj).get(key, "")
    return int(value) if value.isdecimal() else 0


def revision_of(replica_set: Object) -> int:
    return _number(replica_set, REVISION)


def size_of(replica_set: Object) -> rolling.Size:
    """Its numbers; pods it was told to give up no longer count as available, though its status may be behind."""
    replicas, status = replica_set["spec"]["replicas"], replica_set.get("status") or {}
    available = min(replicas, status.get("availableReplicas", 0))
    return rolling.Size(replica_set["metadata"]["name"], replicas, available, allowed=_number(replica_set, MOST))


def room_of(deployment: Object) -> rolling.Room:
    spec = deployment["spec"]
    if spec["strategy"]["type"] == "Recreate":
        return rolling.Room(spec["replicas"], 0, spec["replicas"])
    update = spec["strategy"]["rollingUpdate"]
    return rolling.room(spec["replicas"], surge=update["maxSurge"], unavailable=update["maxUnavailable"])


def is_rescaled(deployment: Object, sets: list[Object]) -> bool:
    """Whether ``spec.replicas`` changed since the ReplicaSets with pods were last sized."""
    noted = [_number(one, DESIRED) for one in sets if one["spec"]["replicas"] and DESIRED in notes(one)]
    return any(desired != deployment["spec"]["replicas"] for desired in noted)
