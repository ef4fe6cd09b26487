"""The JSONPath that printer columns and scale paths use: fields, quoted fields, indexes, `[*]`, and `[?(@.a=="b")]`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r"""\.?\[\?\(@\.(?P<left>[^=!<> ]+)\s*(?P<op>==|!=)\s*(?P<quote>["']?)(?P<right>.*?)(?P=quote)\s*\)\]"""
    r"""|\[(?P<star>\*)\]|\[(?P<index>-?\d+)\]|\[['"](?P<quoted>[^'"]+)['"]\]|\.(?P<field>(?:\\.|[^.\[\]\\])+)|(?P<root>\$)"""
)


@lru_cache(maxsize=1024)
def _parse(path: str) -> tuple[tuple[str, Any], ...]:
    text = path.strip().removeprefix("{").removesuffix("}")
    if text[:1] not in (".", "[", "$"):
        text = f".{text}"
    steps: list[tuple[str, Any]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise ValueError(
                f'JSONPath {path!r}: cannot read {text[position:]!r}: use .field, [index] or [?(@.a=="b")]'
            )
        position = match.end()
        if match["left"]:
            steps.append(("filter", (match["left"], match["op"], match["right"])))
        elif match["star"]:
            steps.append(("all", None))
        elif match["index"]:
            steps.append(("index", int(match["index"])))
        elif match["quoted"] or match["field"]:
            name = match["quoted"] or re.sub(r"\\(.)", r"\1", match["field"])
            steps.append(("all", None) if name == "*" else ("field", name))
    return tuple(steps)


def find(path: str, value: Any) -> list[Any]:
    """Every value at the path; none when something on the way is absent."""
    values = [value]
    for step, argument in _parse(path):
        found: list[Any] = []
        for item in values:
            found += _step(step, argument, item)
        values = found
    return values


def first(path: str, value: Any) -> Any:
    values = find(path, value)
    return values[0] if values else None


def _step(step: str, argument: Any, value: Any) -> list[Any]:
    if step == "field":
        return [value[argument]] if isinstance(value, dict) and argument in value else []
    if step == "all":
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if not isinstance(value, list):
        return []
    if step == "index":
        return [value[argument]] if -len(value) <= argument < len(value) else []
    left, operator, right = argument
    return [item for item in value if (_text(first(f".{left}", item)) == right) == (operator == "==")]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
