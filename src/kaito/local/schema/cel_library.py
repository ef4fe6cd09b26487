"""Kubernetes' own functions for CEL rules: quantities, addresses, URLs, regular expressions, lists and formats.

Values of a type that CEL lacks are messages that hold their text in its one canonical form, so that `==` holds.
A `ValueError` of a function is the error that the rule fails with.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from cel_expr_python import cel
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from kaito.local.schema import names
from kaito.local.schema.patterns import re2_pattern

BOOL, INT, DOUBLE, STRING, DYN = (cel.Type.BOOL, cel.Type.INT, cel.Type.DOUBLE, cel.Type.STRING, cel.Type.DYN)
LIST = cel.Type.List(DYN)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface
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


def _value(type: str, text: str) -> Any:
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
    return _value("kubernetes.Quantity", str(found))


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
    return _value("kubernetes.Quantity", str(Fraction(value.text) + sign * amount))


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


# -------------------------------------------------------------------------------------------------------- addresses


def _parse_ip(text: str) -> Address | None:
    """An address in plain form: no zone, no IPv4 inside IPv6."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped is not None or found.scope_id is not None)
    return None if mapped else found


def _parse_cidr(text: str) -> Network | None:
    head, slash, length = text.partition("/")
    if not slash or not length.isdigit() or _parse_ip(head) is None:
        return None
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None


@function("isIP", BOOL, STRING)
def _is_ip(text: str) -> bool:
    return _parse_ip(text) is not None


@function("isCIDR", BOOL, STRING)
def _is_cidr(text: str) -> bool:
    return _parse_cidr(text) is not None


@function("ip", IP, STRING)
def _ip(text: str) -> Any:
    found = _parse_ip(text)
    if found is None:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string')
    return _value("net.IP", str(found))


@method("ip", IP, CIDR)
def _ip_of(network: Any) -> Any:
    return _value("net.IP", str(ipaddress.ip_interface(network.text).ip))


@function("cidr", CIDR, STRING)
def _cidr(text: str) -> Any:
    found = _parse_cidr(text)
    if found is None:
        raise ValueError(f'network address parse error during conversion from string: invalid CIDR "{text}"')
    return _value("net.CIDR", str(found))


@function("ip.isCanonical", BOOL, STRING)
def _is_canonical(text: str) -> bool:
    return bool(_ip(text).text == text)


@method("family", INT, IP)
def _family(value: Any) -> int:
    return ipaddress.ip_address(value.text).version


@method("isUnspecified", BOOL, IP)
def _is_unspecified(value: Any) -> bool:
    return ipaddress.ip_address(value.text).is_unspecified


@method("isLoopback", BOOL, IP)
def _is_loopback(value: Any) -> bool:
    return ipaddress.ip_address(value.text).is_loopback


@method("isLinkLocalMulticast", BOOL, IP)
def _is_local_multicast(value: Any) -> bool:
    found = ipaddress.ip_address(value.text)
    return found in ipaddress.ip_network("224.0.0.0/24" if found.version == 4 else "ff02::/16")


@method("isLinkLocalUnicast", BOOL, IP)
def _is_local_unicast(value: Any) -> bool:
    return ipaddress.ip_address(value.text).is_link_local


@method("isGlobalUnicast", BOOL, IP)
def _is_global_unicast(value: Any) -> bool:
    found = ipaddress.ip_address(value.text)
    special = (found.is_unspecified, found.is_loopback, found.is_multicast, found.is_link_local)
    return not any(special) and value.text != "255.255.255.255"


@method("containsIP", BOOL, CIDR, STRING)
def _contains_text(network: Any, text: str) -> bool:
    return _contains_ip(network, _ip(text))


@method("containsIP", BOOL, CIDR, IP)
def _contains_ip(network: Any, address: Any) -> bool:
    return ipaddress.ip_address(address.text) in ipaddress.ip_interface(network.text).network


@method("containsCIDR", BOOL, CIDR, STRING)
def _contains_cidr_text(network: Any, text: str) -> bool:
    return _contains_cidr(network, _cidr(text))


@method("containsCIDR", BOOL, CIDR, CIDR)
def _contains_cidr(network: Any, other: Any) -> bool:
    outer, inner = ipaddress.ip_interface(network.text), ipaddress.ip_interface(other.text)
    return inner.network.network_address in outer.network and inner.network.prefixlen >= outer.network.prefixlen


@method("masked", CIDR, CIDR)
def _masked(network: Any) -> Any:
    return _value("net.CIDR", str(ipaddress.ip_interface(network.text).network))


@method("prefixLength", INT, CIDR)
def _prefix_length(network: Any) -> int:
    return ipaddress.ip_interface(network.text).network.prefixlen


# ------------------------------------------------------------------------------------------------------------- URLs


def _parse_url(text: str) -> SplitResult | None:
    """An absolute URL, or an absolute path."""
    try:
        found = urlsplit(text)
        _ = found.port
    except ValueError:
        return None
    broken = any(char <= " " or char == "\x7f" for char in text) or re.search(r"%(?![0-9A-Fa-f]{2})", found.path)
    absolute = bool(found.scheme) or text.startswith("/")
    return found if absolute and not broken else None


@function("isURL", BOOL, STRING)
def _is_url(text: str) -> bool:
    return _parse_url(text) is not None


@function("url", URL, STRING)
def _url(text: str) -> Any:
    if _parse_url(text) is None:
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return _value("kubernetes.URL", text)


@method("getScheme", STRING, URL)
def _scheme(value: Any) -> str:
    return urlsplit(value.text).scheme


@method("getHost", STRING, URL)
def _host(value: Any) -> str:
    return urlsplit(value.text).netloc.rpartition("@")[2]


@method("getHostname", STRING, URL)
def _hostname(value: Any) -> str:
    host = _host(value)
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


@method("getPort", STRING, URL)
def _port(value: Any) -> str:
    return _host(value).rpartition("]")[2].partition(":")[2]


@method("getEscapedPath", STRING, URL)
def _path(value: Any) -> str:
    return urlsplit(value.text).path


@method("getQuery", cel.Type.Map(STRING, cel.Type.List(STRING)), URL)
def _query(value: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(value.text).query, keep_blank_values=True)


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
    "uri": lambda text: [] if _is_url(text) else ["must be a valid URI"],
    "uuid": _matching(_UUID),
    "byte": _matching(_BYTE),
    "date": _matching(_DATE),
    "datetime": _matching(_DATE + r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"),
}
for _name in FORMATS:
    function(f"format.{_name}", FORMAT)(partial(_value, "kubernetes.NamedFormat", _name))


@function("format.named", cel.Type.List(FORMAT), STRING)
def _named(name: str) -> list[Any]:
    """None or one; `cel_rules` makes an optional of it."""
    return [_value("kubernetes.NamedFormat", name)] if name in FORMATS else []


@method("validate", cel.Type.List(cel.Type.List(STRING)), FORMAT, STRING)
def _validate(form: Any, text: str) -> list[list[str]]:
    """Nothing or one list of complaints; `cel_rules` makes an optional of it."""
    complaints = FORMATS[form.text](text)
    return [complaints] if complaints else []
