"""The defaults that a schema gives: each must be valid by the schema that it is in."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kaito.local.schema import openapi_validate, structural
from kaito.local.schema.errors import FieldError, invalid

Raw = dict[str, Any]


def check_defaults(raw: Raw, path: str) -> list[FieldError]:
    """What is wrong with the defaults in a schema that is known to be structural, and whose rules compile."""
    return list(_check(raw, path, root=True))


def _check(raw: Raw, path: str, *, root: bool = False) -> Iterator[FieldError]:
    if raw.get("default") is not None:
        yield from _check_one(raw, f"{path}.default")
    for name, child in (raw.get("properties") or {}).items():
        if not (root and name in ("apiVersion", "kind", "metadata")):
            yield from _check(child, f"{path}.properties[{name}]")
    if isinstance(raw.get("items"), dict):
        yield from _check(raw["items"], f"{path}.items")


def _check_one(raw: Raw, path: str) -> Iterator[FieldError]:
    value = raw["default"]
    schema = structural.build(raw)
    pruned, _ = structural.prune(schema, copy.deepcopy(value))
    if pruned != value:
        yield invalid(path, value, "must not have unknown fields")
    errors = openapi_validate.validate(raw, value)
    for error in errors:
        yield error if error.field == "<nil>" else replace(error, field=_joined(path, error.field))
    if not errors and structural.has_rules(raw):
        from kaito.local.schema import cel_rules  # brings the CEL library along: only for schemas with rules

        yield from cel_rules.validate(raw, value, path=path, root=False)


def _joined(path: str, field: str) -> str:
    return path + field if not field or field.startswith("[") else f"{path}.{field}"
