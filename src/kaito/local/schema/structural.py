"""Structural schemas of custom kinds: from OpenAPI v3 to a `Schema`, then pruning and defaulting with it."""

from __future__ import annotations

import copy
from typing import Any

from kaito.local.schema.errors import FieldError, forbidden, invalid, not_supported, required
from kaito.local.schema.fields import ANY, STRING, Schema, object_meta
from kaito.local.schema.merge_keys import ListRule
from kaito.local.schema.patterns import pattern

Raw = dict[str, Any]
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_PRESERVE, _INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"


def has_rules(raw: Any) -> bool:
    """Whether a schema has rules (`x-kubernetes-validations`) anywhere."""
    if not isinstance(raw, dict):
        return False
    if raw.get("x-kubernetes-validations"):
        return True
    children = ((raw.get("properties") or {}).values(), (raw.get("items"), raw.get("additionalProperties")))
    return any(has_rules(child) for group in children for child in group)


def build(raw: Raw, *, root: bool = False) -> Schema:
    """The schema of one value; `root` adds apiVersion, kind and the metadata of every object."""
    schema = _build(raw)
    schema.raw = raw
    schema.ruled = root and has_rules(raw)
    schema.preserve = bool(raw.get(_PRESERVE))
    schema.embedded = bool(raw.get(_EMBEDDED))
    schema.nullable = bool(raw.get("nullable"))
    schema.has_default = "default" in raw
    schema.default = raw.get("default")
    if root or schema.embedded:
        own = dict(schema.fields)
        own.update(apiVersion=STRING, kind=STRING, metadata=object_meta())
        schema.fields = own
        schema.kind = "object"
    return schema


def _build(raw: Raw) -> Schema:
    kind = raw.get("type")
    required_names = tuple(raw.get("required") or ())
    if raw.get(_INT_OR_STRING):
        return Schema("int-or-string")
    if kind == "array":
        items = raw.get("items")
        item = build(items) if isinstance(items, dict) else ANY
        return Schema("list", items=item, rule=_rule(raw))
    if kind == "object" or (kind is None and ("properties" in raw or "additionalProperties" in raw)):
        properties = {name: build(child) for name, child in (raw.get("properties") or {}).items()}
        extra = raw.get("additionalProperties")
        items = build(extra) if isinstance(extra, dict) else ANY if extra is True else None
        if items is None and raw.get(_PRESERVE):
            items = ANY
        atomic = raw.get("x-kubernetes-map-type") == "atomic"
        shape = "object" if properties or items is None else "map"
        return Schema(shape, fields=properties, items=items, required=required_names, atomic=atomic)
    if kind in ("string", "integer", "number", "boolean"):
        return Schema(kind)
    return Schema("any")


def _rule(raw: Raw) -> ListRule:
    list_type = raw.get("x-kubernetes-list-type")
    if list_type == "map":
        return ListRule(keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()))
    return ListRule(is_set=list_type == "set")


def prune(schema: Schema, value: Any, path: str = "") -> tuple[Any, list[str]]:
    """The value without fields that the schema does not know, and the paths of those fields."""
    dropped: list[str] = []
    return _prune(schema, value, path, dropped), dropped


def _prune(schema: Schema, value: Any, path: str, dropped: list[str]) -> Any:
    if isinstance(value, dict) and schema.kind in ("object", "map"):
        result = {}
        for key, child in value.items():
            here = f"{path}.{key}" if path else key
            inner = schema.child(key)
            if inner is not None:
                if child is None and inner.raw and not inner.nullable and not inner.has_default:
                    continue  # as a real server: null is no value; one that has a default gives way to it later
                result[key] = _prune(inner, child, here, dropped)
            elif schema.preserve:
                result[key] = child
            else:
                dropped.append(here)
        return result
    if isinstance(value, list) and schema.kind == "list" and schema.items is not None:
        return [_prune(schema.items, child, f"{path}[{index}]", dropped) for index, child in enumerate(value)]
    return value


