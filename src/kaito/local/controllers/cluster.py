"""The controllers' one view of the cluster: shared informers, and writes whose answers are visible at once."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal

from kaito.kube import errors
from kaito.kube.client import Client, Object, Resource
from kaito.kube.informer import Informer, Key, key_of
from kaito.local.controllers.ownership import controller_of, own_uid, owner_uids
from kaito.local.controllers.selectors import matches
from kaito.local.kubelet.events import Recorder, timestamp

log = logging.getLogger(__name__)
Add = Callable[[Key], None]


class Cluster:
    """Caches and writes. ``clock`` gives seconds since the epoch."""

    def __init__(
        self, client: Client, *, component: str = "controllers", clock: Callable[[], float] = time.time
    ) -> None:
        self.client = client
        self.clock = clock
        self.recorder = Recorder(client, component=component)
        self._informers: dict[Resource, Informer] = {}

    # Reading.

    def informer(self, res: Resource) -> Informer:
        """The shared informer of a resource, made on first request."""
        if res not in self._informers:
            indexers = {"controller": _controller_uid, "orphan": _orphan_namespace, "owner": owner_uids, "uid": own_uid}
            self._informers[res] = Informer(self.client, res, indexers=indexers)
        return self._informers[res]

    @property
    def informers(self) -> Sequence[Informer]:
        return list(self._informers.values())

    def get(self, res: Resource, key: Key) -> Object | None:
        return self.informer(res).store.get(*key)

    def all(self, res: Resource, namespace: str | None = None) -> list[Object]:
        return self.informer(res).store.list(namespace)

    def owned(self, res: Resource, owner: Object) -> list[Object]:
        """Objects whose controller is ``owner``."""
        return self.informer(res).store.by_index("controller", owner["metadata"]["uid"])

    def orphans(self, res: Resource, namespace: str) -> list[Object]:
        """Objects of a namespace that no controller owns."""
        return self.informer(res).store.by_index("orphan", namespace)

    def now(self) -> str:
        return timestamp(self.clock())

    # Being told.

    def on_change(self, res: Resource, add: Add) -> None:
        """Mark an object's own key whenever it changes."""
        self.informer(res).add_handler(lambda old, new: add(key_of(new or old or {})))

    def on_owned(self, res: Resource, owner: Resource, add: Add) -> None:
        """Mark the controlling owner's key whenever an owned object changes."""

        def changed(old: Object | None, new: Object | None) -> None:
            for obj in (old, new):
                ref = controller_of(obj) if obj is not None else None
                if obj is not None and ref is not None and (ref["apiVersion"], ref["kind"]) == _kind(owner):
                    add((obj["metadata"]["namespace"], ref["name"]))

        self.informer(res).add_handler(changed)

    def on_orphan(self, res: Resource, owner: Resource, add: Add) -> None:
        """Mark those whose selector fits an object that no controller owns."""
        owners = self.informer(owner).store

        def changed(old: Object | None, new: Object | None) -> None:
            if new is None or controller_of(new) is not None:
                return
            for one in owners.list(new["metadata"]["namespace"]):
                if matches(one["spec"]["selector"], new["metadata"].get("labels")):
                    add(key_of(one))

        self.informer(res).add_handler(changed)

    # Writing. An answer goes into the cache, so the next reconciliation sees it.

    async def create(self, res: Resource, obj: Object) -> Object:
        return self._seen(res, await self.client.create(res, obj))

    async def replace(self, res: Resource, obj: Object, *, subresource: str | None = None) -> Object:
        return self._seen(res, await self.client.replace(res, obj, subresource=subresource))

    async def patch(self, res: Resource, obj: Object, patch: Object) -> Object:
        """Merge ``patch`` into the object, if it is still the one that was looked at."""
        meta = obj["metadata"]
        guarded = {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": meta["resourceVersion"]}}
        answer = await self.client.patch(res, meta["name"], meta.get("namespace"), guarded)
        return self._seen(res, answer)

    async def write_status(self, res: Resource, obj: Object, status: Object) -> Object:
        """Write ``status`` if it differs from what the object has; returns the object as it is then."""
        if status == obj.get("status"):
            return obj
        return await self.replace(res, {**obj, "status": status}, subresource="status")

    async def delete(
        self, res: Resource, obj: Object, *, propagation: Literal["Background", "Foreground", "Orphan"] | None = None
    ) -> None:
        """Delete exactly this object; one that is gone already, or is another one by now, is fine."""
        meta = obj["metadata"]
        try:
            answer = await self.client.delete(
                res, meta["name"], meta.get("namespace"), uid=meta["uid"], propagation=propagation
            )
        except (errors.NotFound, errors.Conflict):
            return
        if answer.get("kind") != "Status":
            self._seen(res, answer)

    async def event(self, about: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """An Event about an object."""
        await self.recorder.emit(about, reason, message, kind="Warning" if warning else "Normal")

    def _seen(self, res: Resource, obj: Object) -> Object:
        obj["metadata"].pop("managedFields", None)
        if res in self._informers:
            self._informers[res].written(obj)
        return obj


async def in_batches(jobs: Iterable[Callable[[], Awaitable[Any]]]) -> None:
    """Run jobs 1, 2, 4 ... at a time; after a batch with an error no further one starts, and its first error is raised.

    So a refusal that would meet all of a thousand requests is met once.
    """
    waiting, size = list(jobs), 1
    while waiting:
        batch, waiting = waiting[:size], waiting[size:]
        answers = await asyncio.gather(*(job() for job in batch), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        size *= 2


def _kind(res: Resource) -> tuple[str, str]:
    return res.api_version, res.kind


def _controller_uid(obj: Object) -> list[str]:
    ref = controller_of(obj)
    return [ref["uid"]] if ref else []


def _orphan_namespace(obj: Object) -> list[str]:
    return [] if controller_of(obj) else [obj["metadata"].get("namespace", "")]
