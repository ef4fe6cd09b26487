"""The server's own unending work goes on after the disk was full: it is the users' writes that are refused, not it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kaito.local.apiserver.store import StoreError

RETRY_SECONDS = 1.0
log = logging.getLogger(__name__)


async def again(what: str, job: Callable[[], Awaitable[None]], *, wait: float = RETRY_SECONDS) -> None:
    """Run ``job`` until it ends by itself; start it anew, ``wait`` seconds later, when the store refused a write."""
    while True:
        try:
            return await job()
        except StoreError as exc:
            log.warning("%s: %s It is tried again.", what, exc)
            await asyncio.sleep(wait)
