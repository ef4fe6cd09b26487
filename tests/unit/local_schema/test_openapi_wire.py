"""The OpenAPI v2 document in protobuf: what kubectl reads of it is there."""

from __future__ import annotations

from kaito.local.schema import openapi, openapi_wire, wire
from kaito.local.schema.registry import BY_GVK


def fields(raw: bytes) -> list[tuple[int, bytes]]:
    return [(number, value) for number, _, value in wire.parts(raw) if isinstance(value, bytes)]


def named(raw: bytes, number: int) -> dict[str, bytes]:
    """Name -> content of the pairs under one field."""
    pairs = [dict(fields(value)) for found, value in fields(raw) if found == number]
    return {pair[1].decode(): pair[2] for pair in pairs}


def test_definitions_paths_and_marks_survive() -> None:
    document = openapi.v2([BY_GVK["", "v1", "ConfigMap"]])
    encoded = dict(fields(openapi_wire.encode(document)))
    assert encoded[1] == b"2.0"
    definitions = named(encoded[9], 1)
    assert set(definitions) == set(document["definitions"])
    config_map = definitions["io.k8s.api.core.v1.ConfigMap"]
    properties = named(dict(fields(config_map))[25], 1)
    assert set(properties) == {"apiVersion", "kind", "metadata", "data", "binaryData", "immutable"}
    assert dict(fields(properties["metadata"]))[1] == b"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    marks = named(config_map, 31)
    assert (
        dict(fields(marks["x-kubernetes-group-version-kind"]))[2] == b'[{"group":"","version":"v1","kind":"ConfigMap"}]'
    )
    paths = named(encoded[8], 2)
    assert set(paths) == set(document["paths"])
