"""Rules of a Workspace, said of the object that a Workspace is made from: in its fields, with its name."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kaito.api.errors import SpecError

Places = Mapping[str, str]
"""From a field of a Workspace to where its author writes it; the longest that matches counts."""
_MENTIONED: Final = re.compile(r"(?<![\w./])(?:spec|resource|inference)\.[A-Za-z]+(?:\.[A-Za-z]+)*")


def moved(errors: Iterable[SpecError], places: Places, kind: str) -> Iterator[SpecError]:
    """``errors`` with their fields, and those that their remedies mention, where ``kind`` has them."""
    for error in errors:
        yield SpecError(moved_field(error.field, places), error.value, _said(error.fix, places, kind))


def moved_lines(lines: Iterable[str], places: Places, kind: str) -> Iterator[str]:
    """The same for warnings, which begin with their field."""
    for line in lines:
        field, colon, rest = line.partition(": ")
        yield f"{moved_field(field, places)}{colon}{_said(rest, places, kind)}"


def moved_field(field: str, places: Places) -> str:
    """``field`` itself when it has no other place."""
    begins = [old for old in places if field == old or field.startswith((f"{old}.", f"{old}[", f"{old}:"))]
    if not begins:
        return field
    longest = max(begins, key=len)
    return places[longest] + field[len(longest) :]


def unsaid(errors: Iterable[SpecError], said: Iterable[SpecError]) -> Iterator[SpecError]:
    """``errors`` about other fields than those of ``said``."""
    seen = {error.field for error in said}
    for error in errors:
        if error.field not in seen:
            yield error


def _said(text: str, places: Places, kind: str) -> str:
    text = _MENTIONED.sub(lambda match: moved_field(match[0], places), text)
    return re.sub(r"\bWorkspace\b", kind, text)
