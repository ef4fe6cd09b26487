"""An engine that hangs is ended: its health endpoint still answers 200, and every request would wait for ever.

The question goes through the engine's own loop to its workers, between two steps: however many requests are queued, an
engine that works answers it. Nothing of this runs per token.
"""

import asyncio
import multiprocessing
import sys
from typing import Any, Final

import psutil

from kaito.runtime.vllm.failures import EngineHung

EVERY_S: Final = 15.0
"""Between two questions."""


async def hang(engine: Any, seconds: float, *, every: float = EVERY_S) -> EngineHung:
    """Returns when ``engine`` has answered nothing for ``seconds``; never while it answers, or once it is dead."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                await engine.collective_rpc("check_health")
        except TimeoutError:
            return EngineHung(
                f"the engine hangs: it has answered nothing for {seconds:g} s. It is started anew; if it hangs again,"
                " look at the log above and at the machine's GPU and memory."
            )
        # A dead engine ends the server by itself; a sleeping one, or one of another kind, need not know the question.
        except Exception as exc:
            print(f"kaito: the engine was not asked for its health: {exc!r}", file=sys.stderr, flush=True)
            if engine.errored:
                await asyncio.Event().wait()
        await asyncio.sleep(every)


def kill_engine() -> None:
    """End all processes of the engine, stopped ones too; vLLM's server then ends by itself."""
    workers = [one for child in multiprocessing.active_children() for one in _with_descendants(child.pid)]
    for process in workers:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _with_descendants(pid: int | None) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
