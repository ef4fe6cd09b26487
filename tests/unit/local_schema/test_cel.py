"""Rules of custom kinds (`x-kubernetes-validations`): what they may say, what they see and how they refuse."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kaito.local.schema import cel_rules

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
SET = {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}
PORT = {"type": "object", "properties": {"name": STRING, "port": INTEGER}}
PORTS = {"type": "array", "items": PORT, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
SPEC: dict[str, Any] = {
    "s": STRING, "n": INTEGER, "x": {"type": "number"}, "b": {"type": "boolean"},
    "l": {"type": "array", "items": STRING}, "ints": {"type": "array", "items": INTEGER},
    "set": SET, "ports": PORTS, "namespace": STRING, "a-b": STRING,
    "m": {"type": "object", "additionalProperties": STRING}, "o": PORT, "any": {"x-kubernetes-int-or-string": True},
    "when": {"type": "string", "format": "date-time"}, "long": {"type": "string", "format": "duration"},
    "mm": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": INTEGER}},
}  # fmt: skip
OBJ: dict[str, Any] = {
    "s": "abc", "n": 5, "x": 2, "b": True, "l": ["b", "a"], "ints": [1, 2, 3], "set": ["p", "q"], "namespace": "ns",
    "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "a-b": "dash", "m": {"k": "v"},
    "o": {"name": "x"}, "any": "50%", "when": "2024-01-02T03:04:05Z", "long": "1h30m", "mm": {"a": {"b": 3}},
}  # fmt: skip


def object_schema(rules: list[dict[str, Any]] | None = None, **properties: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return schema | ({"x-kubernetes-validations": rules} if rules else {})


def broken(schema: dict[str, Any], value: Any, old: Any = None, *, root: bool = False) -> list[str]:
    return [str(error) for error in cel_rules.validate(schema, value, old, "spec", root=root)]


def definition_errors(schema: dict[str, Any]) -> list[str]:
    return [str(error) for error in cel_rules.check(schema, "schema")]


def holds(rule: str, value: Any = OBJ, old: Any = None) -> bool:
    schema = object_schema([{"rule": rule}], **SPEC)
    assert definition_errors(schema) == []
    found = broken(schema, value, old)
    assert all("failed rule" in text for text in found), found
    return not found


@pytest.mark.parametrize(
    "rule",
    [
        # the language
        "self.n == 5 && self.x > 1.5 && self.b", "has(self.s) && !has(self.o.port)", "self.s + 'd' == 'abcd'",
        "self.__namespace__ == 'ns' && self.a__dash__b == 'dash'", "'k' in self.m && self.m['k'] == 'v'",
        "self.l.all(i, i.size() == 1) && self.l.exists(i, i == 'a') && self.l.exists_one(i, i == 'b')",
        "self.l.map(i, i + i) == ['bb', 'aa'] && self.ints.filter(i, i > 1).size() == 2",
        "self.any == '50%' || self.any == 50", "type(self.any) == string ? self.any.endsWith('%') : self.any > 0",
        "self.mm['a']['b'] == 3", "self.m.all(k, self.m[k].size() < 3)", "self.ports.map(p, p.port) == [1, 2]",
        "self.ints.all(i, v, v == i + 1)", "self.ints.transformList(i, v, v * i) == [0, 2, 6]",
        "self.x > 1 && self.x >= 2 && self.n < 5.5 && 1 <= self.x && self.s < 'b' && self.n > 4",
        # optionals
        "self.o.?port.orValue(80) == 80", "!self.?o.port.hasValue()", "self.m[?'zz'].orValue('none') == 'none'",
        "optional.ofNonZeroValue('') == optional.none()", "self.?s.optMap(v, v.size()).value() == 3",
        # strings and regular expressions
        "self.s.matches('^[a-c]+$') && self.s.find('b.') == 'bc' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "'a1b22'.findAll('[0-9]', 2) == ['1', '2']", "self.s.substring(1) == 'bc' && self.s.indexOf('c') == 2",
        "'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b' && ' x '.trim() == 'x'",
        "'%s is %d, %.1f'.format([self.s, self.n, self.x]) == 'abc is 5, 2.0'", "'Ab'.lowerAscii() == 'ab'",
        # lists and sets
        "self.ints.isSorted() && !self.l.isSorted() && self.ints.sum() == 6", "self.l.min() == 'a' && [].sum() == 0",
        "self.ints.max() == 3", "sets.contains(self.set, ['q']) && sets.intersects(self.set, ['q', 'z'])",
        "[1, 1].distinct() == [1] && [2, 1].sort() == [1, 2]",
        # times
        "self.when < timestamp('2025-01-01T00:00:00Z') && self.when.getFullYear() == 2024",
        "self.long == duration('90m') && self.long.getMinutes() == 90",
        # quantities
        "isQuantity('10Gi') && !isQuantity('lots') && quantity('1Gi') == quantity('1024Mi')",
        "quantity('1500m').isGreaterThan(quantity('1')) && quantity('1k').compareTo(quantity('1000')) == 0",
        "quantity('2').add(quantity('500m')).sub(1) == quantity('1500m') && quantity('2k').asInteger() == 2000",
        "quantity('-1').sign() == -1 && !quantity('1m').isInteger() && quantity('1m').asApproximateFloat() == 0.001",
        # addresses
        "isIP('::1') && !isIP('1.2.3') && ip('10.0.0.1').family() == 4 && ip.isCanonical('2001:db8::1')",
        "!ip.isCanonical('2001:DB8::1') && ip('127.0.0.1').isLoopback() && ip('8.8.8.8').isGlobalUnicast()",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsCIDR('::/0')",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.2.3/8').prefixLength() == 8",
        "isCIDR('::/0') && !isCIDR('10.0.0.0') && cidr('10.1.2.3/8').ip() == ip('10.1.2.3')",
        "string(ip('2001:DB8::1')) == '2001:db8::1' && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
        "string(self.n) == '5' && string(self.b) == 'true' && string('a') == 'a' && string(b'a') == 'a'",
        # URLs
        "isURL('https://a.dev:80/p?x=1') && !isURL('a.dev') && isURL('/path')",
        "url('https://a.dev:80/p').getHost() == 'a.dev:80' && url('https://a.dev:80').getHostname() == 'a.dev'",
        "url('https://[::1]:80/').getPort() == '80' && url('https://a.dev').getPort() == ''",
        "url('https://a/b?x=1&x=2').getQuery()['x'] == ['1', '2'] && url('https://a/b%20').getEscapedPath() == '/b%20'",
        "url('https://a/b c').getEscapedPath() == '/b%20c' && !isURL('https://a b/c')",
        # formats
        "!format.dns1123Label().validate('web-1').hasValue() && format.dns1123Label().validate('Web').hasValue()",
        "!format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000').hasValue()",
        "!format.named('nope').hasValue()", "format.date().validate('x').value().size() == 1",
    ],
)  # fmt: skip
def test_what_rules_may_say(rule: str) -> None:
    assert holds(rule)
    assert not holds(f"!({rule})")


@pytest.mark.parametrize(
    ("schema", "rule", "complaint"),
    [
        (object_schema(), "self.nope == 1",
         "compilation failed: ERROR: <input>:1:5: undefined field 'nope'\n | self.nope == 1\n | ....^"),
        (object_schema(n=INTEGER), "self.n + 'x' == ''", "no matching overload for '_+_' applied to '(int, string)'"),
        (object_schema(n=INTEGER), "self.n", "must evaluate to a bool"),
        (object_schema(), "1 +", "Syntax error"),
        (object_schema(n=INTEGER), "self.n > 'x'", "no matching overload for '_>_' applied to '(int, string)'"),
        (object_schema(), "{'a': 1}.transformMap(k, v, v).size() == 1", "does not evaluate transformMap()"),
        (object_schema(l={"type": "array", "items": INTEGER}), "self.l.all(i, i == 'a')", "to '(int, string)'"),
        (object_schema(free={"x-kubernetes-preserve-unknown-fields": True}), "has(self.free)", "field 'free'"),
        (STRING, "self > 1", "applied to '(string, int)'"),
        (object_schema(), "quantity(1).sign() == 1", "no matching overload for 'quantity'"),
        (object_schema(), "ip('::1').isGreaterThan(quantity('1'))", "no matching overload for 'isGreaterThan'"),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_compile_refuses_its_definition(schema: dict[str, Any], rule: str, complaint: str) -> None:
    schema = schema | {"x-kubernetes-validations": [{"rule": rule}]}
    (found,) = definition_errors({"type": "object", "properties": {"f": schema}})
    head = f'schema.properties[f].x-kubernetes-validations[0].rule: Invalid value: {{"Rule":"{rule}","Message":""'
    assert found.startswith(head)
    assert complaint in found


def test_names_that_are_one_name_to_protobuf_are_told_apart() -> None:
    texts = {"type": "object", "additionalProperties": STRING}
    rule = {"rule": "self.a_b['k'] == 'v' && self.aB['k'] == 'w' && self.x_y == 1 && self.xY == 2"}
    schema = object_schema([rule], a_b=texts, aB=texts, ABEntry=STRING, x_y=INTEGER, xY=INTEGER)
    assert definition_errors(schema) == []
    assert broken(schema, {"a_b": {"k": "v"}, "aB": {"k": "w"}, "x_y": 1, "xY": 2}) == []


def test_what_else_a_definition_is_refused_for() -> None:
    def one(schema: dict[str, Any], **rule: Any) -> list[str]:
        found = cel_rules.check(object_schema(f=schema | {"x-kubernetes-validations": [rule]}), "schema")
        return [f"{error.field.partition('[0].')[2]}: {error.detail}" for error in found]

    assert one(STRING, rule=" ") == ["rule: rule is not specified"]
    assert one(STRING, rule="true", message=" ") == ["message: must be non-empty if specified"]
    assert one(STRING, rule="true", message="a\nb") == ["message: must not contain line breaks"]
    assert one(STRING, rule="true\n|| true") == ["message: message must be specified if rule contains line breaks"]
    assert one(STRING, rule="true", reason="Odd")[0].startswith("reason: supported values")
    assert one(STRING, rule="true", messageExpression=" ") == [
        "messageExpression: messageExpression must be non-empty if specified"
    ]
    assert one(object_schema(a=STRING), rule="true", fieldPath=".b") == ["fieldPath: must be a valid path"]
    assert one(object_schema(a=STRING), rule="true", fieldPath=".a") == []
    assert one(INTEGER, rule="true", messageExpression="self") == [
        "messageExpression: messageExpression must evaluate to a string"
    ]
    assert one(STRING, rule="true", optionalOldSelf=True) == [
        "optionalOldSelf: may not be set if oldSelf is not used in rule"
    ]
    items = STRING | {"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    (found,) = definition_errors(object_schema(l={"type": "array", "items": items}))
    assert found.endswith("uncorrelatable portion of the schema within schema.properties[l]")
    assert definition_errors(object_schema(ports=PORTS | {"items": PORT | {
        "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}})) == []  # fmt: skip


def test_how_a_broken_rule_refuses_an_object() -> None:
    def one(**rule: Any) -> str:
        (found,) = broken(object_schema([{"rule": "self.s == 'x'"} | rule], **SPEC), OBJ)
        return found

    assert one() == "spec: Invalid value: failed rule: self.s == 'x'"
    assert one(message="must be x") == "spec: Invalid value: must be x"
    assert one(message="m", messageExpression="'not ' + self.s") == "spec: Invalid value: not abc"
    assert one(message="m", messageExpression="self.o.port == 1 ? 'a' : 'b'") == "spec: Invalid value: m"
    assert one(message="m", reason="FieldValueForbidden", fieldPath=".s") == "spec.s: Forbidden: m"
    assert one(message="m", fieldPath=".m['k']") == "spec.m[k]: Invalid value: m"
    assert broken(STRING | {"x-kubernetes-validations": [{"rule": "self == 'x'", "message": "m"}]}, "y") == [
        'spec: Invalid value: "y": m'
    ]
    assert (
        one(rule="self.o.port == 1")
        == 'spec: Invalid value: "object": no such key: port evaluating rule: self.o.port == 1'
    )
    assert (
        one(rule="1 / (self.n - 5) == 1", message="m")
        == 'spec: Invalid value: "object": division by zero evaluating rule: m'
    )
    assert (
        one(rule="self.l[7] == ''")
        == "spec: Invalid value: \"object\": index out of bounds: 7 evaluating rule: self.l[7] == ''"
    )


def test_rules_of_items_and_map_values_name_their_place() -> None:
    ruled = INTEGER | {"x-kubernetes-validations": [{"rule": "self > 0", "message": "m"}]}
    schema = object_schema(l={"type": "array", "items": ruled}, m={"type": "object", "additionalProperties": ruled})
    assert broken(schema, {"l": [1, 0], "m": {"k": -1}}) == [
        "spec.l[1]: Invalid value: 0: m",
        "spec.m[k]: Invalid value: -1: m",
    ]


def test_the_root_sees_the_name_of_the_object_and_no_other_metadata() -> None:
    schema = object_schema([{"rule": "self.metadata.name == 'a' && self.kind == 'Toy'"}])
    obj = {"apiVersion": "v1", "kind": "Toy", "metadata": {"name": "a", "labels": {}}}
    assert definition_errors(schema) == []
    assert broken(schema, obj, root=True) == []
    labels = object_schema([{"rule": "has(self.metadata.labels)"}])
    assert "undefined field 'labels'" in definition_errors(labels)[0]


def test_transition_rules_see_what_was_before() -> None:
    fixed = STRING | {"x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "immutable"}]}
    schema = object_schema(f=fixed)
    assert broken(schema, {"f": "b"}, {"f": "a"}) == ['spec.f: Invalid value: "b": immutable']
    assert broken(schema, {"f": "a"}, {"f": "a"}) == []
    assert broken(schema, {"f": "a"}, {}) == []
    assert broken(schema, {"f": "a"}) == []
    keyed = object_schema(ports=PORTS | {"items": PORT | {"x-kubernetes-validations": [
        {"rule": "self.port >= oldSelf.port", "message": "grows"}]}})  # fmt: skip
    before = {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 5}]}
    assert broken(keyed, {"ports": [{"name": "b", "port": 4}, {"name": "c", "port": 0}]}, before) == [
        "spec.ports[0]: Invalid value: grows"
    ]


def test_an_optional_old_self_is_there_for_a_new_object_too() -> None:
    rule = {"rule": "oldSelf.hasValue() ? self == oldSelf.value() : self.startsWith('new')", "optionalOldSelf": True}
    schema = STRING | {"x-kubernetes-validations": [rule]}
    assert definition_errors(object_schema(f=schema)) == []
    assert broken(schema, "new-1") == []
    assert broken(schema, "old") != []
    assert broken(schema, "old", "old") == []
    wrong = STRING | {"x-kubernetes-validations": [{"rule": "oldSelf.value() == 1", "optionalOldSelf": True}]}
    (found,) = definition_errors(object_schema(f=wrong))
    assert "<input>:1:17: found no matching overload for '_==_' applied to '(string, int)'" in found


@pytest.mark.parametrize("rule", ["self.set == oldSelf.set", "self == oldSelf", "self.ports == oldSelf.ports"])
def test_the_order_of_sets_and_keyed_lists_does_not_count(rule: str) -> None:
    turned = OBJ | {"set": ["q", "p"], "ports": OBJ["ports"][::-1]}
    assert holds(rule, OBJ, turned)
    other = OBJ | {"set": ["q", "z"], "ports": [{"name": "a", "port": 9}, {"name": "b", "port": 2}]}
    assert not holds(rule, OBJ, other)


def test_a_value_that_a_change_leaves_alone_is_not_refused_for_its_rules() -> None:
    schema = object_schema(a=STRING | {"x-kubernetes-validations": [{"rule": "self.size() < 3"}]}, b=STRING)
    assert broken(schema, {"a": "long", "b": "2"}, {"a": "long", "b": "1"}) == []
    assert broken(schema, {"a": "longer", "b": "1"}, {"a": "long", "b": "1"}) != []


def test_a_cluster_without_rules_does_not_load_the_library() -> None:
    code = """
import sys
from kaito.local.schema import crd, crd_validate, validation
spec = {"type": "object", "properties": {"a": {"type": "string"}}}
version = {"name": "v1", "served": True, "storage": True,
           "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}
body = {"metadata": {"name": "toys.e.x"}, "spec": {"group": "e.x", "scope": "Cluster", "versions": [version],
        "names": {"plural": "toys", "kind": "Toy"}}}
assert crd_validate.validate(body) == []
type = crd.compile(body).versions["v1"].type
assert validation.validate(type, {"metadata": {"name": "t"}, "spec": {"a": "x"}}) == []
assert not {"cel_expr_python", "google.protobuf", "re2"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
