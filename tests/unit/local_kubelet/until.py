"""Waiting on a condition, with a limit."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def until(condition: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """The first true answer of ``condition`` (plain or async)."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {seconds} s; last answer: {answer!r}")
        await asyncio.sleep(0.02)
