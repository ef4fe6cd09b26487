"""What is wrong with an object, said so that fixing the named field is enough."""

import reprlib
from collections.abc import Sequence
from typing import Any, Final

MAX_VALUE: Final = 120
MAX_FIELD: Final = 300
MAX_FIX: Final = 1000
MAX_ERRORS: Final = 20
"""Errors of one object that are said; the others are counted."""
_MAX_BITS: Final = 4 * MAX_VALUE
_REPR: Final = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxfrozenset = 20
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = MAX_VALUE + 2


class SpecError(ValueError):
    """One field that cannot stand as written: its path, the value found, and the remedy.

    Its text is one line without control characters, whatever the object holds.
    """

    def __init__(self, field: str, value: Any, fix: str) -> None:
        self.field, self.value, self.fix = field, value, fix
        super().__init__(f"{_line(field, MAX_FIELD)}: {_shown(value)}{_line(fix, MAX_FIX)}")


class SpecErrors(ValueError):
    """Everything that is wrong with an object, at once."""

    def __init__(self, errors: Sequence[SpecError]) -> None:
        self.errors = tuple(errors)
        lines = [str(error) for error in self.errors[:MAX_ERRORS]]
        more = len(self.errors) - len(lines)
        if more > 0:
            lines.append(f"{self.errors[MAX_ERRORS].field}: and {more} more that are wrong: correct these first")
        super().__init__("\n".join(lines))


def _shown(value: Any) -> str:
    """The value and a space, shortened. What refers to itself a thousandfold is not written out before it is cut."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = repr(value[: MAX_VALUE + 1])
    elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
        text = f"a number of {value.bit_length()} bits"
    else:
        text = _REPR.repr(value)
    return (text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "...") + " "


def _line(text: str, most: int) -> str:
    text = text if len(text) <= most else text[:most] + "..."
    return text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
