"""Whether a configuration to apply fits its kind's schema: fields it does not have, values of another shape."""

from __future__ import annotations

from typing import Any

from kaito.local.schema import fieldset
from kaito.local.schema.fields import Schema, schema_for
from kaito.local.schema.registry import Type

_SCALARS = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}


def problems(type: Type, obj: dict[str, Any]) -> list[str]:
    """`.path: complaint` for everything that does not fit, worded as a real server words it."""
    found: list[str] = []
    _check(schema_for(type), obj, "", found)
    return found


def message(found: list[str]) -> str:
    """One complaint as it is, several as a list."""
    return found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {text}" for text in found)


def _check(schema: Schema | None, value: Any, path: str, found: list[str]) -> None:
    if schema is None or value is None or schema.kind == "any":
        return
    if schema.kind in ("object", "map"):
        if not isinstance(value, dict):
            found.append(f"{path}: expected map, got &{{{go_value(value)}}}")
            return
        for key, child in value.items():
            inner = schema.items if schema.kind == "map" else schema.child(key)
            if inner is None and schema.kind == "object" and not schema.preserve:
                found.append(f"{path}.{key}: field not declared in schema")
            else:
                _check(inner, child, f"{path}.{key}", found)
    elif schema.kind == "list":
        if not isinstance(value, list):
            found.append(f"{path}: expected list, got &{{{go_value(value)}}}")
            return
        _check_items(schema, value, path, found)
    elif schema.kind in ("integer", "number") and isinstance(value, str | bool):
        found.append(f"{path}: expected numeric (int or float), got {'string' if isinstance(value, str) else 'bool'}")
    elif schema.kind in _SCALARS and isinstance(value, dict | list):
        shape = "map" if isinstance(value, dict) else "list"
        found.append(f"{path}: expected {'numeric' if schema.kind in ('integer', 'number') else schema.kind} (int or "
                     f"float), got {shape}" if schema.kind in ("integer", "number")
                     else f"{path}: expected {schema.kind}, got &{{{go_value(value)}}}")  # fmt: skip


def _check_items(schema: Schema, value: list[Any], path: str, found: list[str]) -> None:
    seen: set[str] = set()
    for item in value:
        name = fieldset.element_of(schema, item) if schema.merges_list() else ""
        shown = fieldset.show((name,)) if name else ""
        if name and name in seen:
            found.append(f"{path}: duplicate entries for key {shown}")
        seen.add(name)
        _check(schema.items, item, f"{path}{shown}", found)


def go_value(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_value(child)}" for key, child in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_value, value)) + "]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
