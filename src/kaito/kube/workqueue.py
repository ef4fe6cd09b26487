"""A queue of keys to reconcile: each key at most once in line, never twice at work, with its own back-off."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BACKOFF_BASE = 0.05
BACKOFF_MAX = 30.0


def backoff(failures: int, *, base: float = BACKOFF_BASE, limit: float = BACKOFF_MAX) -> float:
    """Seconds before try number ``failures`` + 1: base, doubled each time, at most ``limit``."""
    return min(limit, base * 2 ** min(failures - 1, 32)) if failures > 0 else 0.0


class WorkQueue(Generic[K]):
    """Keys wait, are worked on, and are worked on again when they were marked meanwhile.

    One event loop only. ``get`` gives a key to a worker, which must call ``done`` with it.
    """

    def __init__(self) -> None:
        self._line: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._timers: dict[K, tuple[float, asyncio.TimerHandle]] = {}
        self._failures: dict[K, int] = {}

    def add(self, key: K) -> None:
        """Look at ``key`` as soon as a worker is free."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._line.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at ``key`` in ``seconds``; an earlier appointment stands."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= due:
                return
            known[1].cancel()
        self._timers[key] = (due, loop.call_at(due, self._ring, key))

    def fail(self, key: K) -> float:
        """Try ``key`` again after its back-off; returns the seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        seconds = backoff(self._failures[key])
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: K) -> None:
        """``key`` succeeded: its back-off starts anew."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        key = await self._line.get()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._dirty:
            self._line.put_nowait(key)

    def close(self) -> None:
        """Cancel all appointments."""
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers.clear()

    def __len__(self) -> int:
        return len(self._dirty)

    def _ring(self, key: K) -> None:
        del self._timers[key]
        self.add(key)
