"""YAML and JSON text into plain values that know their lines, within bounds, as kubectl reads them.

Keys are text and appear once, dates stay text, aliases and merge keys are followed as far as a manifest may need.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from kaito.cli.scalars import Scalars

MAX_DEPTH: Final = 100
MAX_ALIASED: Final = 100_000
"""Values that the aliases of one document may stand for."""
MERGE: Final = "<<"
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STARTS: Final = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS: Final = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
_SURROGATES: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HINTS: Final = (
    ("mapping values are not allowed", "check the indentation, and put values with a colon in quotes"),
    ("could not find expected ':'", "a key without a colon, or an indentation that differs"),
    ("did not find expected key", "an indentation that differs from the lines above, or a quote too many"),
    ("did not find expected '-' indicator", "an indentation that differs from the items above"),
    ("did not find expected ',' or", "a comma or a closing bracket is missing"),
    ("found unexpected end of stream", "a closing quote is missing"),
)
_TEMPLATE: Final = "this is a template: render it first, as with `helm template`"


class TextError(ValueError):
    """Text that cannot be read: ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line, self.column = line, column


@dataclass(slots=True)
class Node:
    """A value and where it begins, from 1. ``children`` are those of a map by key, or of a list by number.

    ``size`` counts the values below it and itself, with those behind aliases. ``literal``: a scalar after ``|``, whose
    text begins on the next line. ``ended`` is false as long as it is being read.
    """

    value: Any
    line: int
    column: int
    children: "dict[Any, Child]" = field(default_factory=dict)
    size: int = 1
    depth: int = 0
    literal: bool = False
    ended: bool = True


@dataclass(slots=True)
class Child:
    """A value of a map or list, and where its key or item is."""

    node: Node
    line: int
    column: int


def documents(text: str) -> list[Node]:
    """The documents that are not empty. Raises TextError."""
    if (bad := _FORBIDDEN.search(text)) is not None:
        line, column = _place_at(text, bad.start())
        raise TextError(f"holds the character U+{ord(bad[0]):04X}, which no YAML may: remove it", line, column)
    if text.lstrip()[:1] in ("{", "["):
        # JSON may be indented with tabs, YAML may not; inside JSON's strings there is none.
        text = text.replace("\t", " ")
    loader = yaml.SafeLoader if _SURROGATES.search(text) else _LOADER
    try:
        return [node for node in _Reader().read(yaml.parse(text, Loader=loader)) if node.value is not None]
    except TextError as exc:
        if "{{" in _line(text, exc.line - 1):
            raise TextError(f"is not valid YAML: {_TEMPLATE}", exc.line, exc.column) from exc
        raise
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise _explained(exc, text, mark.line if mark else 0, mark.column if mark else 0) from exc
    except (yaml.YAMLError, RecursionError) as exc:
        raise TextError(f"is not valid YAML: {' '.join(str(exc).split())}") from exc


def place(root: Node, path: str) -> tuple[int, int]:
    """Line and column of the field at ``path``, or of the deepest part of it that is there."""
    here, _, _ = follow(root, path)
    return here


def follow(root: Node, path: str) -> tuple[tuple[int, int], Node, str]:
    """(line and column, value, rest) of the deepest part of ``path`` that is there, and what of it is not.

    Keys may hold dots; they are written ``a.key``, ``a[key]`` or ``a["key"]``.
    """
    here, node, rest = (root.line, root.column), root, path
    while rest and (step := _step(node, rest)) is not None:
        child, rest = step
        here, node = (child.line, child.column), child.node
    return here, node, rest


def _step(node: Node, path: str) -> tuple[Child, str] | None:
    if isinstance(node.value, list):
        found = re.match(r"\[(\d+)\]", path)
        child = node.children.get(int(found[1])) if found else None
        return (child, path[found.end() :].removeprefix(".")) if found and child else None
    for key in sorted((one for one in node.children if path[:1] == "[" or path.startswith(one)), key=len, reverse=True):
        for form in (f'["{key}"]', f"[{key}]", key):
            rest = path[len(form) :]
            if form and path.startswith(form) and rest[:1] in ("", ".", "[", ":"):
                return node.children[key], rest.removeprefix(".")
    return None


@dataclass(slots=True)
class _Open:
    """A map or list that is being read, with the key that waits for its value."""

    node: Node
    key: Node | None = None


