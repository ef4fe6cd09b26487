"""How results look in a terminal: one console for all, and bars that are read at a glance, also without colour."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH: Final = 100
PLAIN: Final = str.maketrans({"×": "x", "✓": "+", "✗": "-", "•": "*", "…": "~"})
"""What stands for signs that a terminal without UTF-8 cannot show."""
UNITS: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def console(*, stderr: bool = False) -> Console:
    """As wide as the terminal; 100 columns, or $COLUMNS, when piped. Plain text when piped, or when NO_COLOR is set."""
    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and not os.environ.get("COLUMNS")
    return Console(
        stderr=stderr,
        highlight=False,
        emoji=False,
        markup=False,
        width=PIPED_WIDTH if piped else None,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


@contextmanager
def page() -> Iterator[Console]:
    """A console whose whole text is written at the end, without blanks at the ends of lines."""
    to = console()
    with to.capture() as captured:
        yield to
    text = "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    sys.stdout.write(text.translate(PLAIN) if is_plain(to) else text)


def is_plain(to: Console) -> bool:
    """Whether only ASCII can be written."""
    return "utf" not in to.encoding.lower()


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without lines, its heads bold; numbers stand to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, no_wrap=True, justify="right" if column in right else "left")
    return made


def size(count: int) -> str:
    """Bytes for people: 27.9 GiB."""
    for unit, name in UNITS:
        if abs(count) >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar: how much, its colour, and the sign that it is drawn with (and a plain one)."""

    amount: int
    style: str
    sign: str
    plain: str

    def mark(self, plain: bool) -> str:
        return self.plain if plain else self.sign


def shares(amounts: Sequence[int], width: int) -> list[int]:
    """``width`` cells divided by the amounts: the sum is kept, and what is there at all has at least one cell."""
    total = sum(amounts)
    if total <= 0:
        return [0] * len(amounts)
    cells = [max(1, int(amount * width / total)) if amount > 0 else 0 for amount in amounts]
    while sum(cells) != width:
        step = 1 if sum(cells) < width else -1
        wrong = [amount * width / total - cell for amount, cell in zip(amounts, cells, strict=True)]
        may = [number for number, cell in enumerate(cells) if amounts[number] > 0 and cell + step >= 1]
        if not may:
            break
        cells[max(may, key=lambda number: step * wrong[number])] += step
    return cells


def bar(parts: Sequence[Part], width: int, *, plain: bool = False) -> Text:
    """The parts side by side, each with its own sign, so that no colour is needed to tell them apart."""
    cells = shares([part.amount for part in parts], width)
    pieces = [(part.mark(plain) * count, part.style) for part, count in zip(parts, cells, strict=True)]
    return Text.assemble(*pieces)
