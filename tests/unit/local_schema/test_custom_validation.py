"""Custom kinds: what a definition is refused for, and what an object is refused for beyond its own fields."""

from __future__ import annotations

from typing import Any

import pytest

from kaito.local.schema import crd, crd_validate, openapi_validate, structural, typed, validation
from kaito.local.schema.patterns import pattern

INTEGER, STRING = {"type": "integer"}, {"type": "string"}
SCALE = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}


def definition(spec: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A definition with this schema of `spec`; `changes` are to its own spec."""
    status = {"type": "object", "properties": {"n": INTEGER}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", **(spec or {})}, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
               "subresources": {"status": {}, "scale": SCALE}}  # fmt: skip
    names = {"plural": "toys", "kind": "Toy"}
    body = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version], **changes}
    return {"metadata": {"name": "toys.example.com"}, "spec": body}


def problems(body: dict[str, Any]) -> list[str]:
    return [str(error).removeprefix("spec.validation.openAPIV3Schema.") for error in crd_validate.validate(body)]


def with_default(field: dict[str, Any], default: Any) -> list[str]:
    found = problems(definition({"properties": {"a": field | {"default": default}}}))
    return [text.removeprefix("properties[spec].properties[a].") for text in found]


@pytest.mark.parametrize(
    ("field", "default", "complaint"),
    [
        (INTEGER, 1, ""),
        (INTEGER, "x", 'default: Invalid value: "string":  in body must be of type integer: "string"'),
        (INTEGER | {"minimum": 2}, 1, "default: Invalid value: 1:  in body should be greater than or equal to 2"),
        ({"type": "object", "properties": {"b": INTEGER}}, {"b": "x"},
         'default.b: Invalid value: "string": b in body must be of type integer: "string"'),
        ({"type": "object", "properties": {"b": INTEGER}}, {"b": 1, "c": 2},
         'default: Invalid value: {"b":1,"c":2}: must not have unknown fields'),
        (STRING | {"x-kubernetes-validations": [{"rule": "self == 'x'"}]}, "y",
         "default: Invalid value: \"y\": failed rule: self == 'x'"),
    ],
)  # fmt: skip
def test_a_default_must_be_valid_where_it_is(field: dict[str, Any], default: Any, complaint: str) -> None:
    assert with_default(field, default) == ([complaint] if complaint else [])


def test_null_gives_way_to_the_default_of_items_and_of_map_values() -> None:
    one = INTEGER | {"default": 1}
    fields = {"l": {"type": "array", "items": one}, "m": {"type": "object", "additionalProperties": one}}
    assert problems(definition({"properties": fields})) == []
    type = crd.compile(definition({"properties": fields})).versions["v1"].type
    spec = validation.prepare(type, toy({"l": [2, None], "m": {"a": None, "b": 3}})).obj["spec"]
    assert spec == {"l": [2, 1], "m": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (STRING, "k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a "
         "default or be a required property"),
        (STRING | {"default": "x", "nullable": True},
         "k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable"),
        (STRING | {"default": "x"}, ""),
    ],
)  # fmt: skip
def test_the_key_of_a_keyed_list_is_in_every_item(key: dict[str, Any], complaint: str) -> None:
    items = {"type": "object", "properties": {"k": key}}
    keyed = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    found = problems(definition({"properties": {"l": keyed}}))
    head = "properties[spec].properties[l].items.properties["
    assert found == ([head + complaint] if complaint else [])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("(", "error parsing regexp: missing closing ): `(`"),
        ("[a", "error parsing regexp: missing closing ]: `[a`"),
        ("*", "error parsing regexp: missing argument to repetition operator: `*`"),
    ],
)
def test_a_pattern_that_does_not_parse_refuses_its_definition(text: str, complaint: str) -> None:
    (found,) = problems(definition({"properties": {"a": STRING | {"pattern": text}}}))
    assert found.endswith(f"must be a valid regular expression, but isn't: {complaint}")


def test_a_pattern_that_only_re2_understands_is_matched_by_it() -> None:
    assert pattern(r"^\pL+$").search("é")
    assert not pattern(r"^\pL+$").search("1")
    assert pattern(r"^a\z").search("a")


def test_definitions_are_refused_in_the_words_of_a_real_server() -> None:
    stored = '{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,"Schema":null,'
    stored += '"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}'
    body = definition()
    body["spec"]["versions"][0]["storage"] = False
    assert problems(body) == [
        f"spec.versions: Invalid value: [{stored}]: must have exactly one version marked as storage version",
        "status.storedVersions: Invalid value: null: must have at least one stored version",
    ]
    column = {"name": "A", "type": "nope", "jsonPath": ".a"}
    body = definition()
    body["spec"]["versions"][0]["additionalPrinterColumns"] = [column]
    assert problems(body) == [
        'spec.additionalPrinterColumns[0].type: Invalid value: "nope": '
        "must be one of boolean,date,integer,number,string"
    ]
    assert problems(definition(conversion={"strategy": "Webhook"})) == [
        "spec.conversion.conversionReviewVersions: Required value",
        "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
    ]
    assert problems(definition({"$ref": "#/x"})) == ["properties[spec].$ref: Forbidden: $ref is not supported"]


def test_a_protected_group_needs_an_approval_when_it_is_new() -> None:
    body = definition(group="x.k8s.io")
    body["metadata"]["name"] = "toys.x.k8s.io"
    assert [text.split(":")[0] for text in problems(body)] == ["metadata.annotations[api-approved.kubernetes.io]"]
    assert crd_validate.validate(body, body) == []
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://example.com"}
    assert problems(body) == []


def toy(spec: Any, **more: Any) -> dict[str, Any]:
    meta = {"name": "t", "namespace": "d"}
    return {"apiVersion": "example.com/v1", "kind": "Toy", "metadata": meta, "spec": spec, **more}


def refused(body: dict[str, Any], obj: Any, old: Any = None, subresource: str = "") -> list[str]:
    type = crd.compile(body).versions["v1"].type
    prepared = validation.prepare(type, obj).obj
    return [str(error) for error in validation.validate(type, prepared, old, subresource=subresource)]


def test_what_the_scale_subresource_could_not_show_is_refused() -> None:
    body = definition({"properties": {"n": INTEGER}})
    assert refused(body, toy({"n": 3})) == []
    assert refused(body, toy({})) == []
    assert refused(body, toy({"n": -1})) == [".spec.n: Invalid value: -1: should be a non-negative integer"]
    assert refused(body, toy({"n": 2**31})) == [
        ".spec.n: Invalid value: 2147483648: should be less than or equal to 2147483647"
    ]
    assert refused(body, toy([]))[0] == (
        ".spec.n: Invalid value: 0: .spec.n accessor error: [] is of the type []interface {}, "
        "expected map[string]interface{}"
    )


def test_a_write_of_the_status_is_judged_by_its_status() -> None:
    body = definition({"properties": {"n": INTEGER, "a": STRING}})
    assert refused(body, toy({"a": 1}, status={"n": 1}), subresource="status") == []
    assert refused(body, toy({}, status={"n": "many"}), subresource="status") == [
        ".status.n: Invalid value: 0: .status.n accessor error: many is of the type string, expected int64",
        'status.n: Invalid value: "string": n in body must be of type integer: "string"',
    ]


def test_null_is_no_value_where_it_is_not_allowed() -> None:
    body = definition({"required": ["a"], "properties": {"a": STRING, "b": STRING | {"nullable": True}}})
    type = crd.compile(body).versions["v1"].type
    prepared = validation.prepare(type, toy({"a": None, "b": None})).obj
    assert prepared["spec"] == {"b": None}
    assert refused(body, toy({"a": None})) == ["spec.a: Required value"]


def test_an_embedded_object_says_what_it_is_and_has_good_labels() -> None:
    inner = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    body = definition({"properties": {"t": inner}})
    assert refused(body, toy({"t": {"metadata": {}}})) == [
        "spec.t.apiVersion: Required value",
        "spec.t.kind: Required value",
    ]
    bad = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b c"}}}
    (found,) = refused(body, toy({"t": bad}))
    assert found.startswith('spec.t.metadata.labels: Invalid value: "b c": a valid label')


@pytest.mark.parametrize(
    ("old", "new", "complaints"),
    [
        ({"s": "long", "b": "1"}, {"s": "long", "b": "2"}, 0),
        ({"s": "long"}, {"s": "longer"}, 1),
        ({"l": [{"k": "a", "v": "long"}]}, {"l": [{"k": "b", "v": "x"}, {"k": "a", "v": "long"}]}, 0),
        ({"l": [{"k": "a", "v": "long"}]}, {"l": [{"k": "b", "v": "long"}]}, 1),
        ({"plain": ["long"]}, {"plain": ["long"]}, 0),
        ({"plain": ["long"]}, {"plain": ["long", "x"]}, 1),
    ],
)
def test_a_change_is_not_refused_for_what_it_leaves_alone(old: Any, new: Any, complaints: int) -> None:
    short = STRING | {"maxLength": 3}
    item = {"type": "object", "properties": {"k": STRING, "v": short}}
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    fields = {"s": short, "b": STRING, "l": keyed, "plain": {"type": "array", "items": short}}
    schema = {"type": "object", "properties": fields}
    assert len(openapi_validate.validate(schema, new, "spec", old)) == complaints
    assert openapi_validate.validate(schema, old, "spec") != []


def test_an_apply_with_text_for_a_number_is_refused_before_it_is_merged() -> None:
    type = crd.compile(definition({"properties": {"n": INTEGER}})).versions["v1"].type
    assert typed.problems(type, toy({"n": "text"})) == [".spec.n: expected numeric (int or float), got string"]
    assert typed.go_value([1, True, None, {"a": 0}]) == "[1 true <nil> map[a:0]]"


def test_custom_objects_keep_their_keys_in_order_and_whole_numbers_whole() -> None:
    body = definition({"x-kubernetes-preserve-unknown-fields": True})
    type = crd.compile(body).versions["v1"].type
    spec = validation.prepare(type, toy({"b": {"z": 1e3, "a": 2.0}, "a": 1.5})).obj["spec"]
    assert list(spec) == ["a", "b"]
    assert str(spec) == "{'a': 1.5, 'b': {'a': 2, 'z': 1000}}"


def test_rules_are_found_wherever_they_are() -> None:
    ruled = STRING | {"x-kubernetes-validations": [{"rule": "true"}]}
    assert not structural.has_rules({"type": "object", "properties": {"x-kubernetes-validations": STRING}})
    assert structural.has_rules({"type": "array", "items": {"type": "object", "additionalProperties": ruled}})
