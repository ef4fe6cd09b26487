"""One listener: accept, pick an endpoint, copy bytes both ways with half-close."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from kaito.local.proxy.endpoints import Address

log = logging.getLogger(__name__)
CHUNK = 64 * 1024
CONNECT_SECONDS = 5.0


class Relay:
    """Forwards connections on one address to endpoints in turn; an endpoint that refuses is passed over."""

    def __init__(self, endpoints: Callable[[], list[Address]]) -> None:
        self._endpoints = endpoints
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """Start accepting; OSError when the address cannot be bound."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=CHUNK)

    async def close(self) -> None:
        """Stop accepting and drop open connections."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            upstream = await self._connect()
            if upstream is None:
                # As kube-proxy: no endpoint is a refused connection, here a reset one.
                writer.transport.abort()
                return
            back, forth = upstream
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, forth))
                    group.create_task(_copy(back, writer))
            except* OSError:
                writer.transport.abort()
            finally:
                forth.close()
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        candidates = self._endpoints()
        self._turn += 1
        for step in range(len(candidates)):
            host, port = candidates[(self._turn + step) % len(candidates)]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(host, port, limit=CHUNK)
            log.debug("endpoint %s:%s does not take connections", host, port)
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until end of file, which is passed on while the other direction stays open."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
