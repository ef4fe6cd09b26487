"""The operator as a process of its own: its health, the webhook, one leader among its replicas, and an orderly end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from kaito.controllers import operator
from kaito.controllers.admission_facts import ClusterFacts, FactSettings
from kaito.controllers.hook_server import Hook, HookServer, first
from kaito.controllers.operator import OperatorSettings
from kaito.controllers.prober import Prober
from kaito.controllers.workspace import Resolver
from kaito.kube.cert_sources import Files
from kaito.kube.client import Client
from kaito.kube.lease import Lease, LeaseTimes

LEASE = "kaito-operator"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Election:
    """Where the replicas agree which of them works: a Lease in ``namespace``; ``identity`` is this replica's name."""

    namespace: str
    identity: str
    times: LeaseTimes = field(default_factory=LeaseTimes)


@dataclass(frozen=True)
class ProcessSettings:
    """What one replica runs. Without ``election`` it works alone; without ``health`` or ``webhook`` it listens not.

    ``facts`` is what the webhook knows of the installation.
    """

    operator: OperatorSettings
    election: Election | None = None
    health: tuple[str, int] | None = None
    webhook: Hook | None = None
    facts: FactSettings = field(default_factory=FactSettings)


@dataclass
class State:
    """How far this replica is."""

    working: bool = False
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    hook: HookServer | None = None

    @property
    def unready(self) -> str | None:
        """Why it is not ready; None when it is. One that waits for the lease is: it serves the webhook."""
        if self.working and not self.synced.is_set():
            return "the informers have not read the cluster yet"
        return self.hook.unready if self.hook is not None else None


class ListenError(Exception):
    """An address that cannot be listened on, or a certificate that cannot be read; a sentence for the operator."""


def health(state: State) -> web.Application:
    """``/healthz``: the event loop turns. ``/readyz``: 503 with the reason while the informers are reading."""

    async def alive(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(request: web.Request) -> web.Response:
        return web.Response(text=state.unready or "ok", status=503 if state.unready else 200)

    made = web.Application()
    made.router.add_get("/healthz", alive)
    made.router.add_get("/readyz", ready)
    return made


async def run(
    client: Client,
    settings: ProcessSettings,
    resolver: Resolver,
    *,
    ending: asyncio.Event,
    prober: Prober | None = None,
    state: State | None = None,
) -> None:
    """Work until ``ending`` is set; then stop, and give the lease back.

    Raises ListenError, lease.LeaseLost, and what the operator itself ends with.
    """
    state = state or State()
    facts = ClusterFacts(client, settings.facts)
    hook = state.hook = HookServer(client, settings.webhook, facts) if settings.webhook is not None else None

    async def work() -> None:
        state.working = True
        try:
            reconciling = operator.run(client, settings.operator, resolver, prober, synced=state.synced)
            await first(reconciling, *([hook.keeper.run()] if hook is not None else []))
        finally:
            state.working = False

    async with AsyncExitStack() as stack:
        await _listen(stack, settings, state)
        following = []
        if hook is not None:
            _beside(stack, facts.run(), name="facts for admission")
            following.append(hook.follow())
        await _until(ending, first(_elected(client, settings.election, work), *following))


async def _until(ending: asyncio.Event, work: Awaitable[None]) -> None:
    working = asyncio.ensure_future(work)
    ended = asyncio.create_task(ending.wait(), name="signal")
    try:
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        for task in (working, ended):
            task.cancel()
        await asyncio.gather(working, ended, return_exceptions=True)


async def _elected(client: Client, election: Election | None, work: Callable[[], Awaitable[None]]) -> None:
    if election is None:
        await work()
        return
    lease = Lease(client, namespace=election.namespace, name=LEASE, identity=election.identity, times=election.times)
    await lease.hold(work)


async def _listen(stack: AsyncExitStack, settings: ProcessSettings, state: State) -> None:
    if settings.health is not None:
        host, port = settings.health
        runner = web.AppRunner(health(state), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as exc:
            raise ListenError(f"{host}:{port} cannot be listened on for health: {exc.strerror or exc}") from exc
        log.info("health on %s:%d", *runner.addresses[0][:2])
    if settings.webhook is not None and state.hook is not None:
        await _serve(stack, settings.webhook, state.hook)


def _beside(stack: AsyncExitStack, work: Coroutine[Any, Any, None], *, name: str) -> None:
    """Run ``work`` until the stack is left."""
    task = asyncio.create_task(work, name=name)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


async def _serve(stack: AsyncExitStack, settings: Hook, hook: HookServer) -> None:
    if isinstance(settings.source, Files):
        try:
            settings.source.read()
        except OSError as exc:
            raise ListenError(f"the webhook's certificate: {exc.filename}: {exc.strerror or exc}") from exc
        except ValueError as exc:
            raise ListenError(f"the webhook's certificate: {exc}") from exc
    try:
        host, port = await hook.listen()
    except OSError as exc:
        where = f"{settings.host}:{settings.port}"
        raise ListenError(f"the webhook cannot listen on {where}: {exc.strerror or exc}") from exc
    stack.push_async_callback(hook.close)
    log.info("webhook on %s:%d", host, port)
