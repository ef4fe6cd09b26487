"""Kubernetes' own functions for CEL rules: quantities, regular expressions, lists and formats; `cel_net` has the rest.

Values of a type that CEL lacks are messages that hold their text in its one canonical form, so that `==` holds.
A `ValueError` of a function is the error that the rule fails with.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

from cel_expr_python import cel
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from kaito.local.schema import names
from kaito.local.schema.patterns import re2_pattern
from kaito.local.schema.urls import parse_url

BOOL, INT, DOUBLE, STRING, DYN = (cel.Type.BOOL, cel.Type.INT, cel.Type.DOUBLE, cel.Type.STRING, cel.Type.DYN)
LIST = cel.Type.List(DYN)
_SUFFIXES = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE])|[eE]([+-]?\d+))?")


def _file(package: str, *messages: str) -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name in messages:
        message = file.message_type.add(name=name)
        message.field.add(name="text", number=1, type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING)
    return file


FILES = [_file("kubernetes", "Quantity", "URL", "NamedFormat"), _file("net", "IP", "CIDR")]
POOL = DescriptorPool()
for _added in FILES:
    POOL.AddSerializedFile(_added.SerializeToString())
_CLASSES = {name: GetMessageClass(POOL.FindMessageTypeByName(name)) for name in
            ("kubernetes.Quantity", "kubernetes.URL", "kubernetes.NamedFormat", "net.IP", "net.CIDR")}  # fmt: skip
QUANTITY, URL, FORMAT, IP, CIDR = (cel.Type(name) for name in _CLASSES)

_overloads: dict[str, list[cel.Overload]] = {}


def function(
    name: str, returns: cel.Type, *params: cel.Type, member: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a function to rules; a `member` is called on its first argument."""

    def register(inner: Callable[..., Any]) -> Callable[..., Any]:
        known = _overloads.setdefault(name, [])
        known.append(
            cel.Overload(
                f"{name}_{len(known)}", return_type=returns, parameters=list(params), is_member=member, impl=inner
            )
        )
        return inner

    return register


method = partial(function, member=True)


def functions() -> list[cel.FunctionDecl]:
    return [cel.FunctionDecl(name, overloads) for name, overloads in _overloads.items()]


# ------------------------------------------------------------------- what replaces functions of the language itself

# Kubernetes compares numbers across their types, and shows its own types: the library's declarations of these
# functions are left out, and declared here again with more. Those that it knows by their id keep its implementation.
REPLACED = ("_<_", "_<=_", "_>_", "_>=_", "string")
_STANDARD = {
    "bool": BOOL, "int64": INT, "uint64": cel.Type.UINT, "double": DOUBLE, "string": STRING, "bytes": cel.Type.BYTES,
    "timestamp": cel.Type.TIMESTAMP, "duration": cel.Type.DURATION,
}  # fmt: skip
_NUMBERS = ("int64", "uint64", "double")


def _standard(name: str, id: str, returns: cel.Type, *params: cel.Type) -> None:
    _overloads.setdefault(name, []).append(cel.Overload(id, return_type=returns, parameters=list(params)))


for _symbol, _word in (("_<_", "less"), ("_<=_", "less_equals"), ("_>_", "greater"), ("_>=_", "greater_equals")):
    for _kind, _type in _STANDARD.items():
        _standard(_symbol, f"{_word}_{_kind}", BOOL, _type, _type)
    for _left in _NUMBERS:
        for _right in _NUMBERS:
            if _left != _right:
                _standard(_symbol, f"{_word}_{_left}_{_right}", BOOL, _STANDARD[_left], _STANDARD[_right])
for _kind, _type in _STANDARD.items():
    _standard("string", "string_to_string" if _kind == "string" else f"{_kind}_to_string", STRING, _type)


_standard("string", "cidr_to_string", STRING, CIDR)  # as the one below: when it runs, a message is a message


@function("string", STRING, IP)
def _shown(value: Any) -> str:
    return str(value.text)


def new_value(type: str, text: str) -> Any:
    return _CLASSES[type](text=text)


# ------------------------------------------------------------------------------------------------------- quantities


def parse_quantity(text: str) -> Fraction | None:
    found = _QUANTITY.fullmatch(text)
    if not found:
        return None
    digits, binary, suffix, exponent = found.groups()
    number = Fraction(digits.rstrip("."))
    if binary:
        return number * 1024 ** (1 + "KMGTPE".index(binary[0]))
    return number * Fraction(10) ** (int(exponent) if exponent else _SUFFIXES[suffix or ""])


@function("isQuantity", BOOL, STRING)
def _is_quantity(text: str) -> bool:
    return parse_quantity(text) is not None


@function("quantity", QUANTITY, STRING)
def _quantity(text: str) -> Any:
    found = parse_quantity(text)
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    return new_value("kubernetes.Quantity", str(found))


