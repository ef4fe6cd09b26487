"""ControllerRevisions of a StatefulSet: one per pod template it ever had, so that an update can be told and undone."""

from dataclasses import dataclass

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.resources import CONTROLLER_REVISIONS, STATEFUL_SETS
from kaito.local.controllers.cluster import Cluster
from kaito.local.controllers.naming import content_hash
from kaito.local.controllers.ownership import owner_reference
from kaito.local.controllers.pods import still_there
from kaito.local.controllers.podstate import is_terminating
from kaito.local.controllers.selectors import matches

HASH_LABEL = "controller.kubernetes.io/hash"


@dataclass(frozen=True)
class Revisions:
    """The revision that existing pods may still have, the one they are to have, and the collisions met on the way."""

    current: Object
    update: Object
    collisions: int


def data_of(stateful_set: Object) -> Object:
    """What a revision keeps: a strategic merge patch that brings the template back."""
    return {"spec": {"template": {**stateful_set["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}


def history(cluster: Cluster, stateful_set: Object) -> list[Object]:
    """Its revisions, oldest first."""
    return sorted(cluster.owned(CONTROLLER_REVISIONS, stateful_set), key=lambda one: one["revision"])


async def _adopt(cluster: Cluster, stateful_set: Object) -> None:
    """Take up revisions that nobody owns: pods kept from a set deleted before are known by them."""
    meta, selector = stateful_set["metadata"], stateful_set["spec"]["selector"]
    orphans = [
        one
        for one in cluster.orphans(CONTROLLER_REVISIONS, meta["namespace"])
        if matches(selector, one["metadata"].get("labels")) and not is_terminating(one)
    ]
    if not orphans or not await still_there(cluster, STATEFUL_SETS, stateful_set):
        return
    for one in orphans:
        refs = [*(one["metadata"].get("ownerReferences") or ()), owner_reference(STATEFUL_SETS, stateful_set)]
        await cluster.patch(CONTROLLER_REVISIONS, one, {"metadata": {"ownerReferences": refs}})


async def revisions(cluster: Cluster, stateful_set: Object) -> Revisions:
    """The set's current and update revision; the latter is made, or its number raised, when the template changed."""
    await _adopt(cluster, stateful_set)
    known = history(cluster, stateful_set)
    status = stateful_set.get("status") or {}
    collisions = status.get("collisionCount") or 0
    data = data_of(stateful_set)
    number = known[-1]["revision"] + 1 if known else 1
    same = [one for one in known if one["data"] == data]
    if not same:
        update, collisions = await _create(cluster, stateful_set, data, number=number, collisions=collisions)
    elif same[-1] is known[-1]:
        update = known[-1]
    else:
        # An earlier template came back: its revision becomes the newest again, and its pods need not be replaced.
        update = await cluster.patch(CONTROLLER_REVISIONS, same[-1], {"revision": number})
    current = next((one for one in known if one["metadata"]["name"] == status.get("currentRevision")), update)
    return Revisions(current, update, collisions)


async def _create(
    cluster: Cluster, stateful_set: Object, data: Object, *, number: int, collisions: int
) -> tuple[Object, int]:
    meta = stateful_set["metadata"]
    while True:
        digest = content_hash(data, collisions=collisions)
        revision = {
            "apiVersion": CONTROLLER_REVISIONS.api_version,
            "kind": CONTROLLER_REVISIONS.kind,
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "namespace": meta["namespace"],
                "labels": {**(stateful_set["spec"]["template"]["metadata"].get("labels") or {}), HASH_LABEL: digest},
                "ownerReferences": [owner_reference(STATEFUL_SETS, stateful_set)],
            },
            "data": data,
            "revision": number,
        }
        try:
            return await cluster.create(CONTROLLER_REVISIONS, revision), collisions
        except errors.AlreadyExists:
            there = await cluster.client.get(CONTROLLER_REVISIONS, revision["metadata"]["name"], meta["namespace"])
            owners = [ref["uid"] for ref in there["metadata"].get("ownerReferences") or ()]
            if there["data"] == data and meta["uid"] in owners:
                return there, collisions
            collisions += 1


async def truncate(cluster: Cluster, stateful_set: Object, in_use: set[str]) -> None:
    """Delete the oldest revisions that nothing uses, beyond the limit."""
    limit = stateful_set["spec"].get("revisionHistoryLimit", 10)
    unused = [one for one in history(cluster, stateful_set) if one["metadata"]["name"] not in in_use]
    for revision in unused[: max(0, len(unused) - limit)]:
        await cluster.delete(CONTROLLER_REVISIONS, revision)
