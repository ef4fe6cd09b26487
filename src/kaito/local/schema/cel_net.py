"""Kubernetes' functions for CEL rules about addresses, networks and URLs."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cel_expr_python import cel

from kaito.local.schema.cel_library import BOOL, CIDR, INT, IP, STRING, URL, function, functions, method, new_value
from kaito.local.schema.urls import escaped_path, parse_url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface


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
    return new_value("net.IP", str(found))


@method("ip", IP, CIDR)
def _ip_of(network: Any) -> Any:
    return new_value("net.IP", str(ipaddress.ip_interface(network.text).ip))


@function("cidr", CIDR, STRING)
def _cidr(text: str) -> Any:
    found = _parse_cidr(text)
    if found is None:
        raise ValueError(f'network address parse error during conversion from string: invalid CIDR "{text}"')
    return new_value("net.CIDR", str(found))


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
    return new_value("net.CIDR", str(ipaddress.ip_interface(network.text).network))


@method("prefixLength", INT, CIDR)
def _prefix_length(network: Any) -> int:
    return ipaddress.ip_interface(network.text).network.prefixlen


# ------------------------------------------------------------------------------------------------------------- URLs


@function("isURL", BOOL, STRING)
def _is_url(text: str) -> bool:
    return parse_url(text) is not None


@function("url", URL, STRING)
def _url(text: str) -> Any:
    if parse_url(text) is None:
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return new_value("kubernetes.URL", text)


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
    return escaped_path(value.text)


@method("getQuery", cel.Type.Map(STRING, cel.Type.List(STRING)), URL)
def _query(value: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(value.text).query, keep_blank_values=True)


def all_functions() -> list[cel.FunctionDecl]:
    """What rules may call beside the language: these functions and those of `cel_library`."""
    return functions()
