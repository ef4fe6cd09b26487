"""A TLS server whose certificate changes under its connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from kaito.kube.certificates import Material, issue
from kaito.kube.serving import ServingContext

HOST = "webhook.there.svc"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def material() -> Material:
    return Material(*issue([HOST], datetime.now(UTC)))


class Echo:
    """A server that answers each line with the line."""

    def __init__(self, serving: ServingContext) -> None:
        self.serving = serving
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self.serving.context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def open(self, trusted: Material) -> Stream:
        trust = ssl.create_default_context(cadata=trusted.ca_bundle.decode())
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=trust, server_hostname=HOST)


async def said(stream: Stream, text: bytes) -> bytes:
    stream[1].write(text + b"\n")
    return (await stream[0].readline()).strip()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    made = Echo(ServingContext())
    server = await made.start()
    yield made
    server.close()


async def test_new_connections_get_the_new_certificate_and_open_ones_go_on(echo: Echo) -> None:
    old, new = material(), material()
    echo.serving.use(old)
    before = await echo.open(old)
    assert await said(before, b"one") == b"one"
    echo.serving.use(new)
    after = await echo.open(new)
    assert await said(after, b"two") == b"two"
    assert await said(before, b"three") == b"three"
    with pytest.raises(ssl.SSLCertVerificationError):
        await echo.open(old)
    for _, writer in (before, after):
        writer.close()
        await writer.wait_closed()


async def test_without_a_certificate_nobody_is_served(echo: Echo) -> None:
    assert not echo.serving.ready
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await echo.open(material())


async def test_what_is_no_pair_is_refused_and_the_old_one_serves_on(echo: Echo) -> None:
    good, other = material(), material()
    echo.serving.use(good)
    with pytest.raises(ssl.SSLError):
        echo.serving.use(Material(other.key, good.certificate, good.ca_bundle))
    stream = await echo.open(good)
    assert await said(stream, b"still here") == b"still here"
    stream[1].close()
    await stream[1].wait_closed()
