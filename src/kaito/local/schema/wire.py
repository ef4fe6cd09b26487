"""The binary form of built-in kinds: protobuf messages in the envelope that Kubernetes clients send.

One table drives both directions: `wire_fields.json`, made by `scripts/wire_fields.py` from the public Go types. An
entry is "name type"; `.` for a name is a struct whose fields belong to its owner, `!` before a type keeps a zero that
JSON would leave out, and `[]`, `map:` and `items:` are lists, maps and lists in a message of their own.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import orjson

Object = dict[str, Any]
MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 100


class WireError(ValueError):
    """Bytes that are no message of the kind they claim to be."""


@dataclass(frozen=True)
class Field:
    """One field of a message: where its value goes in JSON, and what it is."""

    number: int
    name: str  # "" for a struct whose fields belong to its owner
    type: str
    keeps_zero: bool


@cache
def _table() -> dict[str, dict[str, str]]:
    text = resources.files("kaito.local.schema").joinpath("wire_fields.json").read_bytes()
    found: dict[str, dict[str, str]] = orjson.loads(text)
    return found


@cache
def _fields(message: str) -> dict[int, Field]:
    fields = {}
    for number, entry in sorted(_table()[message].items(), key=lambda item: int(item[0])):
        name, _, type = entry.partition(" ")
        kept = type.startswith("!")
        fields[int(number)] = Field(int(number), "" if name == "." else name, type.removeprefix("!"), kept)
    return fields


def message_of(api_version: str, kind: str) -> str | None:
    """The table's name of a kind; options and answers that every group has are meta/v1's."""
    group, _, version = api_version.rpartition("/")
    name = f"{group.partition('.')[0] or 'core'}/{version}.{kind}"
    shared = f"meta/v1.{kind}"
    return name if name in _table() else shared if shared in _table() else None


# ---------------------------------------------------------------------------------------------------------- decoding


def decode(raw: bytes) -> Object:
    """The object in an envelope. Raises WireError."""
    if not raw.startswith(MAGIC):
        raise WireError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    api_version = kind = ""
    body = b""
    for number, _, value in parts(raw[len(MAGIC) :]):
        if number == 1:
            head = {n: _text(v) for n, _, v in parts(_as_bytes(value))}
            api_version, kind = head.get(1, ""), head.get(2, "")
        elif number == 2:
            body = _as_bytes(value)
    message = message_of(api_version, kind)
    if message is None:
        raise WireError(f'no kind "{kind}" is registered for version "{api_version}": send it as JSON')
    return {"apiVersion": api_version, "kind": kind} | _message(message, body, 0)


def parts(raw: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(field number, wire type, value) of each field of a message."""
    at, end = 0, len(raw)
    while at < end:
        key, at = _varint(raw, at)
        number, form = key >> 3, key & 7
        if form == _VARINT:
            value, at = _varint(raw, at)
            yield number, form, value
            continue
        if form == _BYTES:
            size, at = _varint(raw, at)
        elif form in (_FIXED64, _FIXED32):
            size = 8 if form == _FIXED64 else 4
        else:
            raise WireError(f"proto: illegal wireType {form}")
        if at + size > end:
            raise WireError("unexpected EOF")
        yield number, form, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(raw):
            raise WireError("unexpected EOF")
        byte = raw[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
    raise WireError("proto: integer overflow")


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("proto: wrong wireType = 0 for a field of bytes")
    return value


def _as_int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise WireError("proto: wrong wireType = 2 for a field of a number")
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: int | bytes) -> str:
    try:
        return _as_bytes(value).decode()
    except UnicodeDecodeError as exc:
        raise WireError("proto: a string is not UTF-8") from exc


def _message(message: str, raw: bytes, depth: int) -> Object:
    if depth > _DEEPEST:
        raise WireError("proto: the message is nested too deeply")
    fields, result = _fields(message), {}
    for number, _, part in parts(raw):
        field = fields.get(number)
        if field is None:
            continue
        if field.type.startswith("[]"):
            result.setdefault(field.name, []).append(_value(field.type[2:], part, depth))
        elif field.type.startswith("map:"):
            key, value = _pair(field.type[4:], _as_bytes(part), depth)
            result.setdefault(field.name, {})[key] = value
        else:
            value = _value(field.type, part, depth)
            if not field.name:
                result |= value or {}
            elif value is not None and (field.keeps_zero or value not in ("", 0, False)):
                result[field.name] = value
    return result


def _pair(type: str, raw: bytes, depth: int) -> tuple[str, Any]:
    found = {number: part for number, _, part in parts(raw)}
    key = _text(found.get(1, b""))
    return key, _value(type, found.get(2, 0 if type in ("int", "bool") else b""), depth)


def _value(type: str, part: int | bytes, depth: int) -> Any:
    """One value in its JSON form; None for a time that is not set."""
    if type == "string":
        return _text(part)
    if type == "int":
        return _as_int(part)
    if type == "bool":
        return bool(_as_int(part))
    raw = _as_bytes(part)
    if type == "bytes":
        return b64encode(raw).decode()
    if type == "double":
        return struct.unpack("<d", raw)[0]
    if type.startswith("items:"):
        return [_value(type[6:], item, depth + 1) for number, _, item in parts(raw) if number == 1]
    if type.startswith("union:"):
        return _union(type[6:], raw, depth + 1)
    return _SPECIAL[type][0](raw) if type in _SPECIAL else _message(type, raw, depth + 1)