def apply_defaults(schema: Schema, value: Any) -> None:
    """Fill in defaults, in place; an absent object without a default gets none of its inner ones."""
    if isinstance(value, dict) and schema.kind in ("object", "map"):
        for name, field in schema.fields.items():
            if field.has_default and (name not in value or (value[name] is None and not field.nullable)):
                value[name] = copy.deepcopy(field.default)
        for key, child in value.items():
            inner = schema.child(key)
            if inner is not None:
                value[key] = _defaulted(inner, child)
    elif isinstance(value, list) and schema.kind == "list" and schema.items is not None:
        value[:] = [_defaulted(schema.items, child) for child in value]


def _defaulted(schema: Schema, value: Any) -> Any:
    """A value that is there, with its defaults; null gives way to the default where it is not allowed."""
    if value is None and schema.has_default and not schema.nullable:
        return copy.deepcopy(schema.default)
    apply_defaults(schema, value)
    return value


def check(raw: Raw, path: str, *, root: bool = True) -> list[FieldError]:
    """What keeps a schema from being structural."""
    errors: list[FieldError] = []
    kind = raw.get("type")
    if kind is not None and kind not in _TYPES:
        errors.append(not_supported(f"{path}.type", kind, list(_TYPES)))
    if root and kind != "object":
        errors.append(
            required(f"{path}.type", "must not be empty at the root") if kind is None
            else invalid(f"{path}.type", kind, "must be object at the root")
        )  # fmt: skip
    elif kind is None and not raw.get(_PRESERVE) and not raw.get(_INT_OR_STRING) and "$ref" not in raw:
        errors.append(required(f"{path}.type", "must not be empty for specified object fields"))
    if raw.get(_INT_OR_STRING) and kind is not None:
        errors.append(invalid(f"{path}.type", kind, "must be empty if x-kubernetes-int-or-string is true"))
    if raw.get("properties") and raw.get("additionalProperties"):
        errors.append(
            forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
        )
    if "$ref" in raw:
        errors.append(forbidden(f"{path}.$ref", "$ref is not supported"))
    if raw.get("pattern"):
        errors += _check_pattern(raw["pattern"], f"{path}.pattern")
    if kind == "array":
        items = raw.get("items")
        if not isinstance(items, dict):
            errors.append(required(f"{path}.items", "must be specified"))
        else:
            errors += check(items, f"{path}.items", root=False)
            errors += _check_list_type(raw, items, path)
    for name, child in (raw.get("properties") or {}).items():
        if not (root and name in ("apiVersion", "kind", "metadata")):
            errors += check(child, f"{path}.properties[{name}]", root=False)
    if isinstance(raw.get("additionalProperties"), dict):
        errors += check(raw["additionalProperties"], f"{path}.additionalProperties", root=False)
    return errors


def _check_pattern(text: str, path: str) -> list[FieldError]:
    try:
        pattern(text)
    except ValueError as exc:
        return [invalid(path, text, f"must be a valid regular expression, but isn't: {exc}")]
    return []


def _check_list_type(raw: Raw, items: Raw, path: str) -> list[FieldError]:
    list_type = raw.get("x-kubernetes-list-type")
    if list_type not in (None, "atomic", "set", "map"):
        return [not_supported(f"{path}.x-kubernetes-list-type", list_type, ["atomic", "set", "map"])]
    if list_type in ("set", "map") and items.get("nullable"):
        text = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        return [forbidden(f"{path}.items.nullable", text)]
    return _check_keys(raw, items, path) if list_type == "map" else []


def _check_keys(raw: Raw, items: Raw, path: str) -> list[FieldError]:
    """The keys of a keyed list must be there in each item."""
    keys = raw.get("x-kubernetes-list-map-keys") or []
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        return [required(f"{path}.x-kubernetes-list-map-keys", text)]
    properties, needed, errors = items.get("properties") or {}, items.get("required") or (), []
    said = "this property is in x-kubernetes-list-map-keys, so it"
    for index, key in enumerate(keys):
        where, field = f"{path}.items.properties[{key}]", properties.get(key)
        if field is None:
            here = f"{path}.x-kubernetes-list-map-keys[{index}]"
            errors.append(invalid(here, key, "entries must all be names of item properties"))
            continue
        if key not in needed and field.get("default") is None:
            errors.append(required(f"{where}.default", f"{said} must have a default or be a required property"))
        if field.get("nullable"):
            errors.append(forbidden(f"{where}.nullable", f"{said} cannot be nullable"))
    return errors
