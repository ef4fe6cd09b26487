"""What `kaito validate` prints: a line for each finding, as compilers and linters do, and a closing one."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from rich.text import Text

from kaito.cli import screen
from kaito.cli.judging import ERROR, WARNING, Finding, Verdict
from kaito.cli.manifests import Source

NOTHING = "holds no object"


@dataclass(frozen=True)
class Report:
    """All findings, file by file in the order given. ``unreadable``: of so many files, not all could be judged."""

    findings: Sequence[Finding]
    files: int
    objects: int
    skipped: int
    unreadable: int

    @classmethod
    def of(cls, sources: Sequence[Source], said: Verdict) -> Self:
        """Of what was read and what was said. Without any object, that is what is wrong."""
        found: list[Finding] = []
        objects = sum(len(source.manifests) for source in sources)
        for source in sources:
            own = [_unreadable(fault.file, fault.line, fault.column, fault.message) for fault in source.faults]
            if not source.faults and not source.manifests:
                own.append(Finding(source.file, 0, 0, "", "", "", NOTHING, WARNING if objects else ERROR))
            own += [one for one in said.findings if one.file == source.file]
            found += sorted(own, key=lambda one: (one.line, one.column))
        bad = sum(bool(source.faults) for source in sources)
        if not sources:
            found.append(_unreadable("", 0, 0, "no .yaml, .yml or .json file is in the given folders"))
        return cls(found, len(sources), objects, said.skipped, bad or (0 if objects else 1))

    @property
    def errors(self) -> int:
        return sum(one.severity == ERROR for one in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors

    def as_json(self) -> list[dict[str, Any]]:
        """The findings alone, every key in each."""
        return [asdict(one) for one in self.findings]

    def summary(self) -> str:
        """``3 files, 5 objects (1 skipped): 2 errors, 1 warning``."""
        skipped = f" ({self.skipped:,} not of KAITO)" if self.skipped else ""
        counts = [_count(self.errors, "error")] if self.errors else []
        counts += [_count(self.warnings, "warning")] if self.warnings else []
        told = ", ".join(counts) or "no errors"
        return f"{_count(self.files, 'file')}, {_count(self.objects, 'object')}{skipped}: {told}"


def line(one: Finding) -> str:
    """``file:line: field: what is wrong, what to do``; a warning says that it is one."""
    place = f"{one.file}:{one.line}" if one.line else one.file
    severity = "warning" if one.severity == WARNING else ""
    return ": ".join(part for part in (place, severity, one.field, one.message) if part)


def show(report: Report) -> None:
    """One line each in a pipe; in a terminal they are folded at its width, and coloured."""
    with screen.page() as to:
        for one in report.findings:
            text = line(one)
            if to.is_terminal:
                text = textwrap.fill(
                    text, to.width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
                )
            to.print(_styled(one, text), soft_wrap=True)
        style = "red" if report.errors or report.unreadable else "yellow" if report.warnings else "green"
        to.print(Text(report.summary(), style=f"bold {style}"), soft_wrap=True)


def _styled(one: Finding, text: str) -> Text:
    """The place in bold, and what it is about in the colour of its severity, also where it is folded."""
    styled = Text(text)
    place, _, _ = line(one).partition(": ")
    styled.stylize("bold", 0, len(place))
    marked, colour = ("warning", "yellow") if one.severity == WARNING else (one.field, "red")
    folded = r"\s+".join(re.escape(word) for word in marked.split())
    if marked and (found := re.search(rf":\s+({folded}):", text)):
        styled.stylize(colour, *found.span(1))
    return styled


def _unreadable(file: str, number: int, column: int, message: str) -> Finding:
    return Finding(file, number, column, "", "", "", message)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
