"""The objects in files, folders and standard input, each with the place of every field."""

import codecs
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kaito.cli import positions
from kaito.cli.errors import NOT_FOUND, USAGE, CliError
from kaito.cli.positions import Node, TextError

ENDINGS: Final = (".yaml", ".yml", ".json")
MAX_BYTES: Final = 32 << 20
STDIN: Final = "-"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Fault:
    """Why a file, or a document of it, cannot be read. ``missing``: there is no such file."""

    file: str
    line: int
    column: int
    message: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True)
class Manifest:
    """One object of a file."""

    file: str
    node: Node

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = self.node.value
        return found

    @property
    def where(self) -> str:
        return f"{self.file}:{self.node.line}"

    def place(self, path: str) -> tuple[int, int]:
        """Line and column of a field, or of the deepest part of its path that is there."""
        return positions.place(self.node, path)


@dataclass(frozen=True)
class Source:
    """What one file holds, as far as it can be read."""

    file: str
    manifests: Sequence[Manifest] = ()
    faults: Sequence[Fault] = ()


def read(files: Iterable[Path], *, recursive: bool = False) -> list[Source]:
    """Every file once, in order; of a folder the .yaml, .yml and .json files, with ``recursive`` below it too."""
    paths = [path for given in files for path in _expanded(given, recursive=recursive)]
    return [_source(path) for path in dict.fromkeys(paths)]


def read_manifests(files: Iterable[Path], *, recursive: bool = False) -> list[Manifest]:
    """Every object of the given files. Raises CliError, which names file and line, when one cannot be read."""
    sources = read(files, recursive=recursive)
    for fault in (fault for source in sources for fault in source.faults):
        raise CliError(str(fault), NOT_FOUND if fault.missing else USAGE)
    found = [one for source in sources for one in source.manifests]
    for one in found:
        if not one.value.get("apiVersion") or not one.value.get("kind"):
            raise CliError(f"{one.where}: every document needs apiVersion and kind")
    if not found:
        raise CliError("no object found in the given files")
    return found


def parse(text: str, file: str) -> Source:
    """The objects of a text, lists taken apart."""
    try:
        roots = positions.documents(text)
    except TextError as exc:
        return Source(file, (), [Fault(file, exc.line, exc.column, str(exc))])
    manifests, faults = [], []
    for node in (one for root in roots for one in _items(root)):
        if isinstance(node.value, dict):
            manifests.append(Manifest(file, node))
        else:
            what = "a list" if isinstance(node.value, list) else f"{str(node.value)[:40]!r}"
            message = f"{what} is no object: every document needs apiVersion and kind"
            faults.append(Fault(file, node.line, node.column, message))
    return Source(file, manifests, faults)


def _items(root: Node) -> Iterator[Node]:
    """The objects of a List, at any depth; else the object itself."""
    items = root.children.get("items") if isinstance(root.value, dict) else None
    kind = root.value.get("kind") if isinstance(root.value, dict) else None
    listed = isinstance(kind, str) and kind.endswith("List") and items is not None
    if not listed or items is None or not isinstance(items.node.value, list | None):
        yield root
        return
    for child in items.node.children.values():
        yield from _items(child.node)


def _expanded(given: Path, *, recursive: bool) -> Iterator[Path]:
    if str(given) == STDIN or not given.is_dir():
        yield given
        return
    for folder, folders, names in os.walk(given):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith(ENDINGS))
        if not recursive:
            return


def _source(path: Path) -> Source:
    file = str(path)
    try:
        if str(path) == STDIN:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        message = f"cannot be read: {exc.strerror}"
        return Source(file, (), [Fault(file, 0, 0, message, missing=isinstance(exc, FileNotFoundError))])
    try:
        return parse(text_of(data), file)
    except TextError as exc:
        return Source(file, (), [Fault(file, exc.line, exc.column, str(exc))])


def text_of(data: bytes) -> str:
    """UTF-8, or UTF-16 with its mark, as some editors on Windows write. Raises TextError."""
    if len(data) > MAX_BYTES:
        raise TextError(f"is larger than {MAX_BYTES >> 20} MiB: split it", 0, 0)
    mark, encoding = next(((mark, name) for mark, name in _BOMS if data.startswith(mark)), (b"", "utf-8"))
    data = data.removeprefix(mark)
    if encoding == "utf-8" and b"\0" in data:
        raise TextError("is binary, not a manifest: give a YAML or JSON file", 0, 0)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1 if encoding == "utf-8" else 1
        message = f"is not text in {encoding.upper()}: byte 0x{data[exc.start]:02x} is none; save it as UTF-8"
        raise TextError(message, line) from exc
