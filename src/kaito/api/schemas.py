"""Structural schemas, as CustomResourceDefinitions want them, from types: no references, nothing nullable."""

import copy
from collections.abc import Callable
from typing import Any, Final

from kaito.api.base import Base, Kind

Schema = dict[str, Any]

_COPIED = (
    "type",
    "description",
    "format",
    "enum",
    "minimum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)
_EXTENSION = "x-kubernetes-"


def object_schema(model: type[Kind]) -> Schema:
    """The schema of a kind in its stored version."""
    schema = schema_of(model)
    schema["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return schema


def v1alpha1_schema(model: type[Kind]) -> Schema:
    """The schema of a kind in v1alpha1; the stored one when the kind has no other."""
    schema = object_schema(model)
    change = _OLDER.get(model.__name__)
    return change(copy.deepcopy(schema)) if change else schema


def schema_of(model: type[Base]) -> Schema:
    """The schema of a type."""
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Schema, defs: dict[str, Schema]) -> Schema:
    node = _resolved(node, defs)
    copied = [*(k for k in _COPIED if k in node), *(k for k in node if k.startswith(_EXTENSION))]
    out: Schema = {k: copy.deepcopy(node[k]) for k in copied}
    if node.get("default") is not None:
        out["default"] = node["default"]
    if node.get("type") == "array":
        out["items"] = _structural(node["items"], defs)
    if "properties" in node:
        out["properties"] = {k: _structural(v, defs) for k, v in node["properties"].items()}
        if node.get("required"):
            out["required"] = sorted(node["required"])
    elif isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _structural(node["additionalProperties"], defs)
    return out


def _resolved(node: Schema, defs: dict[str, Schema]) -> Schema:
    """``node`` with its reference, and its "or null", replaced by what they stand for; its own words win."""
    own = {k: v for k, v in node.items() if k not in ("$ref", "anyOf", "allOf", "title")}
    if "anyOf" in node:
        (inner,) = (part for part in node["anyOf"] if part.get("type") != "null")
        return _resolved(inner, defs) | own
    if "$ref" in node:
        return _resolved(defs[node["$ref"].rsplit("/", 1)[-1]], defs) | own
    return node


def _at(schema: Schema, path: str) -> Schema:
    """The properties of the object at a dotted path."""
    for part in path.split(".") if path else ():
        schema = schema["properties"][part]
        schema = schema.get("additionalProperties", schema)
    properties: Schema = schema["properties"]
    return properties


def _workspace(schema: Schema) -> Schema:
    del _at(schema, "resource")["partition"]
    for part in ("inference", "tuning"):
        del _at(schema, f"{part}.preset.presetOptions")["modelAccessSecret"]
    for field in ("state", "targetNodeCount", "performance"):
        del _at(schema, "status")[field]
    return schema


def _inference_set(schema: Schema) -> Schema:
    del _at(schema, "spec.template.resource")["partition"]
    del _at(schema, "status.performance.metrics")["config"]
    return schema


def _rag_engine(schema: Schema) -> Schema:
    spec = _at(schema, "spec")
    del _at(schema, "spec.compute")["partition"]
    del spec["guardrails"]
    flat = copy.deepcopy(_at(schema, "spec.storage.persistentVolume"))
    spec["storage"] = {"type": "object", "description": "A volume that keeps the index.", "properties": flat}
    spec["inferenceService"]["required"] = ["contextWindowSize", "url"]
    for field in ("queryServiceName", "indexServiceName"):
        spec[field] = {"type": "string", "description": "Without effect."}
    return schema


_OLDER: Final[dict[str, Callable[[Schema], Schema]]] = {
    "Workspace": _workspace,
    "InferenceSet": _inference_set,
    "RAGEngine": _rag_engine,
}
