"""What every object has, of whichever kind: apiVersion, kind, metadata; and whether it is KAITO's."""

import difflib
import json
from collections.abc import Iterator
from typing import Any, Final

from kaito.api import keys, kinds
from kaito.api.errors import SpecError

Object = dict[str, Any]
FACTS: Final = ("ConfigMap", "Secret")
"""Kinds of Kubernetes' own that KAITO's objects name."""
_META: Final[dict[str, type]] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "labels": dict,
    "annotations": dict,
}
_LIKE_GROUP: Final = 0.7


def is_kaito(obj: Object) -> bool:
    """Whether the object is of KAITO's group, or is meant to be."""
    group, _, _ = str(obj.get("apiVersion")).rpartition("/")
    if group == keys.GROUP or str(obj.get("apiVersion")).partition("/")[0] == keys.GROUP:
        return True
    meant = difflib.SequenceMatcher(None, group.lower(), keys.GROUP).ratio() >= _LIKE_GROUP
    return (not group or meant) and _kind_like(obj.get("kind"), cutoff=1 if not group else 0.8) is not None


def is_judgeable(obj: Object) -> bool:
    """Whether rules can look at the object at all: what its metadata says can be read, if not all is well with it."""
    meta = obj.get("metadata") or {}
    texts = isinstance(obj.get("apiVersion"), str) and isinstance(obj.get("kind"), str) and isinstance(meta, dict)
    return texts and all(isinstance(meta.get(key), of | None) for key, of in _META.items())


def shape_errors(obj: Object) -> Iterator[SpecError]:
    """What makes an object unreadable for any API server, whatever its kind."""
    for field, example in (("apiVersion", f"{keys.GROUP}/v1beta1"), ("kind", "Workspace")):
        if obj.get(field) in (None, ""):
            yield SpecError(field, None, f"is required: write {field}: {example} for a Workspace")
        elif not isinstance(obj[field], str):
            yield SpecError(field, obj[field], "must be text")
    if not (is_kaito(obj) or is_fact(obj)):
        return
    meta = obj.get("metadata") or {}
    if not isinstance(meta, dict):
        yield SpecError("metadata", None, "must be a map: write name below it")
        return
    for key in (key for key, of in _META.items() if of is str):
        if not isinstance(meta.get(key), str | None):
            yield SpecError(f"metadata.{key}", meta[key], "must be text: put it in quotes")
    for key in ("labels", "annotations"):
        yield from _text_errors(f"metadata.{key}", meta.get(key))
    if is_fact(obj):
        yield from _text_errors("data", obj.get("data"))
        yield from _text_errors("stringData", obj.get("stringData"))


def _text_errors(field: str, values: Any) -> Iterator[SpecError]:
    if values is None:
        return
    if not isinstance(values, dict):
        yield SpecError(field, None, "must be a map of texts: write key: value below it")
        return
    for key, value in values.items():
        if not isinstance(value, str | None):
            shown = json.dumps(value) if isinstance(value, bool | int | float) else None
            fix = f"must be text: write {json.dumps(shown)}" if shown is not None else "must be text, not a map or list"
            yield SpecError(f'{field}["{key}"]', None, f"{shown} {fix}" if shown is not None else fix)


def kind_error(obj: Object) -> SpecError | None:
    """What is wrong with the kind or version, with the closest that there is."""
    kind, version = str(obj["kind"]), str(obj["apiVersion"])
    close = _kind_like(kind, cutoff=0.6)
    if kind not in kinds.KINDS:
        fix = f"did you mean {close}?" if close else f"use {', '.join(kinds.KINDS)}"
        return SpecError("kind", kind, f"is no kind of {keys.GROUP}: {fix}")
    if version.partition("/")[0] != keys.GROUP:
        served = " or ".join(f"{keys.GROUP}/{one}" for one in reversed(kinds.KINDS[kind].versions))
        return SpecError("apiVersion", version, f"has no {kind}: use {served}")
    return None


def _kind_like(kind: Any, *, cutoff: float) -> str | None:
    lower = {name.lower(): name for name in kinds.KINDS} | {info.plural: name for name, info in kinds.KINDS.items()}
    close = difflib.get_close_matches(str(kind).lower(), lower, n=1, cutoff=cutoff)
    return lower[close[0]] if close else None


def is_fact(obj: Object) -> bool:
    return obj.get("apiVersion") == "v1" and obj.get("kind") in FACTS
