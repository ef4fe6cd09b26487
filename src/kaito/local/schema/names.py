"""The rules for names, labels and keys, and the sentences Kubernetes says when one is broken."""

from __future__ import annotations

import re

_LABEL_RE = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_RE = rf"{_LABEL_RE}(\.{_LABEL_RE})*"
_DNS1035_RE = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED_RE = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE_RE = rf"({_QUALIFIED_RE})?"
_KEY_RE = r"[-._a-zA-Z0-9]+"

_LABEL, _SUBDOMAIN, _DNS1035 = re.compile(_LABEL_RE), re.compile(_SUBDOMAIN_RE), re.compile(_DNS1035_RE)
_QUALIFIED, _VALUE, _KEY = re.compile(_QUALIFIED_RE), re.compile(_VALUE_RE), re.compile(_KEY_RE)

_USED = "regex used for validation is"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', {_USED} '{_LABEL_RE}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', {_USED} '{_SUBDOMAIN_RE}')"
)
_DNS1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', {_USED} '{_DNS1035_RE}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', {_USED} '{_VALUE_RE}')"
)
_QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', {_USED} '{_QUALIFIED_RE}')"
)
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', {_USED} '{_KEY_RE}')"
)


def _check(value: str, pattern: re.Pattern[str], limit: int, text: str, unit: str = "bytes") -> list[str]:
    found = [] if len(value) <= limit else [f"must be no more than {limit} {unit}"]
    if not pattern.fullmatch(value):
        found.append(text)
    return found


def dns_label(value: str) -> list[str]:
    return _check(value, _LABEL, 63, _LABEL_TEXT)


def dns_subdomain(value: str) -> list[str]:
    return _check(value, _SUBDOMAIN, 253, _SUBDOMAIN_TEXT, "characters")


def dns_1035(value: str) -> list[str]:
    return _check(value, _DNS1035, 63, _DNS1035_TEXT)


def label_value(value: str) -> list[str]:
    return _check(value, _VALUE, 63, _VALUE_TEXT)


def config_key(value: str) -> list[str]:
    if value in (".", "..") or value.startswith(".."):
        return [f"must not be '{value}'" if value in (".", "..") else "must not start with '..'"]
    return _check(value, _KEY, 253, _KEY_TEXT)


def path_segment(value: str) -> list[str]:
    """Names of roles and bindings: anything that can be one part of a URL path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def qualified_name(value: str) -> list[str]:
    """A label or annotation key: `name` or `prefix/name`."""
    parts = value.split("/")
    if len(parts) > 2:
        return [
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    found = []
    if len(parts) == 2:
        if not parts[0]:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {text}" for text in dns_subdomain(parts[0])]
    name = parts[-1]
    if not name:
        return [*found, "name part must be non-empty"]
    if len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not _QUALIFIED.fullmatch(name):
        found.append(_QUALIFIED_TEXT)
    return found
