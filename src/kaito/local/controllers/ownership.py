"""Owner references: who controls an object, and what a reference to an owner looks like. Pure."""

from collections.abc import Mapping
from typing import Any

from kaito.kube.client import Object, Resource


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner reference of the controlling owner."""
    for ref in obj["metadata"].get("ownerReferences") or ():
        if ref.get("controller"):
            return ref
    return None


def owner_uids(obj: Mapping[str, Any]) -> list[str]:
    """The uids of all owners."""
    return [ref["uid"] for ref in obj["metadata"].get("ownerReferences") or ()]


def own_uid(obj: Mapping[str, Any]) -> list[str]:
    """The object's uid, for an index."""
    return [obj["metadata"]["uid"]]


def owner_reference(res: Resource, owner: Object, *, controller: bool = True) -> Object:
    """A reference to ``owner`` that a foreground deletion waits for."""
    ref = {
        "apiVersion": res.api_version,
        "kind": res.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return {**ref, "controller": True, "blockOwnerDeletion": True} if controller else ref


def without_owner(obj: Object, uid: str) -> list[Object]:
    """The object's owner references but those to ``uid``."""
    return [ref for ref in obj["metadata"].get("ownerReferences") or () if ref["uid"] != uid]
