"""Where the embedded cluster's objects live: SQLite for durability, memory for reading, one version for all.

What it promises: an acknowledged write survives kill -9 and a power cut (WAL, synchronous=FULL); writes that come
together share one fsync; nothing is readable or watched before it is durable; events come in the order of their
versions, without gaps, or `Expired` says that the past is no longer known.
"""

import asyncio
import fcntl
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

Object = dict[str, Any]
Change = Callable[[Object | None], Object | None]
HISTORY = 4096
BATCH = 512

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('version', 2);
"""


class StoreError(Exception):
    """The state directory cannot be used; the message names it, the cause and the remedy."""


class Expired(Exception):
    """The events since that version are no longer known: list again."""


@dataclass(frozen=True, slots=True)
class Key:
    """An object's place. ``resource`` is "plural.group", or "plural" in the core group."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """One durable change. ``obj`` is what is there now or, for DELETED, what was there with the new version."""

    version: int
    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    key: Key
    obj: Object
    old: Object | None


@dataclass(slots=True)
class _Write:
    event: Event
    body: bytes | None
    done: asyncio.Future[None]


Batch = list[_Write]


class Store:
    """All objects. Callers must not change what they get. One event loop; ``open`` inside it."""

    def __init__(self, folder: Path, *, history: int = HISTORY) -> None:
        self.version = 0
        self._folder = folder
        self._history = history
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._events: dict[str, deque[Event]] = {}
        self._forgotten: dict[str, int] = {}
        self._opened_at = 0
        self._next = 0
        self._locks: dict[Key, tuple[asyncio.Lock, int]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._ends: dict[str, int] = {}
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def open(self) -> None:
        """Lock the folder, read everything, start the writer. Raises StoreError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)  # Secrets lie here, and a folder above it may be open to everybody
            self._lock_file = (self._folder / "lock").open("w")
        except OSError as exc:
            raise StoreError(f"{self._folder} cannot be written: {exc.strerror}. Choose another folder.") from exc
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._lock_file.close()
            raise StoreError(f"{self._folder} is in use by another process. Stop it or choose another folder.") from exc
        try:
            self._db = sqlite3.connect(self._folder / "state.db", isolation_level=None, check_same_thread=False)
        except sqlite3.Error as exc:
            self._lock_file.close()
            raise self._unusable(exc) from exc
        try:
            self._read_all()
        except (sqlite3.Error, ValueError, TypeError) as exc:
            self._db.close()
            self._lock_file.close()
            raise self._unusable(exc) from exc
        self._next = self._opened_at = self.version
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write_all, name="store writer")
        self._writer.start()

    def _read_all(self) -> None:
        """Raises sqlite3.Error, ValueError or TypeError for a file that is not what was written."""
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        for resource, namespace, name, body in self._db.execute("SELECT * FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = orjson.loads(body)
        (self.version,) = self._db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()

    def _unusable(self, exc: Exception) -> StoreError:
        return StoreError(
            f"{self._folder}/state.db cannot be used: {exc}. Put a copy of {self._folder} back, or move that folder "
            "away: the next start makes an empty one, and ends the pods of the old one."
        )

    async def close(self) -> None:
        """Finish what was begun and let go of the folder."""
        if self._writer is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._writer.join)
            self._db.close()
            self._lock_file.close()

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key.resource, {}).get((key.namespace, key.name))

    def list_at(self, resource: str, version: int, namespace: str | None = None) -> list[Object]:
        """All objects of a resource as they were at an earlier version. Raises Expired."""
        self.check_known(resource, version)
        then = dict(self._objects.get(resource, {}))
        for event in reversed(self._events.get(resource, ())):
            if event.version <= version:
                break
            where = (event.key.namespace, event.key.name)
            if event.old is None:
                then.pop(where, None)
            else:
                then[where] = event.old
        return [obj for (where, _), obj in sorted(then.items()) if namespace is None or where == namespace]

    def list(self, resource: str, namespace: str | None = None) -> list[Object]:
        """All objects of a resource, by namespace and name."""
        found = sorted(self._objects.get(resource, {}).items())
        return [obj for (where, _), obj in found if namespace is None or where == namespace]

    async def write(self, key: Key, change: Change) -> Event | None:
        """Replace what is at ``key`` with ``change(current)``; None deletes; the same object changes nothing.

        Returns once it is durable: the event, or None when nothing changed. What ``change`` raises is passed on, and
        then nothing was written. The new object gets its metadata.resourceVersion here. Raises StoreError when the
        disk refuses.
        """
        # Shielded: a caller that goes away must not free the key before its write has landed.
        return await asyncio.shield(self._in_turn(key, change))

    async def _in_turn(self, key: Key, change: Change) -> Event | None:
        """One write per key at a time."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                return await self._write_one(key, change)
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)

    async def _write_one(self, key: Key, change: Change) -> Event | None:
        old = self.get(key)
        new = change(old)
        if new is old:
            return None
        self._next += 1
        obj = new if new is not None else old
        assert obj is not None
        obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self._next)}}
        kind: Literal["ADDED", "MODIFIED", "DELETED"] = (
            "DELETED" if new is None else "MODIFIED" if old is not None else "ADDED"
        )
        done = self._loop.create_future()
        body = orjson.dumps(obj) if new is not None else None
        event = Event(self._next, kind, key, obj, old)
        self._queue.put(_Write(event, body, done))
        await done
        return event

    def check_known(self, resource: str, since: int) -> None:
        """Raises Expired when events of ``resource`` after version ``since`` are no longer known."""
        if since < max(self._opened_at, self._forgotten.get(resource, 0)):
            raise Expired(f"version {since} is too old")

    def end_watches(self, resource: str) -> None:
        """The resource is no longer served: its watchers get what happened so far, and no more."""
        self._ends[resource] = self._ends.get(resource, 0) + 1
        if (wake := self._wakes.pop(resource, None)) is not None:
            wake.set()

    async def watch(self, resource: str, since: int, *, idle: float | None = None) -> AsyncIterator[Event | int]:
        """Every event of ``resource`` after version ``since``, until ``end_watches``. Raises Expired.

        Every ``idle`` seconds the version up to which nothing was missed is yielded too.
        """
        mark = None if idle is None else self._loop.time() + idle
        ends = self._ends.get(resource, 0)
        while True:
            self.check_known(resource, since)
            wake = self._wakes.setdefault(resource, asyncio.Event())
            fresh: deque[Event] = deque()
            for event in reversed(self._events.get(resource, ())):
                if event.version <= since:
                    break
                fresh.appendleft(event)
            for event in fresh:
                since = event.version
                yield event
            if fresh and (mark is None or self._loop.time() < mark):
                continue
            if fresh:
                assert idle is not None
                mark = self._loop.time() + idle
                yield since
                continue
            if self._ends.get(resource, 0) != ends:
                return
            # Nothing of this resource since: all versions up to now are seen. No await since the events were read.
            since = max(since, self.version)
            try:
                async with asyncio.timeout_at(mark):
                    await wake.wait()
            except TimeoutError:
                assert idle is not None
                mark = self._loop.time() + idle
                if not wake.is_set():
                    since = max(since, self.version)
                    yield since

    def _write_all(self) -> None:
        """The writer thread: everything that waits goes into one transaction."""
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < BATCH:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            problem = self._commit(batch)
            self._loop.call_soon_threadsafe(self._publish, batch, problem)
            if last:
                return

    def _commit(self, batch: Batch) -> str | None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for write in batch:
                place = (write.event.key.resource, write.event.key.namespace, write.event.key.name)
                if write.body is None:
                    self._db.execute("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", place)
                else:
                    self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (*place, write.body))
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (batch[-1].event.version,))
            self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            return f"{self._folder}/state.db refuses the write: {exc}. Nothing was changed; free some space."
        return None

    def _publish(self, batch: Batch, problem: str | None) -> None:
        for write in batch:
            if problem is None:
                self._take(write.event)
            if write.done.cancelled():
                continue
            if problem is None:
                write.done.set_result(None)
            else:
                write.done.set_exception(StoreError(problem))
        if problem is None:
            self.version = batch[-1].event.version
            for resource in {write.event.key.resource for write in batch}:
                if (wake := self._wakes.pop(resource, None)) is not None:
                    wake.set()

    def _take(self, event: Event) -> None:
        key = event.key
        objects = self._objects.setdefault(key.resource, {})
        if event.kind == "DELETED":
            del objects[key.namespace, key.name]
        else:
            objects[key.namespace, key.name] = event.obj
        events = self._events.setdefault(key.resource, deque())
        events.append(event)
        while len(events) > self._history:
            self._forgotten[key.resource] = events.popleft().version
