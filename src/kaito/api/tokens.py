"""A number of tokens as an engine's option spells it."""

import re
from typing import Any, Final

_SIZES: Final = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}
_LENGTH: Final = re.compile(r"(\d+)|(\d+(?:\.\d+)?)([kmg])|(\d+)([KMG])", re.ASCII)
_DIGITS: Final = 18


def token_count(value: Any) -> int | None:
    """Tokens in 8192, "8192", "8K" (times 1024) or "8k" (times 1000); None for auto, -1 and nothing.

    Raises ValueError for anything else, and for zero.
    """
    if value is None or str(value).strip().lower() in ("", "auto", "-1"):
        return None
    text = str(value).strip()
    match = None if isinstance(value, bool | float) or len(text) > _DIGITS else _LENGTH.fullmatch(text)
    if match is None:
        raise ValueError(f"{value!r} is no number of tokens")
    size = _SIZES.get(match[3] or match[5] or "", 1)
    number = int(float(match[2]) * size) if match[2] else int(match[1] or match[4]) * size
    if number < 1:
        raise ValueError(f"{value!r} is no number of tokens")
    return number
