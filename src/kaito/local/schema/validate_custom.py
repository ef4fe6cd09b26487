"""Objects of custom kinds: against their schema, its rules, and what their `scale` subresource needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kaito.local.schema import openapi_validate
from kaito.local.schema.correlate import ABSENT
from kaito.local.schema.errors import (
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    FieldError,
    invalid,
)
from kaito.local.schema.fields import schema_for
from kaito.local.schema.registry import Type
from kaito.local.schema.typed import go_value

Object = dict[str, Any]
# With one of these a custom object is too broken for its rules to be evaluated, and the answer says so.
_BLOCKING = frozenset({NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID})
_UNCHECKED = FieldError(
    "<nil>",
    INVALID,
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation",
)
_MOST_REPLICAS = 2**31 - 1
_GO_TYPES = {list: "[]interface {}", str: "string", bool: "bool", float: "float64", int: "int64"}


def validate(
    type: Type, obj: Object, old: Object | None, errors: list[FieldError], *, subresource: str = ""
) -> list[FieldError]:
    """`errors` are those of the object's metadata; all of them come back, with what else is wrong."""
    schema, errors, only_status = schema_for(type), list(errors), subresource == "status"
    for path in type.replica_paths:
        if not only_status or path.startswith(".status"):
            errors += _check_replicas(path, obj)
    errors += (
        _check_status(schema.raw, obj, old) if only_status else openapi_validate.validate_object(schema.raw, obj, old)
    )
    if not schema.ruled:
        return errors
    if any(error.type in _BLOCKING for error in errors):
        return errors if _UNCHECKED in errors else [*errors, _UNCHECKED]
    from kaito.local.schema import cel_rules  # brings the CEL library along: only for kinds with rules

    return errors + cel_rules.validate(schema.raw, obj, old)


def _check_status(raw: Object, obj: Object, old: Object | None) -> list[FieldError]:
    """The status alone; its errors name their field in full, and say it as the status sees it."""
    inner = (raw.get("properties") or {}).get("status")
    if inner is None or obj.get("status") is None:
        return []
    before = (old or {}).get("status")
    errors = openapi_validate.validate(inner, obj["status"], old=ABSENT if before is None else before)
    return [
        error if error.field == "<nil>" else replace(error, field=f"status.{error.field}".rstrip("."))
        for error in errors
    ]


def _check_replicas(path: str, obj: Object) -> list[FieldError]:
    """The number that the `scale` subresource shows must be one that it can show."""
    value: Any = obj
    for name in filter(None, path.split(".")):
        if not isinstance(value, dict):
            return [_unreadable(path, value, "map[string]interface{}")]
        if value.get(name) is None:
            return []
        value = value[name]
    if not isinstance(value, int) or isinstance(value, bool):
        return [_unreadable(path, value, "int64")]
    if value < 0:
        return [invalid(path, value, "should be a non-negative integer")]
    return [invalid(path, value, f"should be less than or equal to {_MOST_REPLICAS}")] if value > _MOST_REPLICAS else []


def _unreadable(path: str, value: Any, wanted: str) -> FieldError:
    kind = _GO_TYPES.get(type(value), "map[string]interface {}")
    return invalid(path, 0, f"{path} accessor error: {go_value(value)} is of the type {kind}, expected {wanted}")
