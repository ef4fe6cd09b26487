"""What the server itself decides about an object: identity, generation, status, and who may change what.

Pure functions of the new object and the old one; `writes` calls them in order.
"""

import copy
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from kaito.local.apiserver import status
from kaito.local.apiserver.kinds import CRD, Kind

Object = dict[str, Any]
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
IMMORTAL = ("default", "kube-system", "kube-public")
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
# Built-in kinds whose desired state is counted in metadata.generation.
_COUNTED = frozenset({
    "pods", "replicationcontrollers", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps",
    "jobs.batch", "cronjobs.batch", "ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io",
    "ingressclasses.networking.k8s.io", "poddisruptionbudgets.policy", CRD,
    "priorityclasses.scheduling.k8s.io", "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
})  # fmt: skip
# Kinds whose DELETE answers with the object rather than with a Status.
RETURNED = frozenset({
    "pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "podtemplates",
    "resourcequotas",
})  # fmt: skip
# Kinds that have a status subresource, and yet keep the status that they were created with.
_STATUS_ON_CREATE = frozenset({"nodes"})
# Kinds for which a PUT of something that is not there creates it.
CREATED_BY_PUT = frozenset({"leases.coordination.k8s.io", "endpoints", "events", "limitranges"})


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def later(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def generated_name(base: str) -> str:
    """``base`` and five random characters, in at most 63."""
    return base[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def counted(kind: Kind) -> bool:
    return kind.type.custom or kind.resource in _COUNTED


def begin_create(kind: Kind, obj: Object) -> None:
    """Take out what only the server sets, and set it. In place."""
    meta = obj["metadata"]
    for key in ("uid", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
                "creationTimestamp"):  # fmt: skip
        meta.pop(key, None)
    meta["uid"] = str(uuid.uuid4())
    meta["creationTimestamp"] = now()
    if counted(kind):
        meta["generation"] = 1
    if kind.has_status and kind.resource not in _STATUS_ON_CREATE:
        obj.pop("status", None)
    if not kind.type.namespaced:
        meta.pop("namespace", None)


def begin_update(kind: Kind, old: Object, new: Object, subresource: str) -> Object:
    """The new object with all that this request may not change put back from the old one."""
    if subresource == "status":
        new = _only_status(kind, old, new)
    elif subresource not in ("finalize", "binding") and kind.has_status:
        new = {key: value for key, value in new.items() if key != "status"}
        if "status" in old:
            new["status"] = old["status"]
    meta, before = dict(new.get("metadata") or {}), old["metadata"]
    for key in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
                "resourceVersion", "name", "namespace", "selfLink", "generateName"):  # fmt: skip
        if key in before:
            meta[key] = before[key]
        elif key in meta:
            del meta[key]
    if kind.resource == "namespaces" and subresource != "finalize":
        new = new | {"spec": (new.get("spec") or {}) | {"finalizers": (old.get("spec") or {}).get("finalizers")}}
        if new["spec"]["finalizers"] is None:
            new["spec"] = {}
    if kind.resource == "pods" and not subresource and before.get("deletionTimestamp") is None:
        meta.pop("deletionTimestamp", None)
    return new | {"metadata": meta}


def _only_status(kind: Kind, old: Object, new: Object) -> Object:
    """The old object with the new one's status; a built-in kind takes new labels and annotations along."""
    result = {key: value for key, value in old.items() if key != "status"}
    if "status" in new:
        result["status"] = new["status"]
    meta = dict(old["metadata"])
    sent = new.get("metadata") or {}
    if "managedFields" in sent:
        meta["managedFields"] = sent["managedFields"]
    if not kind.type.custom:
        for key in ("labels", "annotations", "finalizers"):
            meta.pop(key, None)
            if key in sent:
                meta[key] = sent[key]
    result["metadata"] = meta
    return result


def end_update(kind: Kind, old: Object, new: Object) -> None:
    """Count a change of the desired state. In place."""
    if not counted(kind) or "generation" not in old["metadata"]:
        return
    ignored = ("metadata", "status") if kind.has_status or not kind.type.custom else ("metadata",)
    changed = _without(old, ignored) != _without(new, ignored)
    if kind.resource == "deployments.apps":
        changed = changed or old["metadata"].get("annotations") != new["metadata"].get("annotations")
    if changed:
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1


def _without(obj: Object, keys: tuple[str, ...]) -> Object:
    return {key: value for key, value in obj.items() if key not in (*keys, "apiVersion", "kind")}


def gone_after(obj: Object) -> bool:
    """True when a deleted object has nothing left to wait for."""
    meta = obj["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"):
        return False
    return obj.get("kind") != "Namespace" or not (obj.get("spec") or {}).get("finalizers")


def check_namespace(namespace: Object | None, name: str, kind: Kind, object_name: str) -> None:
    """Refuse a create in a namespace that is not there, or that is going away. Raises StatusError."""
    if namespace is None:
        raise status.not_found("", "namespaces", name)
    if "deletionTimestamp" in namespace["metadata"]:
        text = f"namespace {name} is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": text, "field": "metadata.namespace"}
        message = f"unable to create new content in namespace {name} because it is being terminated"
        raise status.forbidden(kind.type.group, kind.type.plural, object_name, message, [cause])


def deletion(kind: Kind, obj: Object, *, grace: int | None, propagation: str | None, orphan: bool | None) -> Object:
    """The object as a delete request leaves it; `gone_after` tells whether it may go at once."""
    result = copy.copy(obj)
    meta = result["metadata"] = dict(obj["metadata"])
    finalizers = [item for item in meta.get("finalizers") or () if item not in ("orphan", "foregroundDeletion")]
    if propagation == "Orphan" or orphan is True:
        finalizers.append("orphan")
    elif propagation == "Foreground":
        finalizers.append("foregroundDeletion")
    elif propagation is None and orphan is None:
        finalizers = list(meta.get("finalizers") or ())
    if kind.resource == CRD and CLEANUP not in finalizers and "deletionTimestamp" not in meta:
        finalizers.append(CLEANUP)
        _set_terminating(result)
    if kind.resource == "namespaces":
        result["status"] = (obj.get("status") or {}) | {"phase": "Terminating"}
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    seconds = _grace(kind, obj, grace)
    if "deletionTimestamp" not in meta:
        meta["deletionTimestamp"] = later(seconds)
        meta["deletionGracePeriodSeconds"] = seconds
        if meta.get("generation"):
            meta["generation"] += 1
    elif seconds < meta.get("deletionGracePeriodSeconds", 0):
        meta["deletionTimestamp"] = later(seconds)
        meta["deletionGracePeriodSeconds"] = seconds
    if kind.resource == "namespaces":
        meta.pop("deletionGracePeriodSeconds", None)
    return result


def _grace(kind: Kind, obj: Object, asked: int | None) -> int:
    """Seconds that a pod may take to end; anything else goes at once."""
    if kind.resource != "pods":
        return 0
    spec = obj.get("spec") or {}
    seconds = asked if asked is not None else spec.get("terminationGracePeriodSeconds", 30)
    ended = (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return 0 if not spec.get("nodeName") or ended else max(0, seconds)


def _set_terminating(crd: Object) -> None:
    found = dict(crd.get("status") or {})
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    condition = {"type": "Terminating", "status": "True", "lastTransitionTime": now(),
                 "reason": "InstanceDeletionPending", "message": message}  # fmt: skip
    others = [item for item in found.get("conditions") or () if item["type"] != "Terminating"]
    crd["status"] = found | {"conditions": [*others, condition]}
