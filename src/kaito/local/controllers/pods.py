"""Pods of an owner: made from its template, taken up when they fit, let go when they no longer do."""

from collections.abc import Callable

from kaito.kube import errors
from kaito.kube.client import Object, Resource
from kaito.kube.resources import PODS
from kaito.local.controllers.cluster import Cluster
from kaito.local.controllers.ownership import owner_reference, without_owner
from kaito.local.controllers.podstate import is_finished, is_terminating
from kaito.local.controllers.selectors import matches


async def claim_pods(
    cluster: Cluster, res: Resource, owner: Object, *, fits: Callable[[Object], bool] = lambda pod: True
) -> list[Object]:
    """The owner's pods: those it has and still selects, and orphans it selects. Others of its pods are let go.

    ``fits`` says of a selected pod whether it can be this owner's at all.
    """
    selector = owner["spec"]["selector"]

    def wanted(pod: Object) -> bool:
        return matches(selector, pod["metadata"].get("labels")) and fits(pod)

    pods = []
    for pod in cluster.owned(PODS, owner):
        if wanted(pod):
            pods.append(pod)
        elif not is_terminating(pod):
            left = without_owner(pod, owner["metadata"]["uid"])
            await cluster.patch(PODS, pod, {"metadata": {"ownerReferences": left}})
    orphans = cluster.orphans(PODS, owner["metadata"]["namespace"])
    adoptable = [pod for pod in orphans if wanted(pod) and not is_terminating(pod) and not is_finished(pod)]
    if adoptable and not is_terminating(owner) and await still_there(cluster, res, owner):
        for pod in adoptable:
            refs = [*(pod["metadata"].get("ownerReferences") or ()), owner_reference(res, owner)]
            pods.append(await cluster.patch(PODS, pod, {"metadata": {"ownerReferences": refs}}))
    return pods


async def still_there(cluster: Cluster, res: Resource, owner: Object) -> bool:
    """Ask the API itself: an owner deleted with its pods kept must not take them back from a stale cache."""
    meta = owner["metadata"]
    try:
        live = await cluster.client.get(res, meta["name"], meta["namespace"])
    except errors.NotFound:
        return False
    return live["metadata"]["uid"] == meta["uid"] and not is_terminating(live)


def pod_from_template(res: Resource, owner: Object, template: Object, *, name: str | None = None) -> Object:
    """A pod of the owner's template, not yet created; without a ``name`` the server makes one up."""
    meta = template.get("metadata") or {}
    naming = {"name": name} if name else {"generateName": f"{owner['metadata']['name']}-"}
    kept = {key: dict(meta[key]) for key in ("labels", "annotations") if meta.get(key)}
    if meta.get("finalizers"):
        kept["finalizers"] = list(meta["finalizers"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **naming,
            "namespace": owner["metadata"]["namespace"],
            **kept,
            "ownerReferences": [owner_reference(res, owner)],
        },
        "spec": dict(template["spec"]),
    }
