"""The store's promises: durable before acknowledged, ordered, and honest about what it no longer knows."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kaito.local.apiserver.store import Event, Expired, Key, Object, Store, StoreError

PODS = "pods"


def key(name: str, namespace: str = "n") -> Key:
    return Key(PODS, namespace, name)


def made(name: str, **data: int) -> Object:
    return {"metadata": {"name": name}, "data": data}


async def put(store: Store, name: str, **data: int) -> Event:
    event = await store.write(key(name), lambda _: made(name, **data))
    assert event is not None
    return event


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path, history=8)
    store.open()
    yield store
    await store.close()


async def test_versions_grow_and_the_object_carries_its_own(store: Store) -> None:
    first, second = await put(store, "a", x=1), await put(store, "a", x=2)
    assert (first.kind, second.kind) == ("ADDED", "MODIFIED")
    assert second.version == first.version + 1
    found = store.get(key("a"))
    assert found == {"metadata": {"name": "a", "resourceVersion": str(second.version)}, "data": {"x": 2}}


async def test_a_change_that_raises_writes_nothing(store: Store) -> None:
    def refuse(_: Object | None) -> Object:
        raise ValueError("no")

    before = store.version
    with pytest.raises(ValueError, match="no"):
        await store.write(key("a"), refuse)
    assert store.get(key("a")) is None
    assert store.version == before


async def test_a_change_that_changes_nothing_makes_no_event(store: Store) -> None:
    event = await put(store, "a")
    assert await store.write(key("a"), lambda current: current) is None
    assert store.version == event.version


async def test_increments_at_the_same_time_are_all_counted(store: Store) -> None:
    await put(store, "a", x=0)

    def more(current: Object | None) -> Object:
        assert current is not None
        return made("a", x=current["data"]["x"] + 1)

    await asyncio.gather(*(store.write(key("a"), more) for _ in range(100)))
    found = store.get(key("a"))
    assert found is not None
    assert found["data"] == {"x": 100}


async def test_everything_is_there_after_a_restart_and_versions_go_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open()
    await put(store, "b")
    await put(store, "a")
    gone = await put(store, "c")
    await store.write(key("c"), lambda _: None)
    await store.close()
    again = Store(tmp_path)
    again.open()
    assert [obj["metadata"]["name"] for obj in again.list(PODS)] == ["a", "b"]
    assert (await put(again, "d")).version > gone.version + 1
    await again.close()


async def collect(store: Store, since: int, count: int) -> list[tuple[str, str]]:
    seen = []
    async for event in store.watch(PODS, since):
        seen.append((event.kind, event.key.name))
        if len(seen) == count:
            break
    return seen


async def test_a_hundred_watchers_see_every_event_in_order(store: Store) -> None:
    since = store.version
    tasks = [asyncio.create_task(collect(store, since, 6)) for _ in range(100)]
    for name in ("a", "b", "c"):
        await put(store, name)
    for name in ("c", "b", "a"):
        await store.write(key(name), lambda _: None)
    expected = [("ADDED", n) for n in "abc"] + [("DELETED", n) for n in "cba"]
    async with asyncio.timeout(20):
        assert await asyncio.gather(*tasks) == [expected] * 100


async def test_a_past_that_is_forgotten_is_expired(store: Store) -> None:
    since = (await put(store, "a")).version
    for number in range(10):
        await put(store, "b", x=number)
    with pytest.raises(Expired):
        await collect(store, since, 1)


async def test_a_quiet_kinds_watch_survives_the_noise_of_another(store: Store) -> None:
    since = store.version
    watcher = asyncio.create_task(collect(store, since, 1))
    for number in range(30):
        await store.write(Key("events", "n", str(number)), lambda _, n=number: made(str(n)))
    await put(store, "a")
    async with asyncio.timeout(10):
        assert await watcher == [("ADDED", "a")]


async def test_a_second_store_on_the_same_folder_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="in use by another process"):
        Store(tmp_path).open()
    await put(store, "a")


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/x cannot be written: Not a directory"):
        Store(tmp_path / "file" / "x").open()


async def test_a_refusing_disk_loses_nothing_and_says_so(store: Store) -> None:
    await put(store, "a", x=1)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="database or disk is full"):
        await store.write(key("big"), lambda _: made("big") | {"fill": "x" * 1_000_000})
    assert store.get(key("big")) is None
    store._db.execute("PRAGMA max_page_count=1000000")
    assert (await put(store, "a", x=2)).kind == "MODIFIED"


WRITER = """
import asyncio, sys
from pathlib import Path
from kaito.local.apiserver.store import Key, Store

async def main():
    store = Store(Path(sys.argv[1]))
    store.open()
    async def one(lane):
        number = 0
        while True:
            name = f"{lane}-{number}"
            obj = {"metadata": {"name": name}}
            await store.write(Key("pods", "n", name), lambda _: obj)
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()
            number += 1
    await asyncio.gather(*(one(lane) for lane in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 20, 300])
async def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path: Path, after: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip() for _ in range(after)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    store = Store(tmp_path)
    store.open()
    there = {obj["metadata"]["name"] for obj in store.list(PODS)}
    await store.close()
    assert len(acknowledged) >= after
    assert set(acknowledged) <= there


async def test_a_caller_that_goes_away_leaves_the_key_in_order(store: Store) -> None:
    going = asyncio.create_task(put(store, "a", x=1))
    await asyncio.sleep(0)
    going.cancel()
    await put(store, "a", x=2)
    assert going.cancelled()
    found = store.get(key("a"))
    assert found is not None
    assert found["data"] == {"x": 2}
    assert await collect(store, int(found["metadata"]["resourceVersion"]) - 2, 2) == [("ADDED", "a"), ("MODIFIED", "a")]


async def test_a_watch_ends_after_what_happened_when_its_resource_goes(store: Store) -> None:
    first = await put(store, "a")
    await put(store, "b")
    feed = store.watch(PODS, first.version)
    event = await anext(feed)
    assert isinstance(event, Event)
    assert event.key.name == "b"
    waiting = asyncio.ensure_future(anext(feed, None))
    await asyncio.sleep(0)
    store.end_watches(PODS)
    assert await waiting is None


async def test_an_earlier_version_is_listed_as_it_was(store: Store) -> None:
    first = await put(store, "a", x=1)
    await put(store, "a", x=2)
    await put(store, "b")
    await store.write(key("a"), lambda _: None)
    assert [obj["data"] for obj in store.list_at(PODS, first.version, "n")] == [{"x": 1}]
    for number in range(9):
        await put(store, "c", x=number)
    with pytest.raises(Expired):
        store.list_at(PODS, first.version)


async def test_only_the_owner_reads_the_store_whatever_the_folder_above_allows(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "store").mkdir(mode=0o755)
    store = Store(tmp_path / "store")
    store.open()
    await store.close()
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:6000])


def _rubbish(file: Path) -> None:
    file.write_bytes(b"\x01\x02" * 4096)


def _half_an_object(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("""UPDATE objects SET body = '{"a":'""")
    db.close()


@pytest.mark.parametrize("damage", [_cut, _rubbish, _half_an_object])
async def test_a_damaged_store_is_refused_with_what_to_do(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    store = Store(tmp_path)
    store.open()
    for number in range(50):
        await put(store, f"a{number}", size=number)
    await store.close()
    damage(tmp_path / "state.db")
    with pytest.raises(StoreError, match=r"state\.db cannot be used: .*\. Put a copy of .* back, or move that folder"):
        Store(tmp_path).open()
