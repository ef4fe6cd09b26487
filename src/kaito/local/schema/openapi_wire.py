"""The OpenAPI v2 document in protobuf, the only form in which kubectl reads it.

The numbers are those of the published OpenAPI v2 messages; only what `openapi` writes is here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from kaito.local.schema.wire import bytes_field, varint_field

Document = dict[str, Any]
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ASKED_AS = (MEDIA_TYPE, MEDIA_TYPE.replace("v2.v1.0", "v2@v1.0"))
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def encode(document: Document) -> bytes:
    """An OpenAPI v2 document as a message."""
    info = _text(1, document["info"].get("title")) + _text(2, document["info"].get("version"))
    paths = (_named(2, path, _path(item)) for path, item in document["paths"].items())
    definitions = (_named(1, name, _schema(body)) for name, body in document["definitions"].items())
    return b"".join(
        (
            _text(1, document["swagger"]),
            bytes_field(2, info),
            bytes_field(8, b"".join(paths)),
            bytes_field(9, b"".join(definitions)),
        )
    )


def _text(number: int, value: str | None) -> bytes:
    return bytes_field(number, value.encode()) if value else b""


def _texts(number: int, values: Iterable[str]) -> bytes:
    return b"".join(bytes_field(number, value.encode()) for value in values)


def _flag(number: int, value: bool | None) -> bytes:
    return varint_field(number, 1) if value else b""


def _named(number: int, name: str, content: bytes) -> bytes:
    return bytes_field(number, _text(1, name) + bytes_field(2, content))


def _extensions(number: int, holder: Document) -> bytes:
    """What is named `x-...`: its value as YAML, of which JSON is a part."""
    found = ((key, value) for key, value in holder.items() if key.startswith("x-"))
    return b"".join(_named(number, key, bytes_field(2, orjson.dumps(value))) for key, value in found)


def _path(item: Document) -> bytes:
    operations = (bytes_field(_METHODS[key], _operation(value)) for key, value in item.items() if key in _METHODS)
    parameters = (_parameter(9, parameter) for parameter in item.get("parameters") or ())
    return b"".join((*operations, *parameters, _extensions(10, item)))


def _operation(operation: Document) -> bytes:
    responses = (
        _named(1, code, bytes_field(1, _response(body))) for code, body in (operation.get("responses") or {}).items()
    )
    return b"".join(
        (
            _text(3, operation.get("description")),
            _text(5, operation.get("operationId")),
            _texts(6, operation.get("produces") or ()),
            _texts(7, operation.get("consumes") or ()),
            *(_parameter(8, parameter) for parameter in operation.get("parameters") or ()),
            bytes_field(9, b"".join(responses)),
            _extensions(13, operation),
        )
    )


def _response(response: Document) -> bytes:
    schema = response.get("schema")
    return _text(1, response.get("description")) + (bytes_field(2, bytes_field(1, _schema(schema))) if schema else b"")


def _parameter(number: int, parameter: Document) -> bytes:
    """A parameter in the body, the path or the query; each is a message of its own."""
    where, name, text = parameter["in"], parameter["name"], parameter.get("description")
    required = _flag(4 if where == "body" else 1, parameter.get("required"))
    if where == "body":
        body = _text(1, text) + _text(2, name) + _text(3, where) + required
        return bytes_field(number, bytes_field(1, bytes_field(1, body + bytes_field(5, _schema(parameter["schema"])))))
    head = required + _text(2, where) + _text(3, text) + _text(4, name)
    if where == "path":
        inner = bytes_field(4, head + _text(5, parameter.get("type")))
    else:
        inner = bytes_field(3, head + _text(6, parameter.get("type")) + _flag(20, parameter.get("uniqueItems")))
    return bytes_field(number, bytes_field(1, bytes_field(2, inner)))


def _schema(schema: Document) -> bytes:
    extra, items, properties = schema.get("additionalProperties"), schema.get("items"), schema.get("properties")
    parts = [
        _text(1, schema.get("$ref")),
        _text(2, schema.get("format")),
        _text(3, schema.get("title")),
        _text(4, schema.get("description")),
        _texts(19, schema.get("required") or ()),
    ]
    if isinstance(extra, bool):
        parts.append(bytes_field(21, varint_field(2, int(extra))))
    elif extra is not None:
        parts.append(bytes_field(21, bytes_field(1, _schema(extra))))
    if isinstance(schema.get("type"), str):
        parts.append(bytes_field(22, _text(1, schema["type"])))
    if isinstance(items, dict):
        parts.append(bytes_field(23, bytes_field(1, _schema(items))))
    parts += [bytes_field(24, _schema(part)) for part in schema.get("allOf") or ()]
    if properties:
        parts.append(bytes_field(25, b"".join(_named(1, name, _schema(body)) for name, body in properties.items())))
    return b"".join((*parts, _extensions(31, schema)))
