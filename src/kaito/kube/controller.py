"""Keys in, reconciliations out: workers over a queue, started only when every informer has its copy."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from kaito.kube import errors
from kaito.kube.informer import Informer
from kaito.kube.workqueue import WorkQueue

K = TypeVar("K", bound=tuple[str, ...])

log = logging.getLogger(__name__)


class Controller(Generic[K]):
    """Calls ``reconcile(key)`` for every marked key, one call per key at a time.

    ``reconcile`` returns the seconds until it wants to look again, or None. An ApiError is tried again after the key's
    back-off (50 ms doubling to 30 s); so is any other exception, which is a bug and is logged with its traceback.
    """

    def __init__(self, name: str, reconcile: Callable[[K], Awaitable[float | None]], *, workers: int = 4) -> None:
        self.name = name
        self.queue: WorkQueue[K] = WorkQueue()
        self._reconcile = reconcile
        self._workers = workers

    async def run(self, informers: Sequence[Informer]) -> None:
        """Work until cancelled. No key is looked at before all ``informers`` are synced."""
        for informer in informers:
            await informer.synced.wait()
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self._workers):
                    tasks.create_task(self._work(), name=f"{self.name} worker {number}")
        finally:
            self.queue.close()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._once(key)
            finally:
                self.queue.done(key)

    async def _once(self, key: K) -> None:
        where = "/".join(part for part in key if part)
        try:
            again = await self._reconcile(key)
        except errors.ApiError as exc:
            wait = exc.retry_after or self.queue.fail(key)
            if exc.retry_after:
                self.queue.add_after(key, exc.retry_after)
            log.info("%s %s: again in %.2f s: %s", self.name, where, wait, exc.message)
        except Exception:
            wait = self.queue.fail(key)
            log.exception("%s %s: failed, again in %.2f s", self.name, where, wait)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)
