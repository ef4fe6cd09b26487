"""The bridge from client-side to server-side apply: kubectl may take over what it applied itself before."""

from __future__ import annotations

from typing import Any

import orjson

from kaito.local.schema import fieldset
from kaito.local.schema.fields import Schema
from kaito.local.schema.fieldset import Paths

Object = dict[str, Any]
MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def recorded(obj: Object | None) -> str:
    """What client-side apply left behind; "" for nothing."""
    text = (((obj or {}).get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    return text if isinstance(text, str) else ""


def unchanged(schema: Schema, live: Object) -> Paths:
    """The fields that were applied on the client's side and still have those values: they are kubectl's to take."""
    try:
        last = orjson.loads(recorded(live))
    except orjson.JSONDecodeError:
        return set()
    if not isinstance(last, dict):
        return set()
    now = fieldset.leaves(schema, live)
    return {path for path, value in fieldset.leaves(schema, last).items() if path in now and now[path] == value}


def refresh(obj: Object, applied: Object) -> None:
    """Keep the record of an object that has one in step with what was applied now."""
    meta = {key: value for key, value in (applied.get("metadata") or {}).items() if key != "managedFields"}
    if ANNOTATION in (meta.get("annotations") or {}):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != ANNOTATION}
    text = orjson.dumps(applied | {"metadata": meta}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    obj["metadata"]["annotations"] = obj["metadata"]["annotations"] | {ANNOTATION: text}
