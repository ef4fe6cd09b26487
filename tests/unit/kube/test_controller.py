"""The queue and its workers: no key is lost, none is worked on twice at a time, failures wait longer and longer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kaito.kube import errors
from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.informer import Informer, Key
from kaito.kube.resources import CONFIG_MAPS
from kaito.kube.workqueue import WorkQueue, backoff
from tests.unit.kube.fake import FakeServer

A: Key = ("n", "a")


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 0.05), (2, 0.1), (5, 0.8), (11, 30), (500, 30)])
def test_backoff_doubles_up_to_its_limit(failures: int, seconds: float) -> None:
    assert backoff(failures) == pytest.approx(seconds)


async def test_a_key_marked_while_at_work_is_worked_on_once_more() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3):
        queue.add("k")
    assert await queue.get() == "k"
    queue.add("k")
    queue.add("k")
    assert len(queue) == 1
    queue.done("k")
    assert await queue.get() == "k"
    queue.done("k")
    assert len(queue) == 0


async def test_the_earlier_of_two_appointments_stands() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("k", 60)
    queue.add_after("k", 0.01)
    queue.add_after("k", 30)
    async with asyncio.timeout(5):
        assert await queue.get() == "k"
    queue.close()


async def run_until(controller: Controller, done: asyncio.Event, informers: list[Informer] | None = None) -> None:
    task = asyncio.create_task(controller.run(informers or []))
    async with asyncio.timeout(10):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def scripted(
    steps: list[Exception | float | None], done: asyncio.Event
) -> tuple[list[Key], Callable[[Key], Awaitable[float | None]]]:
    calls: list[Key] = []

    async def reconcile(key: Key) -> float | None:
        step = steps[len(calls)]
        calls.append(key)
        if len(calls) == len(steps):
            done.set()
        if isinstance(step, Exception):
            raise step
        return step

    return calls, reconcile


async def test_refusals_and_bugs_are_tried_again_and_a_wish_to_look_again_is_kept() -> None:
    done = asyncio.Event()
    steps = [errors.Conflict(409, "Conflict", "changed"), ValueError("bug"), 0.01, None]
    calls, reconcile = scripted(steps, done)
    controller = Controller("test", reconcile, workers=2)
    controller.queue.add(A)
    await run_until(controller, done)
    assert calls == [A] * 4


async def test_no_worker_starts_before_every_informer_is_synced() -> None:
    """Otherwise a restart writes what a half-filled cache suggests."""
    server = FakeServer()
    server.down = True
    informer = Informer(Client(server), CONFIG_MAPS)
    done = asyncio.Event()
    calls, reconcile = scripted([None], done)
    controller = Controller("test", reconcile)
    controller.queue.add(A)
    running = asyncio.create_task(informer.run())
    task = asyncio.create_task(controller.run([informer]))
    async with asyncio.timeout(10):
        while informer.trouble is None:
            await asyncio.sleep(0)
    assert calls == []
    server.down = False
    async with asyncio.timeout(10):
        await done.wait()
    for t in (running, task):
        t.cancel()
    await asyncio.gather(running, task, return_exceptions=True)
    assert calls == [A]