@method("sign", INT, QUANTITY)
def _sign(value: Any) -> int:
    number = Fraction(value.text)
    return (number > 0) - (number < 0)


@method("isInteger", BOOL, QUANTITY)
def _is_integer(value: Any) -> bool:
    number = Fraction(value.text)
    return number.denominator == 1 and -(2**63) <= number < 2**63


@method("asInteger", INT, QUANTITY)
def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(Fraction(value.text))


@method("asApproximateFloat", DOUBLE, QUANTITY)
def _as_float(value: Any) -> float:
    return float(Fraction(value.text))


def _sum_of(value: Any, other: Any, sign: int) -> Any:
    amount = Fraction(other if isinstance(other, int) else other.text)
    return new_value("kubernetes.Quantity", str(Fraction(value.text) + sign * amount))


for _name, _direction in (("add", 1), ("sub", -1)):
    method(_name, QUANTITY, QUANTITY, QUANTITY)(partial(_sum_of, sign=_direction))
    method(_name, QUANTITY, QUANTITY, INT)(partial(_sum_of, sign=_direction))


@method("compareTo", INT, QUANTITY, QUANTITY)
def _compare(value: Any, other: Any) -> int:
    left, right = Fraction(value.text), Fraction(other.text)
    return (left > right) - (left < right)


@method("isGreaterThan", BOOL, QUANTITY, QUANTITY)
def _greater(value: Any, other: Any) -> bool:
    return _compare(value, other) > 0


@method("isLessThan", BOOL, QUANTITY, QUANTITY)
def _less(value: Any, other: Any) -> bool:
    return _compare(value, other) < 0


# ------------------------------------------------------------------------------------- regular expressions and lists


def _pattern(text: str) -> Any:
    try:
        return re2_pattern(text)
    except ValueError as exc:
        raise ValueError(f"Illegal regex: {exc}") from exc


@method("find", STRING, STRING, STRING)
def _find(text: str, pattern: str) -> str:
    found = _pattern(pattern).search(text)
    return found.group() if found else ""


@method("findAll", cel.Type.List(STRING), STRING, STRING)
def _find_all(text: str, pattern: str) -> list[str]:
    return [match.group() for match in _pattern(pattern).finditer(text)]


@method("findAll", cel.Type.List(STRING), STRING, STRING, INT)
def _find_some(text: str, pattern: str, limit: int) -> list[str]:
    found = _find_all(text, pattern)
    return found if limit < 0 else found[:limit]


@method("isSorted", BOOL, LIST)
def _is_sorted(items: list[Any]) -> bool:
    return all(not items[index + 1] < items[index] for index in range(len(items) - 1))


@method("sum", DYN, LIST)
def _sum(items: list[Any]) -> Any:
    return sum(items[1:], items[0]) if items else 0


@method("min", DYN, LIST)
def _min(items: list[Any]) -> Any:
    if not items:
        raise ValueError("min called on empty list")
    return min(items)


@method("max", DYN, LIST)
def _max(items: list[Any]) -> Any:
    if not items:
        raise ValueError("max called on empty list")
    return max(items)


# ---------------------------------------------------------------------------------------------------------- formats


def _matching(pattern: str) -> Callable[[str], list[str]]:
    return lambda text: [] if re.fullmatch(pattern, text) else [f"must match {pattern}"]


def _prefix_of(rule: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The rule for a name that something is appended to, so that a last dash is well."""
    return lambda text: rule(text[:-1] + "a" if text.endswith("-") else text)


_UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_BYTE = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})?"
_DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
FORMATS: dict[str, Callable[[str], list[str]]] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035,
    "qualifiedName": names.qualified_name,
    "dns1123LabelPrefix": _prefix_of(names.dns_label),
    "dns1123SubdomainPrefix": _prefix_of(names.dns_subdomain),
    "dns1035LabelPrefix": _prefix_of(names.dns_1035),
    "labelValue": names.label_value,
    "uri": lambda text: [] if parse_url(text) else ["must be a valid URI"],
    "uuid": _matching(_UUID),
    "byte": _matching(_BYTE),
    "date": _matching(_DATE),
    "datetime": _matching(_DATE + r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"),
}
for _name in FORMATS:
    function(f"format.{_name}", FORMAT)(partial(new_value, "kubernetes.NamedFormat", _name))


@function("format.named", cel.Type.List(FORMAT), STRING)
def _named(name: str) -> list[Any]:
    """None or one; `cel_rules` makes an optional of it."""
    return [new_value("kubernetes.NamedFormat", name)] if name in FORMATS else []


@method("validate", cel.Type.List(cel.Type.List(STRING)), FORMAT, STRING)
def _validate(form: Any, text: str) -> list[list[str]]:
    """Nothing or one list of complaints; `cel_rules` makes an optional of it."""
    complaints = FORMATS[form.text](text)
    return [complaints] if complaints else []
