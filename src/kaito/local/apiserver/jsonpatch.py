"""RFC 6902: JSON Patch, with the words and the few liberties of the Kubernetes API server.

Liberties that clients count on: `replace` may set an object member that was not there, `test` with null passes for a
missing member, a missing `value` is null, and a negative index counts from the end. Only `replace` and `test` may name
the whole document.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all `copy` operations of one patch may add together: without it, copies of copies grow without bound."""

_INDEX = re.compile(r"-?\d{1,9}")
_MISSING: Any = object()


class PatchError(Exception):
    """The patch cannot be decoded (400), is too large (413) or does not fit the document (422)."""

    def __init__(self, message: str, *, code: int = 422, reason: str = "Invalid") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason


def apply(doc: Any, ops: Any) -> Any:
    """``doc`` after ``ops``, in order. Neither is changed, and the result shares nothing with them.

    Raises PatchError when one operation fails; there is no half-applied patch.
    """
    check(ops)
    root = [_clone(doc)]
    room = MAX_COPIED_BYTES
    for op in ops:
        if op["op"] == "copy":
            room = _copy(root, op, room)
        else:
            _OPERATIONS[op["op"]](root, op)
    return root[0]


def check(ops: Any) -> None:
    """Raises PatchError when ``ops``, as decoded from JSON, is no patch at all."""
    if not isinstance(ops, list):
        word = {dict: "object", str: "string", bool: "bool", type(None): "null"}.get(type(ops), "number")
        raise _undecodable(f"json: cannot unmarshal {word} into Go value of type []handlers.jsonPatchOp")
    if len(ops) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}"
        raise _too_large(text)
    for number, op in enumerate(ops):
        if not isinstance(op, dict):
            raise _undecodable(f"operation {number} must be an object, not {_kind(op)}")
        for field in ("op", "path", "from"):
            if field in op and not isinstance(op[field], str):
                raise _undecodable(f"operation {number}: {field} must be a string, not {_kind(op[field])}")
        name = op.get("op", "unknown")
        if name not in _OPERATIONS and name != "copy":
            raise PatchError(f"Unexpected kind: {name}")
        if "path" not in op:
            raise PatchError(f"{name} operation failed to decode path: operation missing path field: missing value")
        if name in ("move", "copy") and "from" not in op:
            raise PatchError(f"{name} operation failed to decode from: operation missing from field: missing value")


def _add(root: list[Any], op: dict[str, Any]) -> None:
    path = op["path"]
    place, key = _find(root, path)
    if place is None:
        raise PatchError(f'add operation does not apply: doc is missing path: "{path}": missing value')
    _insert(place, key, _clone(op.get("value")), f"error in add for path: '{path}'")


def _remove(root: list[Any], op: dict[str, Any]) -> None:
    path = op["path"]
    place, key = _find(root, path)
    if place is None:
        raise PatchError(f'remove operation does not apply: doc is missing path: "{path}": missing value')
    _take(place, key, f"error in remove for path: '{path}'")


def _replace(root: list[Any], op: dict[str, Any]) -> None:
    path, value = op["path"], _clone(op.get("value"))
    if path == "":
        if not isinstance(value, dict | list):
            raise PatchError(f"replace operation value must be object or array, not {_kind(value)}")
        root[0] = value
        return
    place, key = _find(root, path)
    if place is None:
        raise PatchError(f"replace operation does not apply: doc is missing path: {path}: missing value")
    if isinstance(place, dict):
        place[key] = value
        return
    try:
        place[_index(key, len(place))] = value
    except PatchError:
        text = f"replace operation does not apply: doc is missing key: {path}: missing value"
        raise PatchError(text) from None


def _test(root: list[Any], op: dict[str, Any]) -> None:
    path, wanted = op["path"], op.get("value")
    if path == "":
        found = root[0]
    else:
        place, key = _find(root, path)
        if place is None:
            raise PatchError(f"test operation does not apply: is missing path: {path}: missing value")
        found = _get(place, key, f"error in test for path: '{path}'")
    if not _same(None if found is _MISSING else found, wanted):
        raise PatchError(f"testing value {path} failed: test failed")


