"""The promises of the informer, each against a server that breaks in that way."""

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from kaito.kube.client import Client, Object
from kaito.kube.informer import Informer
from kaito.kube.resources import CONFIG_MAPS
from tests.unit.kube.fake import FakeServer

Change = tuple[str | None, str | None]


class Watched:
    """An informer at work, what it told, and a way to wait for it."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.informer = Informer(
            Client(server),
            CONFIG_MAPS,
            indexers={"color": lambda o: [o["data"]["color"]] if "color" in o["data"] else []},
        )
        self.told: list[Change] = []
        self.changed = asyncio.Event()
        self.informer.add_handler(self._hear)

    def _hear(self, old: Object | None, new: Object | None) -> None:
        names = [obj and obj["metadata"]["name"] for obj in (old, new)]
        self.told.append((names[0], names[1]))
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    def names(self) -> set[str]:
        return {name for _, name in self.informer.store.keys}


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    server = FakeServer()
    await server.put("a", color="red")
    await server.put("b", color="blue")
    mine = Watched(server)
    task = asyncio.create_task(mine.informer.run())
    await mine.informer.synced.wait()
    yield mine
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_lists_then_follows(watched: Watched) -> None:
    assert watched.names() == {"a", "b"}
    await watched.server.put("c")
    await watched.server.delete("a")
    await watched.until(lambda: watched.names() == {"b", "c"})
    assert watched.told == [(None, "a"), (None, "b"), (None, "c"), ("a", None)]
    assert watched.server.lists == 1


async def test_a_deletion_in_a_gap_is_told_after_the_relist(watched: Watched) -> None:
    """kopf loses these: the watch is gone, the version is too old, and the object vanished meanwhile."""
    watched.server.objects.pop("a")
    watched.server.version += 1
    watched.server.forget()
    await watched.server.cut()
    await watched.until(lambda: ("a", None) in watched.told)
    assert watched.names() == {"b"}


async def test_deleted_and_made_again_in_a_gap_is_two_changes(watched: Watched) -> None:
    watched.server.objects.pop("a")
    watched.server.version += 1
    await watched.server.put("a", color="green")
    watched.server.forget()
    await watched.server.cut()
    await watched.until(lambda: len(watched.told) >= 4)
    assert watched.told[2:] == [("a", None), (None, "a")]


async def test_a_clean_end_resumes_without_a_new_list(watched: Watched) -> None:
    await watched.server.cut()
    await watched.server.put("c")
    await watched.until(lambda: "c" in watched.names())
    assert watched.server.lists == 1


async def test_an_error_event_does_not_end_it(watched: Watched) -> None:
    """kopf exits on an ERROR event other than 410."""
    status = {"kind": "Status", "code": 500, "reason": "InternalError", "message": "etcd is unwell"}
    await watched.server.cut(inject=orjson.dumps({"type": "ERROR", "object": status}))
    await watched.server.put("c")
    await watched.until(lambda: "c" in watched.names())
    assert watched.told[2:] == [(None, "c")]


async def test_a_server_that_is_down_is_named_and_waited_for(watched: Watched) -> None:
    watched.server.down = True
    await watched.server.cut()
    async with asyncio.timeout(10):
        while watched.informer.trouble is None:
            await asyncio.sleep(0)
    assert "503" in watched.informer.trouble
    watched.server.down = False
    await watched.server.put("c")
    await watched.until(lambda: "c" in watched.names())
    assert watched.informer.trouble is None


async def test_a_write_is_seen_at_once_and_an_older_event_does_not_undo_it(watched: Watched) -> None:
    answer = {"metadata": {"name": "a", "namespace": "n", "uid": "uid-0", "resourceVersion": "9"}, "data": {"x": "new"}}
    watched.informer.written(answer)
    seen = watched.informer.store.get("n", "a")
    assert seen is not None
    assert seen["data"] == {"x": "new"}
    await watched.server.put("a", x="older")  # version 3
    await watched.server.put("z")
    await watched.until(lambda: "z" in watched.names())
    seen = watched.informer.store.get("n", "a")
    assert seen is not None
    assert seen["data"] == {"x": "new"}


async def test_indices_follow_changes_and_managed_fields_are_not_kept(watched: Watched) -> None:
    await watched.server.put("a", color="blue")
    await watched.until(lambda: ("a", "a") in watched.told)
    store = watched.informer.store
    assert [o["metadata"]["name"] for o in store.by_index("color", "blue")] == ["a", "b"]
    assert store.by_index("color", "red") == []
    assert all("managedFields" not in o["metadata"] for o in store.list())
