"""What CEL rules see of a value: its schema as CEL types, and the value itself as plain data under CEL's names.

Types exist to check a rule when its definition is written. An object's type is a protobuf message that is made up for
it, since those are the only records that the CEL library knows. Rules are evaluated over plain data, without types.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from kaito.local.schema.correlate import identity

Raw = dict[str, Any]
Proto = descriptor_pb2.FieldDescriptorProto
PACKAGE = "object"
_WORDS = "true false null in as break const continue else for function if import let loop package namespace return"
_RESERVED = frozenset({*_WORDS.split(), "var", "void", "while"})
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.\-/]*")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ROOT: Raw = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}},
}
_SCALARS = {
    "boolean": (Proto.TYPE_BOOL, cel.Type.BOOL),
    "integer": (Proto.TYPE_INT64, cel.Type.INT),
    "number": (Proto.TYPE_DOUBLE, cel.Type.DOUBLE),
    "string": (Proto.TYPE_STRING, cel.Type.STRING),
    "bytes": (Proto.TYPE_BYTES, cel.Type.BYTES),
}
_WELL_KNOWN = {
    "timestamp": ("Timestamp", cel.Type.TIMESTAMP),
    "duration": ("Duration", cel.Type.DURATION),
    "dyn": ("Value", cel.Type.DYN),
}
_FORMATS = {"date-time": "timestamp", "date": "timestamp", "duration": "duration", "byte": "bytes"}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def escape(name: str) -> str | None:
    """A property's name in rules; None when rules cannot name it."""
    if not _NAME.fullmatch(name):
        return None
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[.\-/]", lambda found: _ESCAPES[found.group()], name)


def shape(raw: Raw) -> str | None:
    """The kind of value: a scalar, `list`, `map`, `object` or `dyn`; None when rules do not see it at all."""
    if raw.get("x-kubernetes-int-or-string"):
        return "dyn"
    kind = raw.get("type")
    if kind == "string":
        return _FORMATS.get(raw.get("format", ""), "string")
    if kind == "array":
        return "list" if shape(raw.get("items") or {}) else None
    if kind == "object":
        extra = raw.get("additionalProperties")
        if isinstance(extra, dict):
            return "map" if shape(extra) else None
        return "object"
    return kind if kind in _SCALARS else None


def properties(raw: Raw, *, root: bool) -> Iterator[tuple[str, str, Raw]]:
    """(name, name in rules, schema) of what rules see of an object."""
    own = _ROOT if root or raw.get("x-kubernetes-embedded-resource") else {}
    for name, child in {**(raw.get("properties") or {}), **own}.items():
        escaped = escape(name)
        if escaped and shape(child):
            yield name, escaped, child


