"""OpenAPI documents: what `kubectl explain`, client-side validation and three-way apply read.

The documents hold the kinds asked for and every definition these reach, nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson

from kaito.local.schema.fields import Schema, object_meta, schema_for
from kaito.local.schema.registry import BY_GVK, Type

Document = dict[str, Any]
_GVK = "x-kubernetes-group-version-kind"
_INFO = {"title": "Kubernetes", "version": "v1.36.0"}
_SCALARS: dict[str, Document] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int32"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "any": {"type": "object"},
}
_NAMED: dict[str, Document] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": {"type": "string", "format": "date-time"},
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": {"type": "string", "format": "date-time"},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"type": "object"},
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": {"type": "object"},
}
_INT_OR_STRING_V3: Document = {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
_QUANTITY_V3: Document = {"oneOf": [{"type": "string"}, {"type": "number"}]}


@cache
def _common_words() -> dict[str, str]:
    """How the fields that every object has are described."""
    return schema_for(BY_GVK["", "v1", "ConfigMap"]).descriptions[1]


class _Writer:
    """Collects definitions; `prefix` is where they live in the document."""

    def __init__(self, prefix: str, v3: bool) -> None:
        self.prefix = prefix
        self.v3 = v3
        self.definitions: dict[str, Document] = {}

    def reference(self, schema: Schema, description: str = "") -> Document:
        self.define(schema)
        target = {"$ref": f"{self.prefix}{schema.name}"}
        if not description:
            return target
        return {"description": description, "allOf": [target]} if self.v3 else {"description": description, **target}

    def define(self, schema: Schema) -> None:
        if schema.name in self.definitions:
            return
        if schema.name in _NAMED:
            short = schema.name.rpartition(".")[2]
            special = {"IntOrString": _INT_OR_STRING_V3, "Quantity": _QUANTITY_V3}.get(short) if self.v3 else None
            self.definitions[schema.name] = dict(special or _NAMED[schema.name])
            return
        text, fields = schema.descriptions
        body: Document = {"type": "object", "description": text}
        self.definitions[schema.name] = body
        body["properties"] = {name: self.value(field, fields.get(name, "")) for name, field in schema.fields.items()}
        if schema.required:
            body["required"] = list(schema.required)
        if schema.atomic:
            body["x-kubernetes-map-type"] = "atomic"

    def value(self, schema: Schema, description: str = "") -> Document:
        if schema.kind == "object" or schema.name in _NAMED:
            result = self.reference(schema, description)
            if schema.retain_keys:
                result["x-kubernetes-patch-strategy"] = "retainKeys"
            return result
        head = {"description": description} if description else {}
        if schema.kind == "list":
            items = self.value(schema.items) if schema.items else {"type": "object"}
            return {**head, "type": "array", "items": items, **_list_marks(schema)}
        if schema.kind == "map":
            items = self.value(schema.items) if schema.items else {"type": "object"}
            marks = {"x-kubernetes-map-type": "atomic"} if schema.atomic else {}
            return {**head, "type": "object", "additionalProperties": items, **marks}
        return {**head, **_SCALARS[schema.kind]}

    def kind(self, type: Type) -> str:
        """Define a kind and its list; returns the kind's definition name."""
        mark = [{"group": type.group, "version": type.version, "kind": type.kind}]
        schema = schema_for(type)
        if type.custom:
            name = f"{'.'.join(reversed(type.group.split('.')))}.{type.version}.{type.kind}"
            body = {"type": "object", **schema.raw}
            words = _common_words()
            own = {name: {"type": "string", "description": words[name]} for name in ("apiVersion", "kind")}
            own["metadata"] = self.reference(object_meta(), words["metadata"])
            body["properties"] = {**(schema.raw.get("properties") or {}), **own}
            self.definitions[name] = body if self.v3 else _without_v3_words(body)
        else:
            name = schema.name
            self.define(schema)
        self.definitions[name][_GVK] = mark
        return name


