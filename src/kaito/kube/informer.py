"""A local copy of one kind's objects, kept true by list and watch.

What it promises: a deletion is never lost, not even one that fell into a gap (the store is compared after each list);
no error ends it; a half-open connection is noticed (the transport's idle limit); a write's own answer is visible at
once and an older event does not undo it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable

from kaito.kube import errors
from kaito.kube.client import Client, Object, Resource

Key = tuple[str, str]
Handler = Callable[[Object | None, Object | None], None]
Indexer = Callable[[Object], Iterable[str]]

log = logging.getLogger(__name__)
WATCH_SECONDS = (240, 300)
RETRY_SECONDS = (0.2, 5.0)
BURIED = 1024


def key_of(obj: Object) -> Key:
    """(namespace, name); the namespace of a cluster-wide object is empty."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


class Store:
    """The objects as last seen. Callers must not change what they get."""

    def __init__(self, indexers: dict[str, Indexer]) -> None:
        self._objects: dict[Key, Object] = {}
        self._indexers = indexers
        self._indices: dict[str, dict[str, set[Key]]] = {name: {} for name in indexers}

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def by_index(self, index: str, value: str) -> list[Object]:
        """Objects for which the indexer ``index`` gave ``value``."""
        return [self._objects[key] for key in sorted(self._indices[index].get(value, ()))]

    def list(self, namespace: str | None = None) -> list[Object]:
        if namespace is None:
            return list(self._objects.values())
        return [obj for (where, _), obj in self._objects.items() if where == namespace]

    @property
    def keys(self) -> set[Key]:
        return set(self._objects)

    def put(self, key: Key, obj: Object | None) -> Object | None:
        """Set or, with None, remove; returns what was there."""
        old = self._objects.pop(key, None)
        for name, indexer in self._indexers.items():
            index = self._indices[name]
            for value in indexer(old) if old is not None else ():
                index[value].discard(key)
                if not index[value]:
                    del index[value]
            for value in indexer(obj) if obj is not None else ():
                index.setdefault(value, set()).add(key)
        if obj is not None:
            self._objects[key] = obj
        return old


class Informer:
    """List, watch, list again when needed, for ever. ``run`` ends only by cancellation."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        indexers: dict[str, Indexer] | None = None,
        keep: Callable[[Object], Object] | None = None,
    ) -> None:
        """``keep`` reduces each object to what is worth memory; its metadata must stay."""
        self.resource = resource
        self.store = Store(indexers or {})
        self.synced = asyncio.Event()
        self.trouble: str | None = None
        self._client = client
        self._namespace = namespace
        self._keep = keep
        self._selectors = {"label_selector": label_selector, "field_selector": field_selector}
        self._handlers: list[Handler] = []
        self._buried: dict[str, int] = {}

    def add_handler(self, handler: Handler) -> None:
        """Call ``handler(old, new)`` after each change; None stands for "not there"."""
        self._handlers.append(handler)

    def written(self, obj: Object) -> None:
        """Take the answer of a write of ours, unless something newer is known."""
        self._set(obj)

    async def run(self) -> None:
        failures = 0
        version: str | None = None
        while True:
            try:
                if version is None:
                    version = await self._relist()
                version = await self._follow(version)
                failures = 0
            except errors.Gone:
                version = None
            except errors.ApiError as exc:
                failures += 1
                self.trouble = exc.message
                wait = min(RETRY_SECONDS[1], RETRY_SECONDS[0] * 2**failures) * random.uniform(0.5, 1.0)
                log.warning("%s: watch broken, again in %.1f s: %s", self.resource.plural, wait, exc.message)
                # An error inside the stream may hide events, and a version that the server dislikes would be
                # offered for ever: after a second failure in a row everything is listed anew.
                version = version if failures < 2 else None
                await asyncio.sleep(exc.retry_after or wait)

    async def _relist(self) -> str:
        items, version = await self._client.list(self.resource, self._namespace, **self._selectors)
        listed = set()
        for obj in items:
            listed.add(key_of(obj))
            self._set(obj)
        for key in self.store.keys - listed:
            known = self.store.get(*key)
            # What we wrote after the list was taken is not in it, and is not gone either.
            if known is not None and _version(known) <= int(version):
                self._remove(key, int(version))
        self.trouble = None
        self.synced.set()
        return version

    async def _follow(self, version: str) -> str:
        """Watch once; returns the version to go on from when the server ends the stream in good order."""
        events = self._client.watch(
            self.resource,
            self._namespace,
            resource_version=version,
            timeout_seconds=random.randint(*WATCH_SECONDS),
            **self._selectors,
        )
        async for kind, obj in events:
            version = obj["metadata"]["resourceVersion"]
            if kind == "DELETED":
                self._remove(key_of(obj), int(version), uid=obj["metadata"].get("uid"))
            elif kind != "BOOKMARK":
                self._set(obj)
            self.trouble = None
        return version

    def _set(self, obj: Object) -> None:
        key, version = key_of(obj), _version(obj)
        uid = obj["metadata"].get("uid", "")
        if self._buried.get(uid, -1) >= version:
            return
        old = self.store.get(*key)
        if old is not None and _version(old) >= version:
            return
        obj["metadata"].pop("managedFields", None)
        if self._keep is not None:
            obj = self._keep(obj)
        if old is not None and old["metadata"].get("uid") != uid:
            # Deleted and made again between two looks: two changes, not one.
            self._remove(key, version - 1)
            old = None
        self.store.put(key, obj)
        self._tell(old, obj)

    def _remove(self, key: Key, version: int, uid: str | None = None) -> None:
        old = self.store.get(*key)
        if old is None or (uid is not None and old["metadata"].get("uid") != uid):
            return
        self.store.put(key, None)
        self._buried[old["metadata"].get("uid", "")] = version
        if len(self._buried) > BURIED:
            del self._buried[next(iter(self._buried))]
        self._tell(old, None)

    def _tell(self, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(old, new)
