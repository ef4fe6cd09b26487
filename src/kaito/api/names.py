"""Names as Kubernetes and the model hub allow them."""

import re
from typing import Final

DEPRECATED_PRESETS: Final = {"phi-2": "phi-4-mini-instruct"}
"""Presets that KAITO v0.12 still lists and serves no longer, with what takes their place."""
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PART: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"{_PART}(\.{_PART})*")
_MAX_SUBDOMAIN: Final = 253
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SERVICE: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_BARE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def is_label(name: str) -> bool:
    """A DNS-1123 label: at most 63 lower-case letters, digits and '-'."""
    return _LABEL.fullmatch(name) is not None


def is_subdomain(name: str) -> bool:
    """A DNS-1123 subdomain: labels joined by dots, at most 253 characters."""
    return len(name) <= _MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(name) is not None


def is_service_name(name: str) -> bool:
    """A DNS-1035 label, as Services have to be named: a DNS-1123 label that begins with a letter."""
    return _SERVICE.fullmatch(name) is not None


def label_problem(key: str, value: str) -> str | None:
    """Why no object may have the label, or None."""
    prefix, slash, name = key.rpartition("/")
    if (slash and not is_subdomain(prefix)) or not _QUALIFIED.fullmatch(name):
        return "is no label: its key is at most 63 letters, digits, '-', '_' and '.', after an optional domain and '/'"
    if value and not _QUALIFIED.fullmatch(value):
        return "is no label's value: use at most 63 letters, digits, '-', '_' and '.'"
    return None


def is_hub_id(name: str) -> bool:
    """Whether ``name`` can be a Hugging Face id, org/model."""
    return _HUB_ID.fullmatch(name) is not None


def preset_name_problem(name: str) -> str | None:
    """Why ``name`` can be neither a catalogue name, a Hugging Face id nor a folder; None when it may be one.

    A folder is named by its absolute path on the node, which a local cluster shares with its user.
    """
    instead = DEPRECATED_PRESETS.get(name.lower())
    if instead is not None:
        return f"is deprecated and no longer served: use {instead}"
    if name.startswith("/"):
        plain = "//" not in name and ".." not in name.split("/") and len(name) > 1
        return None if plain else "is not a plain path: write the folder's absolute path without .. and //"
    if "/" not in name:
        return None if _BARE.fullmatch(name) else "is not a model name: use a catalogue name or org/model"
    return None if is_hub_id(name) else "is not a Hugging Face id: write it as org/model"
