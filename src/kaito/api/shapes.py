"""How an object looks in the other version, field by field. What the other version cannot say is left out.

``lower`` goes from v1beta1 to v1alpha1, ``lift`` the other way; both change the object they are given, and leave its
metadata alone. kaito.api.conversion keeps what is left out.
"""

from collections.abc import Callable
from typing import Any, Final

from kaito.api.base import Object

_VOLUME: Final = ("persistentVolumeClaim", "mountPath")


def lower(kind: str, obj: Object) -> Object:
    """``obj``, of v1beta1, as v1alpha1 can say it."""
    _LOWER[kind](obj)
    return obj


def lift(kind: str, obj: Object) -> Object:
    """``obj``, of v1alpha1, as v1beta1 says it."""
    _LIFT[kind](obj)
    return obj


def part(obj: Any, path: tuple[str, ...]) -> Object | None:
    """The object at ``path``, or None."""
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj if isinstance(obj, dict) else None


def _drop(obj: Any, *path: str) -> None:
    """Take a field out, and every object that is empty without it; `*` stands for each key."""
    if not isinstance(obj, dict):
        return
    key, *rest = path
    for one in list(obj) if key == "*" else [key]:
        if one not in obj:
            continue
        if rest:
            before = bool(obj[one])
            _drop(obj[one], *rest)
            if before and obj[one] == {}:
                del obj[one]
        else:
            del obj[one]


def _lower_workspace(obj: Object) -> None:
    _drop(obj, "resource", "partition")
    for work in ("inference", "tuning"):
        _drop(obj, work, "preset", "presetOptions", "modelAccessSecret")
    for field in ("state", "targetNodeCount", "performance"):
        _drop(obj, "status", field)


def _lower_inference_set(obj: Object) -> None:
    _drop(obj, "spec", "template", "resource", "partition")
    _drop(obj, "status", "performance", "metrics", "*", "config")


def _lower_rag_engine(obj: Object) -> None:
    _drop(obj, "spec", "compute", "partition")
    _drop(obj, "spec", "guardrails")
    storage = part(obj, ("spec", "storage"))
    volume = part(storage, ("persistentVolume",)) or {}
    if storage is not None:
        # Before anything is dropped: storage that keeps a volume is not empty.
        storage |= {key: volume[key] for key in _VOLUME if volume.get(key)}
    _drop(obj, "spec", "storage", "persistentVolume")
    _drop(obj, "spec", "storage", "vectorDB")
    service = part(obj, ("spec", "inferenceService"))
    if service is not None:
        # v1alpha1 requires an address. An empty one means the same as none: retrieve only.
        service.setdefault("url", "")


def _lift_rag_engine(obj: Object) -> None:
    for field in ("queryServiceName", "indexServiceName"):
        _drop(obj, "spec", field)
    storage = part(obj, ("spec", "storage")) or {}
    given = {key: storage[key] for key in _VOLUME if storage.get(key)}
    if given:
        storage["persistentVolume"] = {"persistentVolumeClaim": ""} | given
    for key in _VOLUME:
        _drop(obj, "spec", "storage", key)


def _same(obj: Object) -> None:
    """v1beta1 can say all that v1alpha1 says, in the same words."""


_LOWER: Final[dict[str, Callable[[Object], None]]] = {
    "Workspace": _lower_workspace,
    "InferenceSet": _lower_inference_set,
    "RAGEngine": _lower_rag_engine,
}
_LIFT: Final[dict[str, Callable[[Object], None]]] = {
    "Workspace": _same,
    "InferenceSet": _same,
    "RAGEngine": _lift_rag_engine,
}