class _Reader:
    """From the parser's events to nodes, without recursion."""

    def __init__(self) -> None:
        self._scalars = Scalars()

    def read(self, events: Iterator[Any]) -> Iterator[Node]:
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                node = self._scalar(event)
                self._remember(event.anchor, node)
                self._add(node, node.line, node.column)
            elif kind in _STARTS:
                self._begin(event)
            elif kind in _ENDS:
                self._end()
            elif kind is yaml.AliasEvent:
                line, column = _of(event)
                self._add(self._alias(event.anchor, line, column), line, column)
            elif kind is yaml.DocumentStartEvent:
                self._open: list[_Open] = []
                self._anchors: dict[str, Node] = {}
                self._aliased = 0
                self._root: Node | None = None
            elif kind is yaml.DocumentEndEvent and self._root is not None:
                yield self._root

    def _begin(self, event: Any) -> None:
        line, column = _of(event)
        if len(self._open) >= MAX_DEPTH:
            raise TextError(f"is nested more than {MAX_DEPTH} levels deep: no manifest needs that", line, column)
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise TextError(f"has the tag {event.tag}, which no manifest may: remove it", line, column)
        node = Node({} if isinstance(event, yaml.MappingStartEvent) else [], line, column, ended=False)
        self._remember(event.anchor, node)
        self._open.append(_Open(node))

    def _end(self) -> None:
        node = self._open.pop().node
        _merge(node)
        node.ended = True
        self._add(node, node.line, node.column)

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _alias(self, anchor: str, line: int, column: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise TextError(f"*{anchor} has no anchor &{anchor} above it: write the value", line, column)
        if not node.ended:
            raise TextError(
                f"*{anchor} stands inside &{anchor}, which would have no end: write the value", line, column
            )
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            raise TextError(f"aliases stand for more than {MAX_ALIASED:,} values: write fewer", line, column)
        if len(self._open) + node.depth > MAX_DEPTH:
            raise TextError(f"aliases nest values more than {MAX_DEPTH} levels deep: write fewer", line, column)
        return node

    def _scalar(self, event: Any) -> Node:
        line, column = _of(event)
        try:
            value = self._scalars.value(event)
        except ValueError as exc:
            raise TextError(str(exc), line, column) from exc
        return Node(value, line, column, literal=event.style == "|")

    def _add(self, node: Node, line: int, column: int) -> None:
        if not self._open:
            self._root = node
            return
        top = self._open[-1]
        parent = top.node
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if isinstance(parent.value, list):
            parent.children[len(parent.value)] = Child(node, line, column)
            parent.value.append(node.value)
        elif top.key is None:
            if node.children or isinstance(node.value, dict | list):
                raise TextError("a key is a map or list: write text", line, column)
            # An alias as a key stands where it is written.
            top.key = Node(_key(node.value), line, column)
        else:
            key, top.key = top.key, None
            if (first := parent.children.get(key.value)) is not None:
                other = len(self._open) == 1 and key.value in ("apiVersion", "kind")
                fix = "begin another object with a line of ---" if other else "remove one of them"
                message = f"key {key.value!r} is there twice, first in line {first.line}: {fix}"
                raise TextError(message, key.line, key.column)
            parent.children[key.value] = Child(node, key.line, key.column)
            parent.value[key.value] = node.value


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _merge(node: Node) -> None:
    """Take in what the merge key names; the map's own keys win, and of several maps the first."""
    if not isinstance(node.value, dict) or MERGE not in node.children:
        return
    child = node.children.pop(MERGE)
    del node.value[MERGE]
    source = child.node
    maps = [source] if isinstance(source.value, dict) else [one.node for one in source.children.values()]
    if not maps or not all(isinstance(one.value, dict) for one in maps):
        raise TextError("<<: merges maps only: write an alias of a map, or a list of them", child.line, child.column)
    for one in maps:
        for key, inner in one.children.items():
            if key not in node.children:
                node.children[key] = inner
                node.value[key] = inner.node.value


def _of(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place_at(text: str, offset: int) -> tuple[int, int]:
    start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - start + 1


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number] if number < len(lines) else ""


def _explained(exc: yaml.MarkedYAMLError, text: str, line: int, column: int) -> TextError:
    """The parser's words, with what is most often behind them."""
    written = _line(text, line)
    problem = exc.problem or "it cannot be read"
    hint = next((hint for words, hint in _HINTS if words in problem), "")
    if "cannot start any token" in problem and "\t" in written[: column + 1]:
        problem, hint = "a tab", "indent with spaces"
    elif "{{" in written:
        problem, hint = _TEMPLATE, ""
    return TextError(f"is not valid YAML: {problem}{f': {hint}' if hint else ''}", line + 1, column + 1)
