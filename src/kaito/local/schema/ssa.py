"""Server-side apply, and who manages which field (`metadata.managedFields`) after any write."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kaito.local.schema import fieldset, last_applied
from kaito.local.schema.fields import Schema, schema_for
from kaito.local.schema.fieldset import Path, Paths
from kaito.local.schema.registry import Type

Object = dict[str, Any]


@dataclass(frozen=True)
class Conflict:
    """One field that another manager owns and this apply would change."""

    manager: str
    path: str

    def cause(self) -> dict[str, str]:
        return {"reason": "FieldManagerConflict", "message": f"conflict with {self.manager}", "field": self.path}


def conflict_message(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        only = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {only.manager}: {only.path}"
    texts = []
    for manager in sorted({conflict.manager for conflict in conflicts}):
        lines = [f"- {conflict.path}" for conflict in conflicts if conflict.manager == manager]
        texts.append("\n".join([f"conflicts with {manager}:", *lines]))
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(texts)


@dataclass
class _Entry:
    """One manager's share of an object."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    paths: Paths

    @property
    def title(self) -> str:
        text = f'"{self.manager}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == "Update":
            text += f" using {self.api_version}"
        return text

    def is_of(self, manager: str, operation: str, api_version: str, subresource: str) -> bool:
        mine = (self.manager, self.operation, self.api_version, self.subresource)
        return mine == (manager, operation, api_version, subresource)

    def encode(self) -> Object:
        entry: Object = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fieldset.write(self.paths),
        }
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry


def _entries(obj: Object | None) -> list[_Entry]:
    raw = (obj or {}).get("metadata", {}).get("managedFields") or []
    return [
        _Entry(
            item.get("manager", ""), item.get("operation", ""), item.get("apiVersion", ""),
            item.get("subresource", ""), item.get("time", ""), fieldset.read(item.get("fieldsV1") or {}),
        )
        for item in raw
        if item
    ]  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _store(obj: Object, entries: list[_Entry]) -> None:
    kept = sorted((entry for entry in entries if entry.paths), key=lambda entry: (entry.operation, entry.time))
    metadata = obj.setdefault("metadata", {})
    if kept:
        metadata["managedFields"] = [entry.encode() for entry in kept]
    else:
        metadata.pop("managedFields", None)


