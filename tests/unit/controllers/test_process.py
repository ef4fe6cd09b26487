"""The operator as a process: health that tells the truth, one leader, the webhook, an orderly end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kaito.controllers.admission import PATH
from kaito.controllers.hook_server import Hook
from kaito.controllers.operator import OperatorSettings
from kaito.controllers.process import LEASE, Election, ListenError, ProcessSettings, State, run
from kaito.kube import resources
from kaito.kube.cert_sources import Files
from kaito.kube.client import Client
from kaito.kube.lease import LeaseTimes
from kaito.workloads.inference import Serving, WorkloadSettings
from tests.unit.controllers.memory import MemoryApi
from tests.unit.controllers.test_admission import GOOD, asked, certificate

TIMES = LeaseTimes(duration=1.0, deadline=0.5, retry=0.02)
SETTINGS = ProcessSettings(OperatorSettings(WorkloadSettings(image="kaito/base:1")))


async def resolver(ws: Any, nodes: Any, config: Any) -> Serving:
    raise AssertionError("no Workspace is there to plan")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def elected(identity: str) -> ProcessSettings:
    return replace(SETTINGS, election=Election("kaito", identity, TIMES))


def holder(api: MemoryApi) -> str | None:
    lease = api.get(resources.LEASES, LEASE, "kaito")
    return lease["spec"]["holderIdentity"] if lease else None


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def replica(api: MemoryApi, settings: ProcessSettings, state: State) -> AsyncIterator[asyncio.Event]:
    ending = asyncio.Event()
    task = asyncio.create_task(run(Client(api), settings, resolver, ending=ending, state=state))
    try:
        yield ending
    finally:
        ending.set()
        await asyncio.wait_for(task, 5)


async def test_one_replica_works_and_the_next_takes_over_when_it_ends() -> None:
    api, first, second = MemoryApi(), State(), State()
    async with replica(api, elected("a"), first) as end_first:
        await asyncio.wait_for(first.synced.wait(), 5)
        assert holder(api) == "a"
        async with replica(api, elected("b"), second):
            assert (second.working, second.unready) == (False, None)
            end_first.set()
            await asyncio.wait_for(second.synced.wait(), 5)
            assert (holder(api), first.working, second.working) == ("b", False, True)
    assert holder(api) == ""


async def test_health_says_why_it_is_not_ready() -> None:
    port, state = free_port(), State()
    settings = replace(elected("a"), health=("127.0.0.1", port))
    async with replica(MemoryApi(), settings, state), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        await asyncio.wait_for(state.synced.wait(), 5)
        for path in ("/healthz", "/readyz"):
            async with session.get(path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
        state.synced.clear()
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "the informers have not read the cluster yet")


async def test_a_replica_that_waits_serves_the_webhook(tmp_path: Path) -> None:
    api, port = MemoryApi(), free_port()
    lease = {"metadata": {"name": LEASE, "namespace": "kaito"}, "spec": {"holderIdentity": "other"}}
    api.put(resources.LEASES, {**lease, "spec": {**lease["spec"], "leaseDurationSeconds": 3600}})
    settings = replace(elected("a"), webhook=Hook("127.0.0.1", port, Files(*certificate(tmp_path))))
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked(GOOD)}
    async with replica(api, settings, State()), aiohttp.ClientSession() as session:

        async def answer() -> bool:
            async with session.post(f"https://127.0.0.1:{port}{PATH}", json=review, ssl=False) as response:
                return bool((await response.json())["response"]["allowed"])

        async with asyncio.timeout(5):
            while True:
                try:
                    assert await answer()
                    break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.01)


async def test_a_taken_port_and_a_missing_certificate_are_said(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        taken = replace(SETTINGS, health=("127.0.0.1", sock.getsockname()[1]))
        with pytest.raises(ListenError, match="cannot be listened on for health"):
            await run(Client(MemoryApi()), taken, resolver, ending=asyncio.Event())
    hook = replace(SETTINGS, webhook=Hook("127.0.0.1", 0, Files(tmp_path / "tls.crt", tmp_path / "tls.key")))
    with pytest.raises(ListenError, match=r"tls\.crt: No such file"):
        await run(Client(MemoryApi()), hook, resolver, ending=asyncio.Event())


async def test_what_ends_the_operator_ends_the_process() -> None:
    class Refusing(MemoryApi):
        async def request(self, method: str, path: str, **more: Any) -> Any:
            raise RuntimeError("boom")

    settings = ProcessSettings(OperatorSettings(WorkloadSettings(image="i"), crds=({"metadata": {"name": "x"}},)))
    with pytest.raises(RuntimeError, match="boom"):
        await asyncio.wait_for(run(Client(Refusing()), settings, resolver, ending=asyncio.Event()), 5)
