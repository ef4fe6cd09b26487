"""What the server's processes say when they fail: collected from all of them, and left in the termination log.

Every process of vLLM configures its logging from one file. That file, written here, adds a handler that notes each
logged exception in a folder of this start, so that the first process knows what stopped the others.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kaito.api import podcontract
from kaito.runtime.vllm.failures import Cause

MAX_MESSAGE: Final = 4000
"""Bytes of a termination message; a kubelet reads 4096."""
MAX_TEXT: Final = 8000
NOTES: Final = "exceptions.jsonl"


class ExceptionNotes(logging.Handler):
    """Appends each logged exception, as one line of JSON, to a file that all processes share."""

    def __init__(self, folder: str) -> None:
        super().__init__(logging.ERROR)
        self.path = Path(folder) / NOTES

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or record.exc_info[1] is None:
            return
        lines = [
            json.dumps({"kind": one.kind, "text": one.text[:MAX_TEXT]}) + "\n" for one in chain(record.exc_info[1])
        ]
        try:
            with self.path.open("a") as file:
                file.write("".join(lines))
        except OSError:
            self.handleError(record)


def chain(error: BaseException, *, config: bool = False) -> list[Cause]:
    """The exception and what it came from, the first cause first."""
    found: list[Cause] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        found.append(Cause(type(current).__name__, str(current), config))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return found[::-1]


def noted(folder: Path) -> list[Cause]:
    """What the processes noted, oldest first; lines that were cut off are left out."""
    try:
        text = (folder / NOTES).read_text(errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            note = json.loads(line)
            found.append(Cause(str(note["kind"]), str(note["text"])))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def logging_config(folder: Path, level: str) -> dict[str, Any]:
    """vLLM's own way of logging to standard error, and the notes beside it."""
    line = "%(levelname)s %(asctime)s (%(vllm_process_name)s) [%(fileinfo)s:%(lineno)d] %(message)s"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "vllm.logging_utils.NewLineFormatter",
                "format": line,
                "datefmt": "%Y-%m-%dT%H:%M:%S",
                "log_level": level,
            }
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"},
            "notes": {"class": "kaito.runtime.vllm.lastwords.ExceptionNotes", "folder": str(folder)},
        },
        "loggers": {"vllm": {"handlers": ["stderr", "notes"], "level": level, "propagate": False}},
    }


def leave(sentence: str, env: Mapping[str, str]) -> None:
    """Write the sentence to standard error and to the pod's termination log, where one can be written."""
    print(f"kaito: {sentence}", file=sys.stderr, flush=True)
    data = sentence.encode()[:MAX_MESSAGE]
    for path in (env.get(podcontract.ENV_TERMINATION_LOG), podcontract.TERMINATION_LOG):
        if path and Path(path).exists():
            try:
                with Path(path).open("wb") as file:
                    file.write(data)
                    os.fsync(file.fileno())
            except OSError as exc:
                print(f"kaito: {path}: {exc}", file=sys.stderr, flush=True)
                continue
            return
