"""What makes a StatefulSet's pod that pod: its name, ordinal, labels, host name and claims. Pure."""

import copy

from kaito.kube.client import Object
from kaito.kube.resources import PODS, STATEFUL_SETS
from kaito.local.controllers.ownership import owner_reference
from kaito.local.controllers.pods import pod_from_template
from kaito.local.controllers.revisions import template_of

REVISION_LABEL = "controller-revision-hash"
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def pod_name(stateful_set: Object, ordinal: int) -> str:
    return f"{stateful_set['metadata']['name']}-{ordinal}"


def ordinal_of(stateful_set: Object, pod: Object) -> int | None:
    """The pod's ordinal; None when its name is not one of this set."""
    parent, dash, number = pod["metadata"]["name"].rpartition("-")
    fits = dash and parent == stateful_set["metadata"]["name"] and number.isdecimal() and str(int(number)) == number
    return int(number) if fits else None


def start(stateful_set: Object) -> int:
    return (stateful_set["spec"].get("ordinals") or {}).get("start", 0)


def claim_name(template: Object, pod: str) -> str:
    return f"{template['metadata']['name']}-{pod}"


def stateful_pod(stateful_set: Object, revision: Object, ordinal: int) -> Object:
    """The pod of that ordinal in that revision."""
    name = pod_name(stateful_set, ordinal)
    pod = pod_from_template(STATEFUL_SETS, stateful_set, template_of(revision), name=name)
    pod["metadata"]["labels"] = {
        **pod["metadata"].get("labels", {}),
        REVISION_LABEL: revision["metadata"]["name"],
        NAME_LABEL: name,
        INDEX_LABEL: str(ordinal),
    }
    spec = pod["spec"]
    spec["hostname"] = name
    if stateful_set["spec"].get("serviceName"):
        spec["subdomain"] = stateful_set["spec"]["serviceName"]
    claims = {
        template["metadata"]["name"]: {
            "name": template["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": claim_name(template, name)},
        }
        for template in stateful_set["spec"].get("volumeClaimTemplates") or ()
    }
    others = [volume for volume in spec.get("volumes") or () if volume["name"] not in claims]
    if claims or others:
        spec["volumes"] = [*claims.values(), *others]
    return pod


def claims_of(stateful_set: Object, pod: str) -> list[Object]:
    """The claims that the pod of that name mounts."""
    made = []
    labels = (stateful_set["spec"]["selector"].get("matchLabels")) or {}
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        claim = {key: copy.deepcopy(value) for key, value in template.items() if key != "status"}
        meta = {key: value for key, value in claim["metadata"].items() if key in ("labels", "annotations")}
        meta["labels"] = {**meta.get("labels", {}), **labels}
        claim["metadata"] = {
            **meta,
            "name": claim_name(template, pod),
            "namespace": stateful_set["metadata"]["namespace"],
        }
        made.append({**claim, "apiVersion": "v1", "kind": "PersistentVolumeClaim"})
    return made


def belongs_to_pod(claim: Object, pod: str) -> bool:
    """Whether a pod of that name owns the claim: when there is no such pod any more, the claim goes too."""
    return any((ref["kind"], ref["name"]) == (PODS.kind, pod) for ref in claim["metadata"].get("ownerReferences") or ())


def claim_owners(stateful_set: Object, claim: Object, pod: Object | None, *, condemned: bool) -> list[Object]:
    """The owner references that the retention policy asks of a claim.

    Deleted with the set: owned by the set. Deleted when scaled away: owned by the pod, but only once that pod is to go.
    References of others stay.
    """
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    ours = {stateful_set["metadata"]["uid"]} | ({pod["metadata"]["uid"]} if pod else set())
    name = pod["metadata"]["name"] if pod else ""
    refs = [
        ref
        for ref in claim["metadata"].get("ownerReferences") or ()
        if ref["uid"] not in ours and not (ref["kind"] == "Pod" and ref["name"] == name)
    ]
    if policy.get("whenDeleted") == "Delete":
        refs.append(owner_reference(STATEFUL_SETS, stateful_set, controller=False))
    if policy.get("whenScaled") == "Delete" and condemned and pod is not None:
        refs.append(owner_reference(PODS, pod, controller=False))
    return refs