def _move(root: list[Any], op: dict[str, Any]) -> None:
    source, path = op["from"], op["path"]
    place, key = _find(root, source)
    if place is None:
        raise PatchError(f"move operation does not apply: doc is missing from path: {source}: missing value")
    value = _take(place, key, f"error in move for path: '{key}'")
    place, key = _find(root, path)
    if place is None:
        raise PatchError(f"move operation does not apply: doc is missing destination path: {path}: missing value")
    _insert(place, key, value, f"error in move for path: '{path}'")


def _copy(root: list[Any], op: dict[str, Any], room: int) -> int:
    """Returns how many more bytes may be copied."""
    source, path = op["from"], op["path"]
    place, key = _find(root, source)
    if place is None:
        raise PatchError(f"copy operation does not apply: doc is missing from path: {source}: missing value")
    value = _get(place, key, f"error in copy for from: '{source}'")
    if value is _MISSING:
        raise PatchError(f"error in copy for from: '{source}': missing value")
    place, key = _find(root, path)
    if place is None:
        raise PatchError(f"copy operation does not apply: doc is missing destination path: {path}: missing value")
    room -= len(orjson.dumps(value))
    if room < 0:
        size = MAX_COPIED_BYTES - room
        text = f"Unable to complete the copy, the accumulated size increase of copy is {size}"
        raise _too_large(f"{text}, exceeding the limit {MAX_COPIED_BYTES}")
    _insert(place, key, _clone(value), "error while adding value during copy")
    return room


_OPERATIONS = {"add": _add, "remove": _remove, "replace": _replace, "test": _test, "move": _move}


def _find(root: list[Any], path: str) -> tuple[dict[str, Any] | list[Any] | None, str]:
    """The container that a pointer's last step is taken in, and that step; None when the way there is missing."""
    if not path.startswith("/"):
        return None, ""
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    place = root[0]
    for key in way:
        try:
            place = place[_index(key, len(place))] if isinstance(place, list) else place[key]
        except (PatchError, KeyError, TypeError):
            return None, ""
    return (place, last) if isinstance(place, dict | list) else (None, "")


def _get(place: dict[str, Any] | list[Any], key: str, context: str) -> Any:
    """The value at ``key``; ``_MISSING`` for a member that an object lacks."""
    if isinstance(place, dict):
        return place.get(key, _MISSING)
    return place[_index(key, len(place), context)]


def _take(place: dict[str, Any] | list[Any], key: str, context: str) -> Any:
    if isinstance(place, list):
        return place.pop(_index(key, len(place), context))
    if key not in place:
        raise PatchError(f"{context}: Unable to remove nonexistent key: {key}: missing value")
    return place.pop(key)


def _insert(place: dict[str, Any] | list[Any], key: str, value: Any, context: str) -> None:
    if isinstance(place, dict):
        place[key] = value
    elif key == "-":
        place.append(value)
    else:
        # One more place than there are elements: behind the last.
        place.insert(_index(key, len(place) + 1, context), value)


def _index(key: str, length: int, context: str = "") -> int:
    """``key`` as an index from 0; ``length`` bounds it on both sides."""
    if not _INDEX.fullmatch(key):
        raise PatchError(f'{context}: value was not a proper array index: "{key}"')
    number = int(key)
    if not -length <= number < length:
        raise PatchError(f"{context}: Unable to access invalid index: {number}: invalid index referenced")
    return number % length


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON: 1 is 1.0 but never true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clone(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_clone(member) for member in value]
    return value


def _undecodable(text: str) -> PatchError:
    return PatchError(f"error decoding patch: {text}", code=400, reason="BadRequest")


def _too_large(text: str) -> PatchError:
    return PatchError(f"Request entity too large: {text}", code=413, reason="RequestEntityTooLarge")


def _kind(value: Any) -> str:
    names: Sequence[tuple[type, str]] = (
        (bool, "a boolean"),
        (str, "a string"),
        (dict, "an object"),
        (list, "an array"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null" if value is None else "a number")