def update_managed_fields(
    type: Type,
    old: Object | None,
    new: Object,
    manager: str,
    operation: str = "Update",
    *,
    subresource: str = "",
    now: str = "",
) -> Object:
    """Record in `new` that `manager` wrote what differs from `old`; returns `new`, changed in place.

    A writer that sends `managedFields: []` (or one empty entry) clears the record, as on a real server.
    """
    schema = schema_for(type)
    sent = new.get("metadata", {}).get("managedFields")
    reset = old is not None and sent in ([], [{}])
    # Who sends records of its own replaces them: kubectl moves its fields to server-side apply that way.
    entries = [] if reset else _entries(new if sent else old)
    before = fieldset.leaves(schema, old) if old else {}
    after = fieldset.leaves(schema, new)
    boxes = fieldset.containers(schema, old) if old else set()
    new_boxes = fieldset.containers(schema, new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    changed |= new_boxes - boxes
    gone = (before.keys() - after.keys()) | (boxes - new_boxes)
    if reset:
        new["metadata"].pop("managedFields", None)
        return new
    if not changed and not gone:
        if not sent and old and old.get("metadata", {}).get("managedFields"):
            new.setdefault("metadata", {})["managedFields"] = old["metadata"]["managedFields"]
        return new
    mine: _Entry | None = None
    for entry in entries:
        if entry.is_of(manager, operation, type.api_version, subresource):
            mine = entry
            entry.paths -= gone
        else:
            entry.paths -= changed | gone
    if mine is None and changed:
        mine = _Entry(manager, operation, type.api_version, subresource, "", set())
        entries.append(mine)
    if mine is not None:
        mine.paths |= changed
        mine.time = now or _now()
    _store(new, entries)
    return new


def apply(
    type: Type,
    live: Object | None,
    applied: Object,
    manager: str,
    force: bool = False,
    *,
    subresource: str = "",
    now: str = "",
) -> tuple[Object, list[Conflict]]:
    """Merge an applied configuration into the live object.

    Returns the new object (not defaulted, not validated) and no conflicts, or the live object and the conflicts.
    """
    schema = schema_for(type)
    wanted = copy.deepcopy(applied)
    wanted.get("metadata", {}).pop("managedFields", None)
    current = copy.deepcopy(live) if live else {}
    entries = _entries(current)
    if live and not entries:
        entries = [_before_first_apply(type, schema, current, now)]
    current.get("metadata", {}).pop("managedFields", None)
    before = fieldset.leaves(schema, current)
    asked = fieldset.leaves(schema, wanted)
    others = [e for e in entries if not e.is_of(manager, "Apply", type.api_version, subresource)]
    mine = next((e for e in entries if e not in others), None)

    changing = {path for path, value in asked.items() if _changes(path, value, before)}
    ours = last_applied.unchanged(schema, current) if _bridges(manager, subresource, live) else set()
    conflicts = [Conflict(e.title, fieldset.show(path)) for e in others for path in sorted(e.paths & changing - ours)]
    if conflicts and not force:
        return live or {}, conflicts
    for entry in others:
        entry.paths -= changing

    merged = _merge(schema, current, wanted)
    if mine is not None:
        owned: Paths = set().union(*(entry.paths for entry in others)) if others else set()
        dropped = {path for path in mine.paths - asked.keys() if not fieldset.covers(owned, path)}
        kept = owned | asked.keys()
        _remove(schema, merged, {path for path in dropped if not fieldset.covers(kept, path)})
    paths = set(asked)
    if mine is None or mine.paths != paths or changing:
        entry = _Entry(manager, "Apply", type.api_version, subresource, now or _now(), paths)
    else:
        entry = mine
    _store(merged, [*others, entry])
    if _bridges(manager, subresource, live):
        last_applied.refresh(merged, applied)
    return merged, []


def _bridges(manager: str, subresource: str, live: Object | None) -> bool:
    """True when kubectl applies on the server's side what it once applied on the client's."""
    return manager == last_applied.MANAGER and not subresource and bool(last_applied.recorded(live))


def _before_first_apply(type: Type, schema: Schema, live: Object, now: str) -> _Entry:
    """Who has no record owns all that is there, so that an apply has to say that it takes it."""
    paths = set(fieldset.leaves(schema, live)) | fieldset.containers(schema, live)
    return _Entry("before-first-apply", "Update", type.api_version, "", now or _now(), paths)


def _changes(path: Path, value: Any, before: dict[Path, Any]) -> bool:
    """Whether applying this value changes what is there; an empty map or list merges into one that has contents."""
    if value in ({}, []) and fieldset.covers(set(before), path):
        return False
    return path not in before or before[path] != value


def _merge(schema: Schema | None, live: Any, wanted: Any) -> Any:
    if schema is None:
        return wanted
    if isinstance(live, dict) and isinstance(wanted, dict) and schema.merges_struct():
        merged = dict(live)
        for key, value in wanted.items():
            merged[key] = _merge(schema.child(key), live.get(key), value)
        return merged
    if isinstance(live, list) and isinstance(wanted, list) and schema.merges_list():
        return _merge_list(schema, live, wanted)
    return wanted


def _merge_list(schema: Schema, live: list[Any], wanted: list[Any]) -> list[Any]:
    """Items of both lists: the applied ones in the applied order, the others where they were."""
    asked = [(fieldset.element_of(schema, item), item) for item in wanted]
    current = {fieldset.element_of(schema, item): item for item in live}
    names = {name for name, _ in asked}
    result, position = [], 0
    emitted: set[str] = set()

    def emit(upto: str | None) -> None:
        nonlocal position
        while position < len(asked):
            name, item = asked[position]
            position += 1
            emitted.add(name)
            result.append(_merge(schema.items, current.get(name), item))
            if name == upto:
                return

    for name, item in current.items():
        if name not in names:
            result.append(item)
        elif name not in emitted:
            emit(name)
    emit(None)
    return result


def _remove(schema: Schema, value: Any, paths: set[Path]) -> None:
    """Take these paths out of a value, and the containers that this leaves empty.

    Items go before what is inside them: an item that lost its key fields could no longer be found.
    """
    for path in sorted(paths, key=len):
        _remove_one(schema, value, path)


def _remove_one(schema: Schema | None, value: Any, path: Path) -> None:
    head, rest = path[0], path[1:]
    if schema is None:
        return
    if head.startswith("f:") and isinstance(value, dict):
        key = head[2:]
        if key not in value:
            return
        if not rest:
            del value[key]
            return
        _remove_one(schema.child(key), value[key], rest)
        if value[key] in ({}, []):
            del value[key]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if fieldset.element_of(schema, item) == head:
                if len(rest) == 1 and rest[0][2:] in schema.rule.keys:
                    return  # the item stays for another manager's sake, and so does its key
                if rest:
                    _remove_one(schema.items, item, rest)
                else:
                    del value[index]
                return
