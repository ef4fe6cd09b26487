"""What API servers see to in objects of every kind, and no type or schema of ours says: metadata, and how deep it goes.

A manifest that comes from a file has met no API server yet.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kaito.api.errors import SpecError

MAX_DEPTH: Final = 100
"""Objects and lists within each other; a pod has about a dozen."""
_TEXTS: Final = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
_MAPS: Final = ("labels", "annotations")
_WORD: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)


def shape_errors(obj: Mapping[str, Any]) -> Iterator[SpecError]:
    """What is wrong with an object before any of its fields is looked at."""
    if (field := _too_deep(obj)) is not None:
        yield SpecError(field, None, f"is nested more than {MAX_DEPTH} levels deep: write it flatter")
    yield from metadata_errors(obj)


def metadata_errors(obj: Mapping[str, Any]) -> Iterator[SpecError]:
    """What is wrong with an object's metadata."""
    metadata = obj.get("metadata")
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        yield SpecError("metadata", metadata, "is no map: write name and namespace below it")
        return
    for key in _TEXTS:
        if metadata.get(key) is not None and not isinstance(metadata[key], str):
            yield SpecError(f"metadata.{key}", metadata[key], "must be text: put it in quotes")
    for key in _MAPS:
        given = metadata.get(key)
        if given is not None and not isinstance(given, dict):
            yield SpecError(f"metadata.{key}", given, "must be a map of texts")
        for name, value in given.items() if isinstance(given, dict) else ():
            if not isinstance(name, str) or not isinstance(value, str):
                yield SpecError(f'metadata.{key}["{name}"]', value, "must be text: put it in quotes")


def _too_deep(obj: Mapping[str, Any]) -> str | None:
    """The field at the top that is nested too deeply; found without recursion, which has a limit of its own."""
    for field, value in obj.items():
        level = [value]
        for _ in range(MAX_DEPTH):
            inside = (one for one in level if isinstance(one, dict | list))
            level = [child for one in inside for child in (one.values() if isinstance(one, dict) else one)]
            if not level:
                break
        else:
            return field if _WORD.fullmatch(field) else f'["{field}"]'
    return None
