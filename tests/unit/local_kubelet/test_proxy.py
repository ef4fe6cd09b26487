"""The service proxy over real sockets."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaito.kube.client import Client
from kaito.kube.resources import ENDPOINT_SLICES, EVENTS, SERVICES
from kaito.local.proxy.proxy import ServiceProxy
from local_kubelet.api import SmallApi
from local_kubelet.until import until

ADDRESS = ("127.78.0.5", 18080)


@asynccontextmanager
async def echo(host: str, name: bytes):
    """Answers with its name and what it was sent, once the sender has finished."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name + await reader.read())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def ask(data: bytes, address: tuple[str, int] = ADDRESS) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


def piece(ports: dict[str, int]) -> dict[str, Any]:
    """One EndpointSlice per backend, as ports differ in these tests."""
    (host, port) = next(iter(ports.items()))
    return {
        "metadata": {
            "name": f"s-{host}-{port}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
    }


@pytest.fixture
async def client():
    client = Client(SmallApi())
    ports = [{"name": "http", "port": ADDRESS[1], "protocol": "TCP"}]
    spec = {"clusterIP": ADDRESS[0], "ports": ports}
    await client.create(SERVICES, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    proxy = ServiceProxy(client)
    task = asyncio.create_task(proxy.run())
    await until(lambda: ADDRESS in proxy.bound)
    client.proxy = proxy
    yield client
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_round_robin_half_close_and_large_bodies(client: Client) -> None:
    async with echo("127.77.9.1", b"A") as a, echo("127.77.9.2", b"B") as b:
        await client.create(ENDPOINT_SLICES, piece({"127.77.9.1": a}))
        await client.create(ENDPOINT_SLICES, piece({"127.77.9.2": b}))
        body = bytes(range(256)) * 8192

        async def both() -> bool:
            answers = [await ask(b"") for _ in range(4)]
            return sorted(answers) == [b"A", b"A", b"B", b"B"]

        await until(both)
        assert (await ask(body))[1:] == body


async def test_a_dead_endpoint_is_passed_over(client: Client) -> None:
    async with echo("127.77.9.1", b"A") as a:
        await client.create(ENDPOINT_SLICES, piece({"127.77.9.1": a}))
        await client.create(ENDPOINT_SLICES, piece({"127.77.9.3": 9}))

        async def alive() -> bool:
            return await ask(b"x") == b"Ax"

        await until(alive)
        assert [await ask(b"x") for _ in range(4)] == [b"Ax"] * 4


async def test_deletion_frees_the_address(client: Client) -> None:
    await client.delete(SERVICES, "web", "default")
    await until(lambda: not client.proxy.bound)
    with pytest.raises(ConnectionRefusedError):
        await ask(b"x")


async def test_an_address_in_use_is_told_and_others_go_on(client: Client) -> None:
    holder = await asyncio.start_server(lambda r, w: None, "127.78.0.6", 18081)
    meta = {"name": "taken", "namespace": "default"}
    spec = {"clusterIP": "127.78.0.6", "ports": [{"port": 18081}]}
    await client.create(SERVICES, {"metadata": meta, "spec": spec})

    async def told() -> Any:
        events, _ = await client.list(EVENTS)
        return [e["message"] for e in events if e["reason"] == "ListenFailed"]

    (message, *_) = await until(told)
    assert message.startswith("Cannot listen on 127.78.0.6:18081: ")
    assert client.proxy.bound == {ADDRESS: ADDRESS}
    holder.close()


async def test_an_address_passes_to_a_new_service(client: Client) -> None:
    old = await client.get(SERVICES, "web", "default")
    async with echo("127.77.9.1", b"A") as a:
        slice_ = piece({"127.77.9.1": a})
        slice_["metadata"]["labels"]["kubernetes.io/service-name"] = "next"
        await client.create(ENDPOINT_SLICES, slice_)
        await client.delete(SERVICES, "web", "default")
        await client.create(SERVICES, {"metadata": {"name": "next", "namespace": "default"}, "spec": old["spec"]})

        async def answers() -> bool:
            try:
                return await ask(b"x") == b"Ax"
            except OSError:
                return False

        await until(answers)
