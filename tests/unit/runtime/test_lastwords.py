"""What processes note of their exceptions, and the termination log."""

import logging
from pathlib import Path

import pytest

from kaito.api import podcontract
from kaito.runtime.vllm.failures import Cause
from kaito.runtime.vllm.lastwords import MAX_MESSAGE, NOTES, ExceptionNotes, chain, leave, noted


def failing() -> None:
    try:
        raise KeyError("first")
    except KeyError as exc:
        raise ValueError("second") from exc


def test_a_logged_exception_is_noted_with_what_it_came_from(tmp_path: Path) -> None:
    logger = logging.Logger("engine")
    logger.addHandler(ExceptionNotes(str(tmp_path)))
    logger.error("no exception here")
    try:
        failing()
    except ValueError:
        logger.exception("failed")
    assert noted(tmp_path) == [Cause("KeyError", "'first'"), Cause("ValueError", "second")]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / NOTES).write_text('{"kind": "A", "text": "a"}\n{"kind": "B", "te')
    assert noted(tmp_path) == [Cause("A", "a")]
    assert noted(tmp_path / "nowhere") == []


def test_a_circle_of_causes_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert [cause.text for cause in chain(one, config=True)] == ["two", "one"]


def test_the_sentence_is_left_where_the_environment_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("older and much longer words")
    leave("why", {podcontract.ENV_TERMINATION_LOG: str(log)})
    assert log.read_text() == "why"
    assert capsys.readouterr().err == "kaito: why\n"
    leave("x" * 9000, {podcontract.ENV_TERMINATION_LOG: str(log)})
    assert log.stat().st_size == MAX_MESSAGE
