"""Tables: what `kubectl get` shows, with the columns of a real API server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from kaito.local.schema import jsonpath
from kaito.local.schema.errors import show
from kaito.local.schema.registry import Column, Type
from kaito.local.schema.table_cells import CELLS, COLUMNS, age

Object = dict[str, Any]
_NAME_TEXT = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_NAME = Column("Name", format="name", description=_NAME_TEXT)
_GENERIC = (_NAME, Column("Age", "date", description="CreationTimestamp is the time the object was created."))


def render(
    type: Type,
    objs: Iterable[Object],
    *,
    include_object: str = "Metadata",
    resource_version: str = "",
    now: datetime | None = None,
) -> Object:
    """The `meta.k8s.io/v1` Table of these objects; `include_object` is None, Metadata or Object."""
    when = now or datetime.now(UTC)
    columns, cells = _shape(type)
    rows = [{"cells": cells(obj, when), "object": _embed(obj, include_object)} for obj in objs]
    if include_object == "None":
        rows = [{"cells": row["cells"], "object": None} for row in rows]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": resource_version} if resource_version else {},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": rows,
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or _described(column),
        "priority": column.priority,
    }


def _described(column: Column) -> str:
    if column.json_path:
        return f"Custom resource definition column (in JSONPath format): {column.json_path}"
    return f"{column.name} of the object."


def _embed(obj: Object, include_object: str) -> Object:
    if include_object == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj.get("metadata", {})}


def _shape(type: Type) -> tuple[tuple[Column, ...], Callable[[Object, datetime], list[Any]]]:
    if type.custom:
        return (_NAME, *type.columns), lambda obj, now: _custom(type, obj, now)
    if type.group_resource in CELLS:
        columns = (_NAME, *COLUMNS[type.group_resource])
        cells = CELLS[type.group_resource]
        if type.kind == "Event":  # the one kind whose table has no Name in front
            return COLUMNS[type.group_resource], cells
        return columns, lambda obj, now: [_name(obj), *cells(obj, now)]
    return _GENERIC, lambda obj, now: [_name(obj), age(obj, now)]


def _name(obj: Object) -> str:
    return str(obj.get("metadata", {}).get("name", ""))


def _custom(type: Type, obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), *(_cell(column, obj, now) for column in type.columns)]


def _cell(column: Column, obj: Object, now: datetime) -> Any:
    value = jsonpath.first(column.json_path, obj)
    if value is None:
        return None
    if column.type == "date":
        return age({"metadata": {"creationTimestamp": value}}, now)
    if column.type == "integer":
        return int(value) if isinstance(value, int | float) else None
    if column.type == "number":
        return value if isinstance(value, int | float) else None
    if column.type == "boolean":
        return value if isinstance(value, bool) else None
    return value if isinstance(value, str) else show(value)
