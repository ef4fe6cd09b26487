"""What one version says and another cannot, as a map from JSON pointers (RFC 6901) to values.

A pointer names the outermost thing that is missing, so that its parent is there in both versions. None says that there
was nothing, where the other version must say something.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

from kaito.api.base import Object
from kaito.api.shapes import part

Kept = dict[str, Any]
# A measured figure is kept whole: under which load it was measured says nothing of another figure.
_WHOLE = re.compile(r"/status/performance/metrics/[^/]+")


def difference(want: Object, got: Object) -> Kept:
    """What turns ``got`` into ``want``; metadata and apiVersion are no part of it."""
    return dict(_differences(_body(want), _body(got), ""))


def _body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "apiVersion")}


def _differences(want: Object, got: Object, at: str) -> Iterator[tuple[str, Any]]:
    for key in dict.fromkeys((*want, *got)):
        here = f"{at}/{_escaped(key)}"
        old, new = got.get(key), want.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and not _WHOLE.fullmatch(here):
            yield from _differences(new, old, here)
        elif new != old:
            yield here, copy.deepcopy(new)


def put_back(obj: Object, kept: Kept) -> None:
    """Restore in ``obj`` what is kept, as far as nobody changed what it belongs to since.

    A field whose parent is gone stays away, and so does one that got a value meanwhile. Of an object that is there
    again, missing fields are filled in, unless those that both know differ.
    """
    for pointer, value in kept.items():
        *path, key = (_unescaped(word) for word in pointer.split("/")[1:])
        parent = part(obj, tuple(path))
        if parent is None:
            continue
        if value is None:
            if not parent.get(key):
                parent.pop(key, None)
        else:
            _fill(parent, {key: value})


def _fill(target: Object, kept: Object) -> None:
    if any(not isinstance(value, dict) and target.get(key, value) != value for key, value in kept.items()):
        return
    for key, value in kept.items():
        if key not in target:
            target[key] = copy.deepcopy(value)
        elif isinstance(value, dict) and isinstance(target[key], dict):
            _fill(target[key], value)


def without_empty(value: Any) -> Any:
    """``value`` without objects that hold nothing, at every depth: clients write them, or not, as they like."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item != {}}


def field_path(pointer: str) -> str:
    """A pointer as error messages write paths."""
    return ".".join(_unescaped(word) for word in pointer.split("/")[1:])


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescaped(word: str) -> str:
    return word.replace("~1", "/").replace("~0", "~")
