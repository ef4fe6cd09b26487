"""Values of custom kinds against their OpenAPI v3 schema, in the words of a Kubernetes API server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kaito.local.schema.correlate import ABSENT, old_field, old_items
from kaito.local.schema.errors import (
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    show,
)
from kaito.local.schema.patterns import pattern
from kaito.local.schema.validate_meta import validate_labels

Raw = dict[str, Any]
_COMMON = frozenset({"apiVersion", "kind", "metadata"})
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}


def _fits(kind: str, value: Any) -> bool:
    if kind == "integer":
        whole = isinstance(value, float) and value.is_integer()
        return whole or (isinstance(value, int) and not isinstance(value, bool))
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    types: dict[str, type] = {"string": str, "boolean": bool, "object": dict, "array": list}
    return isinstance(value, types[kind]) if kind in types else True


def _type_error(path: str, kind: str, value: Any) -> FieldError:
    name = _NAMES.get(type(value), "null")
    return FieldError(path, TYPE_INVALID, f'{path} in body must be of type {kind}: "{name}"', name)


def _whole(text: str) -> FieldError:
    """What a real server says of a value as a whole, without naming its field."""
    return invalid("<nil>", "", text)


def validate(raw: Raw, value: Any, path: str = "", old: Any = ABSENT) -> list[FieldError]:
    """Everything wrong with a value, outermost first; with `old`, what a change leaves alone is not looked at."""
    if old is not ABSENT and old == value:
        return []
    if value is None and raw.get("nullable"):
        return []
    kind = raw.get("type")
    if raw.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            text = f'"{path}" must validate at least one schema (anyOf)'
            return [_whole(text), _type_error(path, "integer,string", value), _type_error(path, "integer", value)]
    elif value is None and kind is None:
        return []
    elif kind and not _fits(kind, value):
        fraction = kind == "integer" and isinstance(value, float)
        head = [_whole(f"Checked value must be of type integer (default format) in {path}")] if fraction else []
        return [*head, _type_error(path, kind, value), *_check_enum(raw, value, path)]
    errors = _check_enum(raw, value, path)
    if isinstance(value, str):
        errors += _check_string(raw, value, path)
    elif isinstance(value, dict):
        errors += _check_object(raw, value, path, old)
    elif isinstance(value, list):
        errors += _check_list(raw, value, path, old)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        errors += _check_number(raw, value, path)
    return errors + _check_combined(raw, value, path, old)


def validate_object(raw: Raw, obj: Raw, old: Raw | None = None) -> list[FieldError]:
    """A whole object; `apiVersion`, `kind` and `metadata` have rules of their own, whatever the schema says of them."""
    properties = {name: child for name, child in (raw.get("properties") or {}).items() if name not in _COMMON}
    body = {name: value for name, value in obj.items() if name not in _COMMON}
    before = ABSENT if old is None else {name: value for name, value in old.items() if name not in _COMMON}
    needed = [name for name in raw.get("required") or () if name not in _COMMON]
    return validate({**raw, "properties": properties, "required": needed}, body, old=before)


def _check_enum(raw: Raw, value: Any, path: str) -> list[FieldError]:
    allowed = raw.get("enum")
    return [not_supported(path, value, allowed)] if allowed and value not in allowed else []


def _check_string(raw: Raw, value: str, path: str) -> list[FieldError]:
    errors = []
    if len(value) < raw.get("minLength", 0):
        errors.append(invalid(path, value, f"{path} in body should be at least {raw['minLength']} chars long"))
    if len(value) > raw.get("maxLength", len(value)):
        errors.append(FieldError(path, TOO_LONG, f"may not be more than {raw['maxLength']} bytes"))
    if raw.get("pattern") and not pattern(raw["pattern"]).search(value):
        errors.append(invalid(path, value, f"{path} in body should match '{raw['pattern']}'"))
    if raw.get("format") == "date-time" and not _is_time(value):
        text = f"{path} in body must be of type date-time: {show(value)}"
        errors.append(FieldError(path, TYPE_INVALID, text, value))
    return errors


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return "T" in value or "t" in value


def _check_number(raw: Raw, value: float, path: str) -> list[FieldError]:
    errors = []
    low, high, step = raw.get("minimum"), raw.get("maximum"), raw.get("multipleOf")
    if low is not None:
        if raw.get("exclusiveMinimum") and value <= low:
            errors.append(invalid(path, value, f"{path} in body should be greater than {low}"))
        elif value < low:
            errors.append(invalid(path, value, f"{path} in body should be greater than or equal to {low}"))
    if high is not None:
        if raw.get("exclusiveMaximum") and value >= high:
            errors.append(invalid(path, value, f"{path} in body should be less than {high}"))
        elif value > high:
            errors.append(invalid(path, value, f"{path} in body should be less than or equal to {high}"))
    if step and value % step:
        errors.append(invalid(path, value, f"{path} in body should be a multiple of {step}"))
    limits = {"int32": 2**31, "int64": 2**63}
    limit = limits.get(raw.get("format", ""))
    if limit and not -limit <= value < limit:
        errors.append(_whole(f"Checked value must be of type integer with format {raw['format']} in {path}"))
    return errors


def _check_object(raw: Raw, value: Raw, path: str, old: Any) -> list[FieldError]:
    errors = [required(f"{path}.{name}" if path else name) for name in raw.get("required") or () if name not in value]
    if len(value) < raw.get("minProperties", 0):
        errors.append(invalid(path, value, f"{path} in body should have at least {raw['minProperties']} properties"))
    if len(value) > raw.get("maxProperties", len(value)):
        errors.append(_too_many(path, len(value), raw["maxProperties"]))
    properties, extra = raw.get("properties") or {}, raw.get("additionalProperties")
    for key, child in value.items():
        inner = properties.get(key, extra)
        if isinstance(inner, dict):
            errors += validate(inner, child, f"{path}.{key}" if path else key, old_field(old, key))
    return errors + (_check_embedded(value, path) if raw.get("x-kubernetes-embedded-resource") else [])


def _check_embedded(value: Raw, path: str) -> list[FieldError]:
    """An object within an object: it says what it is, and has labels that an object may have."""
    errors = [required(f"{path}.{name}") for name in ("apiVersion", "kind") if not value.get(name)]
    metadata = value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return errors + validate_labels(labels, f"{path}.metadata.labels")


def _too_many(path: str, count: int, limit: int) -> FieldError:
    return FieldError(path, TOO_MANY, f"must have at most {limit} items", count)


def _check_list(raw: Raw, value: list[Any], path: str, old: Any) -> list[FieldError]:
    errors = []
    if len(value) < raw.get("minItems", 0):
        errors.append(invalid(path, len(value), f"{path} in body should have at least {raw['minItems']} items"))
    if len(value) > raw.get("maxItems", len(value)):
        errors.append(_too_many(path, len(value), raw["maxItems"]))
    items = raw.get("items")
    if isinstance(items, dict):
        for index, (child, before) in enumerate(zip(value, old_items(raw, old, value), strict=True)):
            errors += validate(items, child, f"{path}[{index}]", before)
    return errors + _check_unique(raw, value, path)


def _check_unique(raw: Raw, value: list[Any], path: str) -> list[FieldError]:
    list_type = raw.get("x-kubernetes-list-type")
    if list_type not in ("set", "map"):
        return []
    properties = (raw.get("items") or {}).get("properties") or {}
    seen: set[str] = set()
    errors = []
    for index, item in enumerate(value):
        identity = item
        if list_type == "map" and isinstance(item, dict):
            keys = raw.get("x-kubernetes-list-map-keys") or ()
            identity = {key: item.get(key, (properties.get(key) or {}).get("default")) for key in keys}
        text = show(identity)
        if text in seen:
            errors.append(duplicate(f"{path}[{index}]", identity))
        seen.add(text)
    return errors


def _check_combined(raw: Raw, value: Any, path: str, old: Any) -> list[FieldError]:
    errors = []
    for inner in raw.get("allOf") or ():
        errors += validate(inner, value, path, old)
    if raw.get("anyOf") and all(validate(inner, value, path) for inner in raw["anyOf"]):
        errors.append(_whole(f'"{path}" must validate at least one schema (anyOf)'))
        errors += validate(raw["anyOf"][0], value, path)
    if raw.get("oneOf"):
        passing = sum(not validate(inner, value, path) for inner in raw["oneOf"])
        if passing != 1:
            found = "none valid" if not passing else f"{passing} valid alternatives"
            text = f'"{path}" must validate one and only one schema (oneOf). Found {found}'
            errors.append(_whole(text))
            errors += [] if passing else validate(raw["oneOf"][0], value, path)
    if raw.get("not") and not validate(raw["not"], value, path):
        errors.append(_whole(f'"{path}" must not validate the schema (not)'))
    return errors
