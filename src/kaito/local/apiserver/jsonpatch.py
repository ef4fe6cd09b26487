"""JSON patches (RFC 6902), with the messages of the library that a Kubernetes API server uses."""

import copy
from typing import Any

LIMIT = 10_000


class PatchError(ValueError):
    """The patch does not apply; the text says which operation and why."""


class InvalidPatch(PatchError):
    """The patch is not a JSON patch at all."""


def apply(doc: Any, operations: Any) -> Any:
    """The document after the operations; the argument is not changed. Raises PatchError, InvalidPatch."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise InvalidPatch("json: cannot unmarshal the patch into a list of operations")
    if len(operations) > LIMIT:
        raise PatchError(f"The allowed maximum operations in a JSON patch is {LIMIT}, got {len(operations)}")
    result = copy.deepcopy(doc)
    for operation in operations:
        result = _one(result, operation)
    return result


def _one(doc: Any, operation: dict[str, Any]) -> Any:
    op, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str):
        raise InvalidPatch("a JSON patch operation needs a path")
    if op == "add":
        return _add(doc, path, copy.deepcopy(operation.get("value")), "add")
    if op == "remove":
        return _remove(doc, path, "remove")[0]
    if op == "replace":
        if not path:
            return copy.deepcopy(operation.get("value"))
        parent, key = _parent(doc, path, "replace")
        if isinstance(parent, list):
            _find(doc, path, "replace")
        parent[key if isinstance(parent, dict) else int(key)] = copy.deepcopy(operation.get("value"))
        return doc
    if op == "test":
        return _test(doc, path, operation.get("value"))
    source = operation.get("from")
    if op in ("move", "copy") and isinstance(source, str):
        if op == "copy":
            return _add(doc, path, copy.deepcopy(_find(doc, source, "copy")), "copy")
        doc, value = _remove(doc, source, "move")
        return _add(doc, path, value, "move")
    raise InvalidPatch(f"Unexpected kind: {op}")


def _keys(path: str) -> list[str]:
    if not path:
        return []
    if not path.startswith("/"):
        raise PatchError(f'jsonpatch: the path "{path}" must begin with "/"')
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _missing(op: str, path: str) -> PatchError:
    where = f'doc is missing path: "{path}": missing value' if op == "add" else f"doc is missing key: {path}"
    return PatchError(f"{op} operation does not apply: {where}")


def _step(value: Any, key: str) -> Any:
    """The child of a value. Raises KeyError when there is none."""
    if isinstance(value, dict):
        return value[key]
    if isinstance(value, list) and key.lstrip("-").isdigit() and -len(value) <= int(key) < len(value):
        return value[int(key)]
    raise KeyError(key)


def _find(doc: Any, path: str, op: str) -> Any:
    value = doc
    for key in _keys(path):
        try:
            value = _step(value, key)
        except KeyError:
            raise _missing(op, path) from None
    return value


def _parent(doc: Any, path: str, op: str) -> tuple[Any, str]:
    keys = _keys(path)
    value = doc
    for key in keys[:-1]:
        try:
            value = _step(value, key)
        except KeyError:
            raise _missing(op, path) from None
    if not isinstance(value, dict | list):
        raise _missing(op, path)
    return value, keys[-1]


def _add(doc: Any, path: str, value: Any, op: str) -> Any:
    if not path:
        return value
    parent, key = _parent(doc, path, op)
    if isinstance(parent, dict):
        parent[key] = value
        return doc
    if key == "-":
        parent.append(value)
        return doc
    if not key.lstrip("-").isdigit():
        raise PatchError(f'{op} operation does not apply: doc is missing path: "{path}": missing value')
    index = int(key)
    if index > len(parent) or index < -len(parent):
        raise PatchError(f"{op} operation does not apply: doc is missing path: \"{path}\": "
                         f"Unable to access invalid index: {index}: invalid index referenced")  # fmt: skip
    parent.insert(index if index >= 0 else len(parent) + index + 1, value)
    return doc


def _remove(doc: Any, path: str, op: str) -> tuple[Any, Any]:
    value = _find_for_removal(doc, path, op)
    parent, key = _parent(doc, path, op)
    del parent[key if isinstance(parent, dict) else int(key)]
    return doc, value


def _find_for_removal(doc: Any, path: str, op: str) -> Any:
    try:
        return _find(doc, path, op)
    except PatchError:
        if op != "remove":
            raise
        last = _keys(path)[-1] if path else ""
        raise PatchError(f"remove operation does not apply: doc is missing path: \"{path}\": "
                         f"Unable to remove nonexistent key: {last}: missing value") from None  # fmt: skip


def _test(doc: Any, path: str, wanted: Any) -> Any:
    try:
        value = _find(doc, path, "test")
    except PatchError:
        if wanted is None:
            return doc
        raise PatchError(f"testing path {path} failed: missing value") from None
    if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
        raise PatchError(f"testing value {path} failed: test failed")
    return doc
