"""Sets of field paths: the `fieldsV1` of managedFields, read, written, computed and compared.

A path is a tuple of elements as they are written: `f:<name>`, `k:<json of keys>`, `v:<json of value>`.
"""

from __future__ import annotations

from typing import Any

import orjson

from kaito.local.schema.fields import Schema

Path = tuple[str, ...]
Paths = set[Path]

_STRIPPED: frozenset[Path] = frozenset({
    ("f:apiVersion",), ("f:kind",), ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in (
        "name", "namespace", "uid", "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink",
        "deletionTimestamp", "deletionGracePeriodSeconds",
    )),
})  # fmt: skip


def read(fields: dict[str, Any], prefix: Path = ()) -> Paths:
    """The members of a fieldsV1 document."""
    found: Paths = set()
    for key, inner in fields.items():
        if key == ".":
            found.add(prefix)
            continue
        path = (*prefix, key)
        if inner:
            found |= read(inner, path)
        else:
            found.add(path)
    return found


def write(paths: Paths) -> dict[str, Any]:
    """A fieldsV1 document with these members."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
    for path in paths:
        node = root
        for element in path:
            node = node[element]
        if node:
            inner = dict(node)
            node.clear()
            node["."] = {}
            node.update(inner)
    return root


def _dump(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def element_of(schema: Schema, item: Any) -> str:
    """The path element of one item of a list that merges: by value for a set, by keys for a map."""
    if schema.rule.is_set:
        return f"v:{_dump(item)}"
    keys: dict[str, Any] = {}
    for key in schema.rule.keys:
        if isinstance(item, dict) and key in item:
            keys[key] = item[key]
        else:
            default = _key_default(schema, key)
            if default is not None:
                keys[key] = default
    return f"k:{_dump(keys)}"


def _key_default(schema: Schema, key: str) -> Any:
    field = schema.items.child(key) if schema.items else None
    if field is not None and field.has_default:
        return field.default
    return "TCP" if key == "protocol" else None


def leaves(schema: Schema, value: Any) -> dict[Path, Any]:
    """Every member path of a value, with the value there (None for a list item that has members of its own)."""
    found: dict[Path, Any] = {}
    _walk(schema, value, (), found)
    for path in _STRIPPED:
        found.pop(path, None)
    return found


def _walk(schema: Schema, value: Any, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value and schema.merges_struct():
        for key, child in value.items():
            here = (*path, f"f:{key}")
            if here in _STRIPPED and here != ("f:metadata",):
                continue
            inner = schema.child(key)
            if inner is None or not isinstance(child, dict | list):
                found[here] = child
            else:
                _walk(inner, child, here, found)
    elif isinstance(value, list) and value and schema.merges_list() and schema.items is not None:
        for item in value:
            here = (*path, element_of(schema, item))
            if isinstance(item, dict):
                found[here] = None
                _walk(schema.items, item, here, found)
            else:
                found[here] = item
    elif path and not (value == [] and schema.merges_list()):
        # A list whose items are owned one by one has none to own.
        found[path] = value


# Structs that every object of their kind has, so that nobody is the one who brought them.
_ALWAYS = frozenset(
    f"f:{name}"
    for name in (
        "metadata",
        "spec",
        "status",
        "template",
        "resources",
        "strategy",
        "updateStrategy",
        "jobTemplate",
        "loadBalancer",
        "source",
        "involvedObject",
        "scaleTargetRef",
        "roleRef",
        "names",
        "containers",
        "rules",
        "endpoints",
        "versions",
        "managedFields",
    )
)


def containers(schema: Schema, value: Any) -> Paths:
    """The maps, lists and optional structs that an update brings along, which have an entry of their own."""
    found: Paths = set()
    # A custom kind has no struct that is always there.
    _boxes(schema, value, (), found, frozenset() if schema.raw else _ALWAYS)
    return found


def _boxes(schema: Schema, value: Any, path: Path, found: Paths, always: frozenset[str]) -> None:
    if isinstance(value, dict) and value and schema.merges_struct():
        children = [(f"f:{key}", schema.child(key), child) for key, child in value.items()]
    elif isinstance(value, list) and value and schema.merges_list() and schema.items is not None:
        children = [(element_of(schema, item), schema.items, item) for item in value]
    else:
        return
    if path and path not in _STRIPPED and path[-1] not in always:
        found.add(path)
    for element, inner, child in children:
        if inner is not None:
            _boxes(inner, child, (*path, element), found, always)


def show(path: Path) -> str:
    """`.spec.containers[name="x"].image`, as conflict messages write a path."""
    text = ""
    for element in path:
        kind, body = element[0], element[2:]
        if kind == "f":
            text += f".{body}"
        elif kind == "k":
            keys = ",".join(f"{key}={_dump(value)}" for key, value in sorted(orjson.loads(body).items()))
            text += f"[{keys}]"
        else:
            text += f"[={body}]"
    return text


def covers(paths: Paths, path: Path) -> bool:
    """True when a member is this path or lies below it."""
    if path in paths:
        return True
    size = len(path)
    return any(len(other) > size and other[:size] == path for other in paths)
