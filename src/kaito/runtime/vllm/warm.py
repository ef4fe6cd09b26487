"""A faster start: the engine's first process imports vLLM on another core while this one does.

Python's fork server is started before anything heavy is imported here, and imports what the engine's process needs. By
the time the options have become an engine's configuration that process is a fork away.
"""

import gc
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Final

PRELOADED: Final = "kaito.runtime.vllm.preload"


def start() -> None:
    """Start the fork server; it imports beside this process and ends with it. Its environment is the present one."""
    multiprocessing.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


@contextmanager
def without_collections() -> Iterator[None]:
    """No garbage collection in here, and none ever of what was made in here: imports make much and drop little."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
