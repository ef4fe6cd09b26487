"""What a run of the fuzz tests says at its end."""

import pytest

from tests.fuzz.tally import FACTOR, TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FACTOR > 1 and TALLY.counts:
        terminalreporter.section("fuzz")
        for line in TALLY.lines():
            terminalreporter.write_line(line)
