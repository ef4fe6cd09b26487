"""Strategic merge patch: how `kubectl apply`, `edit` and `patch` change builtin kinds."""

from __future__ import annotations

import copy
from typing import Any

from kaito.local.schema.fields import Schema, schema_for
from kaito.local.schema.registry import Type
from kaito.local.schema.typed import go_value

_ORDER, _DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"


class PatchError(ValueError):
    """The patch cannot be understood; the text says which directive and why."""


class NoMergeKey(PatchError):
    """An item of a list that merges by a key lacks the key."""


def apply(type: Type, current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The object after the patch; neither argument is changed."""
    return _merge_map(schema_for(type), copy.deepcopy(current), copy.deepcopy(patch))


def _merge_map(schema: Schema | None, current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.pop("$patch", None)
    if directive == "replace":
        cleaned: dict[str, Any] = _clean(patch)
        return cleaned
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(f"Unknown patch type found: {directive!r} in $patch: use merge, replace or delete")
    retained = patch.pop("$retainKeys", None)
    if retained is not None:
        current = {key: value for key, value in current.items() if key in retained}
    orders = {key.removeprefix(_ORDER): patch.pop(key) for key in list(patch) if key.startswith(_ORDER)}
    removals = {key.removeprefix(_DELETE_FROM): patch.pop(key) for key in list(patch) if key.startswith(_DELETE_FROM)}
    for key, values in removals.items():
        if isinstance(current.get(key), list):
            current[key] = [item for item in current[key] if item not in values]
    for key, value in patch.items():
        inner, before = schema.child(key) if schema else None, current.get(key)
        if value is None:
            current.pop(key, None)
            continue
        current[key] = _merge_value(inner, before, value)
        if _merges(inner) and isinstance(value, list) and isinstance(current[key], list) and isinstance(before, list):
            order = orders.pop(key, None)
            current[key] = _reorder(inner, current[key], value if order is None else order, before)
    for key, order in orders.items():
        if isinstance(current.get(key), list):
            current[key] = _reorder(schema.child(key) if schema else None, current[key], order, current[key])
    return current


def _merges(schema: Schema | None) -> bool:
    return schema is not None and schema.kind == "list" and bool(schema.rule.patch_merge)


def _merge_value(schema: Schema | None, current: Any, value: Any) -> Any:
    if isinstance(value, dict):
        # A null or an absent map still takes the patch through the same rules, so that directives never get stored.
        return _merge_map(schema, current if isinstance(current, dict) else {}, value)
    if isinstance(value, list):
        if schema is not None and schema.kind == "list" and schema.rule.patch_merge:
            return _merge_list(schema, current if isinstance(current, list) else [], value)
        return [_clean(item) for item in value if not (isinstance(item, dict) and item.keys() == {"$patch"})]
    return value


def _merge_list(schema: Schema, current: list[Any], patch: list[Any]) -> list[Any]:
    key = schema.rule.patch_key
    if not key:
        return current + [item for item in patch if item not in current]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [_clean(item) for item in patch if not item.get("$patch")]
    result = list(current)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise NoMergeKey(f"map: {go_value(item)} does not contain declared merge key: {key}")
        index = next((i for i, old in enumerate(result) if isinstance(old, dict) and old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif index is None:
            result.append(_merge_map(schema.items, {}, item))
        else:
            result[index] = _merge_map(schema.items, result[index], item)
    return result


def _reorder(schema: Schema | None, items: list[Any], order: list[Any], before: list[Any]) -> list[Any]:
    """The items named by ``order`` in that order, the others in the order they had; where both were there before,
    their old order decides how the two go together, and what is new comes first."""
    key = schema.rule.patch_key if schema is not None else ""

    def name(item: Any) -> str:
        return repr(item.get(key)) if key and isinstance(item, dict) else repr(item)

    rank = {name(item): index for index, item in enumerate(order)}
    was = {name(item): index for index, item in enumerate(before)}
    named = sorted((item for item in items if name(item) in rank), key=lambda item: rank[name(item)])
    others = [item for item in items if name(item) not in rank]
    result: list[Any] = []
    while named and others:
        left, right = was.get(name(others[0])), was.get(name(named[0]))
        first = left is not None and right is not None and left < right
        result.append((others if first else named).pop(0))
    return result + others + named


def _clean(value: Any) -> Any:
    """A value without directives and nulls, for what is stored as it came."""
    if isinstance(value, dict):
        return {key: _clean(child) for key, child in value.items() if not key.startswith("$") and child is not None}
    return [_clean(child) for child in value] if isinstance(value, list) else value
