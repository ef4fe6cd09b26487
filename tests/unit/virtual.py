"""An event loop whose clock jumps over every wait: hours of back-off take no time, "later" means "when all is idle".

Only for code that does no real input or output while it waits.
"""

import asyncio
import selectors


class VirtualLoop(asyncio.SelectorEventLoop):
    """Whenever nothing is ready to run, its clock moves on to the next appointment."""

    def __init__(self) -> None:
        super().__init__(_Jumping(self))
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select()
        found = super().select(0)
        if not found and timeout > 0:
            self._loop.jump(timeout)
        return found