def _union(message: str, raw: bytes, depth: int) -> Any:
    """A value that JSON writes as one of several kinds: a schema, or true, or a list."""
    found = _message(message, raw, depth)
    if found.get("Schema") is not None:
        return found["Schema"]
    return next((found[name] for name in ("JSONSchemas", "Property") if name in found), found.get("Allows", False))


def _decode_quantity(raw: bytes) -> str:
    return next((_text(part) for number, _, part in parts(raw) if number == 1), "0") or "0"


def _decode_int_or_string(raw: bytes) -> int | str:
    found = {number: part for number, _, part in parts(raw)}
    return _text(found.get(3, b"")) if found.get(1, 0) else _as_int(found.get(2, 0))


def _decode_raw(raw: bytes) -> Any:
    held = next((_as_bytes(part) for number, _, part in parts(raw) if number == 1), b"")
    if held.startswith(MAGIC):
        return decode(held)
    try:
        return orjson.loads(held) if held else None
    except orjson.JSONDecodeError as exc:
        raise WireError(f"a raw value is not JSON: {exc}") from exc


def _decode_time(raw: bytes, *, micro: bool = False) -> str | None:
    found = {number: _as_int(part) for number, _, part in parts(raw)}
    if not raw:
        return None
    try:
        moment = datetime.fromtimestamp(found.get(1, 0), UTC)
    except (OverflowError, ValueError, OSError) as exc:
        raise WireError(f"a time is out of range: {exc}") from exc
    fraction = f".{found.get(2, 0) // 1000:06d}" if micro else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


# ---------------------------------------------------------------------------------------------------------- encoding


def encode(obj: Object) -> bytes | None:
    """An object in its envelope; None for a kind that has no binary form."""
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    message = message_of(api_version, kind)
    if message is None:
        return None
    head = bytes_field(1, api_version.encode()) + bytes_field(2, kind.encode())
    body = _encode_message(message, obj)
    # The last two say "no encoding" and "protobuf"; a real server writes them empty.
    return MAGIC + bytes_field(1, head) + bytes_field(2, body) + bytes_field(3, b"") + bytes_field(4, b"")


def _encode_varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint_field(number: int, value: int) -> bytes:
    """A field of a number."""
    return _encode_varint(number << 3 | _VARINT) + _encode_varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field of text, bytes or a message."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _encode_message(message: str, obj: Object) -> bytes:
    return b"".join(_encode_field(field, obj) for field in _fields(message).values())


def _encode_field(field: Field, obj: Object) -> bytes:
    if not field.name:
        return bytes_field(field.number, _encode_message(field.type, obj))
    value = obj.get(field.name)
    if value is None:
        # A value that is always there on the wire; a list, a map or a pointer that is not set is absent.
        return b"" if field.keeps_zero else _zero(field)
    if field.type.startswith("[]"):
        return b"".join(_encode_value(field.number, field.type[2:], item) for item in value)
    if field.type.startswith("map:"):
        pairs = ((key, _encode_value(2, field.type[4:], item)) for key, item in sorted(value.items()))
        return b"".join(bytes_field(field.number, bytes_field(1, key.encode()) + item) for key, item in pairs)
    return _encode_value(field.number, field.type, value)


def _zero(field: Field) -> bytes:
    if field.type == "string":
        return bytes_field(field.number, b"")
    return _encode_varint(field.number << 3 | _VARINT) + b"\x00" if field.type in ("int", "bool") else b""


def _encode_value(number: int, type: str, value: Any) -> bytes:
    if type == "string":
        return bytes_field(number, str(value).encode())
    if type in ("int", "bool"):
        return varint_field(number, int(value))
    if type == "bytes":
        return bytes_field(number, b64decode(value))
    if type == "double":
        return _encode_varint(number << 3 | _FIXED64) + struct.pack("<d", value)
    if type.startswith("items:"):
        return bytes_field(number, b"".join(_encode_value(1, type[6:], item) for item in value))
    if type.startswith("union:"):
        return bytes_field(number, _encode_union(type[6:], value))
    content = _SPECIAL[type][1](value) if type in _SPECIAL else _encode_message(type, value)
    return bytes_field(number, content)


def _encode_union(message: str, value: Any) -> bytes:
    if isinstance(value, bool):
        return _encode_message(message, {"Allows": value})
    if isinstance(value, dict):
        return _encode_message(message, {"Schema": value, "Allows": True})
    name = "Property" if message.endswith("StringArray") else "JSONSchemas"
    return _encode_message(message, {name: value})


def _encode_int_or_string(value: int | str) -> bytes:
    is_text = isinstance(value, str)
    kind = _encode_varint(1 << 3) + _encode_varint(int(is_text))
    amount = _encode_varint(2 << 3) + _encode_varint(0 if isinstance(value, str) else value)
    return kind + amount + bytes_field(3, value.encode() if isinstance(value, str) else b"")


def _encode_time(value: str | None) -> bytes:
    if value is None:
        return b""
    moment = datetime.fromisoformat(value)
    seconds = int(moment.replace(microsecond=0).timestamp())
    nanos = moment.microsecond * 1000
    return _encode_varint(1 << 3) + _encode_varint(seconds) + _encode_varint(2 << 3) + _encode_varint(nanos)


_SPECIAL: dict[str, tuple[Any, Any]] = {
    "quantity": (_decode_quantity, lambda value: bytes_field(1, str(value).encode())),
    "intorstring": (_decode_int_or_string, _encode_int_or_string),
    "raw": (_decode_raw, lambda value: bytes_field(1, orjson.dumps(value))),
    "time": (_decode_time, _encode_time),
    "microtime": (lambda raw: _decode_time(raw, micro=True), _encode_time),
}