def _list_marks(schema: Schema) -> Document:
    rule = schema.rule
    marks: Document = {"x-kubernetes-list-type": "map" if rule.keys else "set" if rule.is_set else "atomic"}
    if rule.keys:
        marks["x-kubernetes-list-map-keys"] = list(rule.keys)
    if rule.patch_merge:
        marks["x-kubernetes-patch-strategy"] = "merge,retainKeys" if rule.retain_keys else "merge"
    if rule.patch_key:
        marks["x-kubernetes-patch-merge-key"] = rule.patch_key
    return marks


def _without_v3_words(value: Any) -> Any:
    """Swagger 2 knows neither `nullable` nor `anyOf` and its kin."""
    if isinstance(value, dict):
        words = ("nullable", "anyOf", "oneOf", "allOf", "not")
        return {k: _without_v3_words(v) for k, v in value.items() if k not in words or not isinstance(v, bool | list)}
    return [_without_v3_words(item) for item in value] if isinstance(value, list) else value


def _query(name: str, description: str, *, v3: bool) -> Document:
    shape = {"schema": {"type": "string"}} if v3 else {"type": "string"}
    return {"name": name, "in": "query", "description": description, "uniqueItems": True, **shape}


def _operation(type: Type, action: str, target: str, *, v3: bool) -> Document:
    operation: Document = {
        "operationId": f"{action}{type.group.title().replace('.', '')}{type.version.title()}{type.kind}",
        _GVK: {"group": type.group, "version": type.version, "kind": type.kind},
        "x-kubernetes-action": action,
        "parameters": [],
    }
    if action in ("post", "put", "patch"):
        operation["parameters"] = [
            _query("dryRun", "Say `All` to process the request without keeping its result.", v3=v3),
            _query("fieldManager", "The name under which the changed fields are recorded.", v3=v3),
            _query("fieldValidation", "Unknown fields: Ignore, Warn or Strict.", v3=v3),
        ]
    if action == "patch":
        operation["parameters"].append(_query("force", "Take fields over from other managers.", v3=v3))
    if v3:
        content = {"application/json": {"schema": {"$ref": target}}}
        operation["responses"] = {"200": {"description": "OK", "content": content}}
    else:
        operation["responses"] = {"200": {"description": "OK", "schema": {"$ref": target}}}
    return operation


def _paths(type: Type, target: str, *, v3: bool) -> dict[str, Document]:
    scope = "/namespaces/{namespace}" if type.namespaced else ""
    collection = f"{type.path}{scope}/{type.plural}"
    verbs = set(type.verbs)
    many = {
        method: action
        for method, action, verb in (("get", "list", "list"), ("post", "post", "create"))
        if verb in verbs
    }
    one = {
        method: method
        for method, verb in (("get", "get"), ("put", "update"), ("patch", "patch"), ("delete", "delete"))
        if verb in verbs
    }
    paths: dict[str, Document] = {}
    for path, actions in ((collection, many), (f"{collection}/{{name}}", one)):
        if actions:
            paths[path] = {method: _operation(type, action, target, v3=v3) for method, action in actions.items()}
    return paths


def v3(types: Iterable[Type]) -> Document:
    """The document of one group-version, given its kinds."""
    prefix = "#/components/schemas/"
    writer, paths = _Writer(prefix, True), {}
    for type in types:
        paths.update(_paths(type, prefix + writer.kind(type), v3=True))
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": writer.definitions}}


def v2(types: Sequence[Type], crds: Sequence[Type] = ()) -> Document:
    """One document with every kind."""
    prefix = "#/definitions/"
    writer, paths = _Writer(prefix, False), {}
    for type in (*types, *crds):
        paths.update(_paths(type, prefix + writer.kind(type), v3=False))
    return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": writer.definitions}


def v3_index(types: Iterable[Type]) -> Document:
    """`/openapi/v3`: where the document of each group-version is; the hash changes when its kinds do."""
    groups: dict[str, list[Type]] = {}
    for type in types:
        groups.setdefault(type.path.lstrip("/"), []).append(type)
    paths = {}
    for path, members in sorted(groups.items()):
        content = [(type.kind, schema_for(type).raw if type.custom else None) for type in members]
        digest = hashlib.sha512(orjson.dumps(content)).hexdigest().upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}
