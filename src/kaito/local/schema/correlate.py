"""Which old value a new one replaces: by name in objects and maps, by key in keyed lists, and in other lists none."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()


def identity(item: Any, keys: tuple[str, ...]) -> str:
    """What makes an item of a set or a keyed list the same in two lists."""
    return repr([item.get(key) for key in keys] if keys and isinstance(item, dict) else item)


def old_field(old: Any, key: str) -> Any:
    """The old value of one field; ABSENT when there is none to compare with."""
    return old[key] if isinstance(old, dict) and old.get(key) is not None else ABSENT


def old_items(raw: Raw, old: Any, items: list[Any]) -> list[Any]:
    """The old value of each item; ABSENT where there is none to compare with."""
    if not isinstance(old, list) or raw.get("x-kubernetes-list-type") != "map":
        return [ABSENT] * len(items)
    keys = tuple(raw.get("x-kubernetes-list-map-keys") or ())
    before = {identity(item, keys): item for item in old}
    return [before.get(identity(item, keys), ABSENT) for item in items]
