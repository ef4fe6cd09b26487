"""Custom kinds: structural check, pruning, defaults, validation."""

from __future__ import annotations

from typing import Any

from kaito.local.apiserver import selectors
from kaito.local.schema import crd, crd_validate, registry, ssa, validation

SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}


def definition(**properties: Any) -> dict:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {
        "metadata": {"name": "toys.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "toys", "kind": "Toy", "shortNames": ["ty"]},
            "versions": [{
                "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": SCALE},
            }],
        },
    }  # fmt: skip


def toy(**spec: Any) -> dict:
    return {"apiVersion": "example.com/v1", "kind": "Toy", "metadata": {"name": "t", "namespace": "d"}, "spec": spec}


def check(properties: dict, **spec: Any) -> list[str]:
    type_ = crd.compile(definition(**properties)).versions["v1"].type
    prepared = validation.prepare_create(type_, toy(**spec))
    return [str(error) for error in validation.validate(type_, prepared.obj)]


def test_a_compiled_kind_has_its_names_and_subresources() -> None:
    compiled = crd.compile(definition())
    type_ = compiled.types[0]
    assert (type_.api_version, type_.plural, type_.singular, type_.short_names) == (
        "example.com/v1",
        "toys",
        "toy",
        ("ty",),
    )
    assert type_.subresources == ("scale", "status")
    assert compiled.storage.scale == crd.ScalePaths(".spec.n", ".status.n")
    assert compiled.renamed({"apiVersion": "example.com/v0"}, "v1") == {"apiVersion": "example.com/v1"}


def test_pruning_and_defaults() -> None:
    properties = {
        "n": {"type": "integer", "default": 1},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "inner": {"type": "object", "properties": {"x": {"type": "string", "default": "d"}}},
        "port": {"x-kubernetes-int-or-string": True},
        "template": {"type": "object", "x-kubernetes-embedded-resource": True,
                     "x-kubernetes-preserve-unknown-fields": True},
    }  # fmt: skip
    type_ = crd.compile(definition(**properties)).versions["v1"].type
    template = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "nope": 1}, "spec": {"any": 1}}
    obj = toy(bad=1, free={"a": {"b": 1}}, inner={}, port="http", n=None, template=template)
    prepared = validation.prepare_create(type_, obj)
    assert prepared.warnings == ['unknown field "spec.bad"', 'unknown field "spec.template.metadata.nope"']
    assert prepared.obj["spec"] == {
        "free": {"a": {"b": 1}}, "inner": {"x": "d"}, "port": "http", "n": 1,
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"any": 1}},
    }  # fmt: skip
    assert validation.validate(type_, prepared.obj) == []


def test_messages_are_those_of_a_real_server() -> None:
    assert check({"k": {"type": "integer"}}, k="x") == [
        'spec.k: Invalid value: "string": spec.k in body must be of type integer: "string"'
    ]
    assert check({"k": {"type": "integer", "minimum": 1}}, k=0) == [
        "spec.k: Invalid value: 0: spec.k in body should be greater than or equal to 1"
    ]
    assert check({"e": {"type": "string", "enum": ["a", "b"]}}, e="c") == [
        'spec.e: Unsupported value: "c": supported values: "a", "b"'
    ]
    assert check({"p": {"type": "string", "pattern": "^a$"}}, p="b") == [
        "spec.p: Invalid value: \"b\": spec.p in body should match '^a$'"
    ]
    assert check({"o": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}}}, o={}) == [
        "spec.o.x: Required value"
    ]
    items = {"type": "object", "properties": {"name": {"type": "string"}}}
    lists = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    assert check({"l": lists}, l=[{"name": "a"}, {"name": "a"}]) == ['spec.l[1]: Duplicate value: {"name":"a"}']


def test_definitions_are_checked() -> None:
    type_ = registry.BY_GVK["apiextensions.k8s.io", "v1", "CustomResourceDefinition"]
    good = validation.prepare_create(type_, definition())
    assert good.unknown == []
    assert validation.validate(type_, good.obj) == []
    assert good.obj["spec"]["names"]["listKind"] == "ToyList"
    assert good.obj["status"]["storedVersions"] == ["v1"]
    bad = definition(x={"properties": {}})
    bad["metadata"]["name"] = "other.example.com"
    found = [str(error) for error in crd_validate.validate(bad)]
    assert found == [
        'metadata.name: Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group',
        "spec.validation.openAPIV3Schema.properties[spec].properties[x].type: Required value: "
        "must not be empty for specified object fields",
    ]


def test_apply_of_a_custom_kind_merges_by_its_own_keys() -> None:
    items = {"type": "object", "properties": {"name": {"type": "string"}, "v": {"type": "integer"}}}
    lists = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    type_ = crd.compile(definition(l=lists)).versions["v1"].type
    live, _ = ssa.apply(type_, None, toy(l=[{"name": "a", "v": 1}]), "one")
    live, conflicts = ssa.apply(type_, live, toy(l=[{"name": "b", "v": 2}]), "two")
    assert conflicts == []
    assert live["spec"]["l"] == [{"name": "a", "v": 1}, {"name": "b", "v": 2}]
    _, conflicts = ssa.apply(type_, live, toy(l=[{"name": "b", "v": 3}]), "one")
    assert [c.path for c in conflicts] == ['.spec.l[name="b"].v']


def test_metadata_of_a_custom_kind_is_typed_too() -> None:
    type_ = crd.compile(definition()).versions["v1"].type
    prepared = validation.prepare_create(type_, {**toy(), "metadata": {"name": "t", "labels": "x", "nope": 1}})
    assert prepared.decode_errors == [
        "json: cannot unmarshal string into Go struct field ObjectMeta.labels of type map[string]string"
    ]
    assert prepared.unknown == ["metadata.nope"]


def test_a_new_storage_version_is_recorded_with_the_write_that_names_it() -> None:
    type_ = registry.BY_GVK["apiextensions.k8s.io", "v1", "CustomResourceDefinition"]
    body = definition()
    old = validation.prepare_create(type_, body).obj
    first = body["spec"]["versions"][0]
    versions = [first | {"storage": False}, first | {"name": "v2"}]
    changed = {**body, "spec": body["spec"] | {"versions": versions}, "status": old["status"]}
    assert validation.prepare_update(type_, changed, old).obj["status"]["storedVersions"] == ["v1", "v2"]


def test_a_kind_is_selected_by_the_fields_that_its_definition_names() -> None:
    body = definition(color={"type": "string"})
    body["spec"]["versions"][0]["selectableFields"] = [{"jsonPath": ".spec.color"}]
    type_ = crd.compile(body).types[0]
    (term,) = selectors.parse_fields(type_, "spec.color=red")
    assert term.matches(toy(color="red"))
    assert not term.matches(toy(color="blue"))
