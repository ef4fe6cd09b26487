"""Decoding: what an object says that its kind does not know, and values of the wrong type.

Builtin kinds lose unknown fields and refuse wrong types, as a typed server does; custom kinds are pruned by `crd`.
"""

from __future__ import annotations

import re
from typing import Any

from kaito.local.schema import quantity
from kaito.local.schema.fields import Schema

# Lists and maps that are stored even when they are empty; all others are left out, as a typed server does.
_KEPT = frozenset({"rules", "endpoints", "containers", "versions", "managedFields"})
_JSON_TYPES = {str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array"}
_GO_TYPES = {"string": "string", "integer": "int32", "number": "float64", "boolean": "bool", "time": "v1.Time"}


def _omitted(schema: Schema, key: str, field: Schema) -> bool:
    """Whether an empty list or map of this name is left out of what is stored."""
    if schema.name.endswith(".EndpointSlice"):
        return False
    return field.kind in ("map", "list") and key not in _KEPT


class Decoder:
    """One walk over one object, found at `base`; `unknown` and `errors` are filled on the way."""

    def __init__(self, root: Schema, base: str = "") -> None:
        self._root, self._base = root, base
        self.unknown: list[str] = []
        self.errors: list[str] = []

    def value(self, schema: Schema, value: Any, path: str) -> Any:
        kind = schema.kind
        if value is None or kind == "any":
            return value
        if kind == "object":
            return self._object(schema, value, path)
        if kind == "map":
            if not isinstance(value, dict):
                return self._mismatch(schema, value, path)
            item = schema.items
            if item is None or item.kind == "any":
                return value
            return {key: self.value(item, child, f"{path}.{key}") for key, child in value.items()}
        if kind == "list":
            if not isinstance(value, list):
                return self._mismatch(schema, value, path)
            item = schema.items
            if item is None:
                return value
            return [self.value(item, child, f"{path}[{index}]") for index, child in enumerate(value)]
        if kind == "quantity" and isinstance(value, int | float | str) and not isinstance(value, bool):
            return self._quantity(value)
        return value if self._fits(kind, value) else self._mismatch(schema, value, path)

    def _quantity(self, value: float | str) -> Any:
        stored = quantity.canonical(value)
        if stored is None:
            self.errors.append(quantity.PATTERN_TEXT)
        return stored

    def _object(self, schema: Schema, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._mismatch(schema, value, path)
        fields, result = schema.fields, {}
        for key, child in value.items():
            field = fields.get(key)
            here = f"{path}.{key}" if path else key
            if field is None:
                self.unknown.append(here)
            elif child is not None and not (child in ({}, []) and _omitted(schema, key, field)):
                result[key] = self.value(field, child, here)
        return result

    @staticmethod
    def _fits(kind: str, value: Any) -> bool:
        if kind in ("string", "time"):
            return isinstance(value, str)
        if kind == "boolean":
            return isinstance(value, bool)
        if kind == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if kind == "int-or-string":
            return isinstance(value, int | str) and not isinstance(value, bool)
        return isinstance(value, int | float) and kind == "number"

    def _mismatch(self, schema: Schema, value: Any, path: str) -> Any:
        got = _JSON_TYPES.get(type(value), "null")
        where = _struct_field(self._root, path.removeprefix(f"{self._base}."))
        self.errors.append(f"json: cannot unmarshal {got} into Go struct field {where} of type {_go_type(schema)}")
        return value


def _go_type(schema: Schema) -> str:
    """A type in the words of Go: `v1.DeploymentSpec`, `map[string]string`, `[]v1.Container`."""
    if schema.kind in _GO_TYPES:
        return _GO_TYPES[schema.kind]
    if schema.kind in ("map", "list") and schema.items is not None:
        return f"{'map[string]' if schema.kind == 'map' else '[]'}{_go_type(schema.items)}"
    return ".".join(schema.name.split(".")[-2:]) if schema.kind == "object" else schema.kind


def _struct_field(root: Schema, path: str) -> str:
    """`ObjectMeta.metadata.labels`: the innermost struct, and the way to its field without indexes and map keys."""
    schema: Schema | None = root
    struct, names = root, []
    for name in re.sub(r"\[\d+\]", "", path).split("."):
        while schema is not None and schema.kind == "list":
            schema = schema.items
        if schema is None or schema.kind != "object":
            break
        struct = schema
        names.append(name)
        schema = schema.child(name)
    return ".".join([struct.name.rpartition(".")[2], *names])


def decode(schema: Schema, obj: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """The object without unknown fields and nulls, the unknown paths, and the type errors."""
    decoder = Decoder(schema)
    result = decoder.value(schema, obj, "")
    return result, decoder.unknown, decoder.errors