class Types:
    """The CEL types of one schema and of what is in it. Add schemas first, then take the pool."""

    def __init__(self, files: list[descriptor_pb2.FileDescriptorProto]) -> None:
        self._file = descriptor_pb2.FileDescriptorProto(name=f"{PACKAGE}.proto", package=PACKAGE)
        self._files = files
        for known in (timestamp_pb2, duration_pb2, struct_pb2):
            self._file.dependency.append(known.DESCRIPTOR.name)

    def add(self, raw: Raw, *, root: bool = False) -> cel.Type:
        """The type of values with this schema, which rules must be able to see."""
        kind = shape(raw)
        if kind == "list":
            return cel.Type.List(self.add(raw["items"]))
        if kind == "map":
            return cel.Type.Map(cel.Type.STRING, self.add(raw["additionalProperties"]))
        if kind == "object":
            return cel.Type(f"{PACKAGE}.{self._message(raw, root)}")
        assert kind is not None
        return _SCALARS[kind][1] if kind in _SCALARS else _WELL_KNOWN[kind][1]

    def pool(self) -> DescriptorPool:
        pool = DescriptorPool()
        for known in (timestamp_pb2, duration_pb2, struct_pb2):
            pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        for file in (*self._files, self._file):
            pool.AddSerializedFile(file.SerializeToString())
        return pool

    def _message(self, raw: Raw, root: bool) -> str:
        name = f"Object{len(self._file.message_type)}"
        self._file.message_type.add(name=name)
        index = len(self._file.message_type) - 1
        fields = [self._field(escaped, child) for _, escaped, child in properties(raw, root=root)]
        message = self._file.message_type[index]
        taken = {field.name for field, _ in fields}
        for number, (field, entry) in enumerate(fields, start=1):
            # Named as it is: names that are one to JSON's protobuf form, as a_b and aB are, may be in one schema.
            field.number, field.json_name = number, field.name
            if entry is not None and entry.name in taken:  # protobuf has no name left for this map: it is untyped
                field.label, field.type_name = Proto.LABEL_OPTIONAL, ".google.protobuf.Struct"
            elif entry is not None:
                taken.add(entry.name)
                field.type_name = f".{PACKAGE}.{name}.{entry.name}"
                message.nested_type.append(entry)
            message.field.append(field)
        return name

    def _field(self, name: str, raw: Raw) -> tuple[Proto, descriptor_pb2.DescriptorProto | None]:
        """A field, and the entry type that a map needs. Lists and maps in a list or a map are untyped."""
        kind = shape(raw)
        if kind == "list":
            field = self._single(name, raw["items"])
            field.label = Proto.LABEL_REPEATED
            return field, None
        if kind == "map":
            entry = descriptor_pb2.DescriptorProto(name=_entry_name(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=Proto.TYPE_STRING, label=Proto.LABEL_OPTIONAL)
            value = self._single("value", raw["additionalProperties"])
            value.number = 2
            entry.field.append(value)
            return Proto(name=name, type=Proto.TYPE_MESSAGE, label=Proto.LABEL_REPEATED), entry
        return self._single(name, raw), None

    def _single(self, name: str, raw: Raw) -> Proto:
        kind = shape(raw)
        field = Proto(name=name, label=Proto.LABEL_OPTIONAL, type=Proto.TYPE_MESSAGE)
        if kind in _SCALARS:
            field.type = _SCALARS[kind][0]
        elif kind == "object":
            field.type_name = f".{PACKAGE}.{self._message(raw, False)}"
        else:
            known = {"list": "ListValue", "map": "Struct"}.get(str(kind)) or _WELL_KNOWN[str(kind)][0]
            field.type_name = f".google.protobuf.{known}"
        return field


def _entry_name(field: str) -> str:
    """The one name that protobuf lets the entries of a map field have."""
    words = [word for word in field.split("_") if word]
    return "".join(word[0].upper() + word[1:] for word in words) + "Entry"


def to_cel(raw: Raw, value: Any, *, root: bool = False) -> Any:
    """A value as rules see it: only fields of the schema, under their names in rules; a null field is absent."""
    kind = shape(raw)
    if kind == "list" and isinstance(value, list):
        return [to_cel(raw["items"], child) for child in value]
    if kind == "map" and isinstance(value, dict):
        return {key: to_cel(raw["additionalProperties"], child) for key, child in value.items()}
    if kind == "object" and isinstance(value, dict):
        return {
            escaped: to_cel(child, value[name])
            for name, escaped, child in properties(raw, root=root)
            if value.get(name) is not None
        }
    if kind == "number" and isinstance(value, int):
        return float(value)
    return _formatted(kind, value) if isinstance(value, str) else value


def aligned(raw: Raw, old: Any, new: Any) -> Any:
    """The old value with its sets and keyed lists in the new value's order, which does not count for `==`."""
    if isinstance(old, dict) and isinstance(new, dict):
        inner, extra = raw.get("properties") or {}, raw.get("additionalProperties")
        return {key: aligned(inner.get(key, extra) or {}, child, new.get(key))
                if isinstance(inner.get(key, extra), dict) else child for key, child in old.items()}  # fmt: skip
    if not isinstance(old, list) or not isinstance(new, list):
        return old
    kind, keys = raw.get("x-kubernetes-list-type"), tuple(raw.get("x-kubernetes-list-map-keys") or ())
    if kind not in ("set", "map"):
        return old
    before = {identity(item, keys): item for item in old}
    order = [key for key in (identity(item, keys) for item in new) if key in before]
    now = {identity(item, keys): item for item in new}
    items = [aligned(raw.get("items") or {}, before[key], now[key]) for key in dict.fromkeys(order)]
    return [*items, *(item for key, item in before.items() if key not in now)]


def _formatted(kind: str | None, value: str) -> Any:
    """A string of a format that is a type of its own in rules; one that is not of its format stays a string."""
    try:
        if kind == "timestamp":
            found = datetime.fromisoformat(value)
            moment = timestamp_pb2.Timestamp()
            moment.FromDatetime(found if found.tzinfo else found.replace(tzinfo=UTC))
            return moment
        if kind == "duration":
            span = duration_pb2.Duration()
            span.FromTimedelta(_duration(value))
            return span
        if kind == "bytes":
            return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return value
    return value


def _duration(text: str) -> timedelta:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = _DURATION.findall(digits)
    if digits != "".join(number + unit for number, unit in parts):
        raise ValueError(text)
    return sign * timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
