"""Regular expressions of schemas, in the dialect of a Kubernetes API server: Go's, which is RE2's."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

# RE2 is loaded only for a pattern that Python does not understand: most mean the same to both.
_WORDINGS = {
    "missing )": "missing closing )",
    "unexpected )": "unexpected )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "trailing \\": "trailing backslash at end of expression",
}


@lru_cache(maxsize=512)
def pattern(text: str) -> Any:
    """Something with `search`. Raises ValueError, in Go's words."""
    try:
        return re.compile(text.replace(r"\z", r"\Z"))
    except re.error:
        return re2_pattern(text)


@lru_cache(maxsize=512)
def re2_pattern(text: str) -> Any:
    """The pattern as RE2 itself reads it. Raises ValueError, in Go's words."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as exc:
        raise ValueError(go_error(_message(exc))) from exc


def _message(exc: Exception) -> str:
    said = exc.args[0] if exc.args else str(exc)
    return said.decode() if isinstance(said, bytes) else str(said)


def go_error(said: str) -> str:
    """`missing ): (` of RE2, as Go says it."""
    what, colon, where = said.rpartition(": ")
    if not colon:
        what, where = said, ""
    return f"error parsing regexp: {_WORDINGS.get(what, what)}: `{where}`"
