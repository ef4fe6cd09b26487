"""Garbage collection: what nobody owns any more goes; foreground and orphaning deletions are carried out.

It watches the metadata of every kind the API serves. An owner counts as gone only when the API itself says so: a cache
that has not seen it yet proves nothing.
"""

import asyncio
import logging
from collections.abc import Iterator

from kaito.kube import errors
from kaito.kube.client import Object, Resource
from kaito.kube.controller import Controller
from kaito.kube.informer import Informer
from kaito.kube.resources import CRDS
from kaito.local.controllers.cluster import Cluster
from kaito.local.controllers.discovery import resources
from kaito.local.controllers.ownership import own_uid, owner_uids, without_owner
from kaito.local.controllers.podstate import is_terminating

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
UNKNOWN_AGAIN = 30.0
REDISCOVER = 300.0
RETRY = 1.0
IGNORED = {("", "events")}
Item = tuple[str, str, str]
Kind = tuple[str, str]

log = logging.getLogger(__name__)


class GarbageCollector:
    """``run`` until cancelled. Make it after the other controllers were wired: it shares their informers."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed = asyncio.Event()
        self._kinds: dict[Kind, Resource] = {}
        self._informers: dict[Resource, Informer] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}
        self._controller: Controller[Item] = Controller("garbage collector", self.reconcile)
        cluster.informer(CRDS).add_handler(lambda old, new: self._changed.set())
        for informer in cluster.informers:
            self._attend(informer.resource, informer)

    async def run(self) -> None:
        """Learn the kinds, watch them all, then collect."""
        async with asyncio.TaskGroup() as tasks:
            working = False
            while True:
                self._changed.clear()
                if not await self._learn(tasks):
                    await asyncio.sleep(RETRY)
                    continue
                if not working:
                    working = True
                    run = self._controller.run(list(self._informers.values()))
                    tasks.create_task(run, name=self._controller.name)
                try:
                    async with asyncio.timeout(REDISCOVER):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    # Which kinds there are.

    async def _learn(self, tasks: asyncio.TaskGroup) -> bool:
        """Watch kinds that are new, forget those that are gone; False when the API could not tell."""
        try:
            found = await resources(self._cluster.client)
        except errors.ApiError as exc:
            log.warning("the kinds cannot be listed now: %s", exc.message)
            return False
        wanted = {res for res in found if (res.group, res.plural) not in IGNORED}
        self._kinds = {(res.group, res.kind): res for res in found}
        for res in wanted - self._informers.keys():
            indexers = {"owner": owner_uids, "uid": own_uid}
            informer = Informer(self._cluster.client, res, indexers=indexers, keep=_metadata)
            self._attend(res, informer)
            self._tasks[res] = tasks.create_task(informer.run(), name=f"garbage informer {res.plural}")
        for res in self._tasks.keys() - wanted:
            self._tasks.pop(res).cancel()
            self._informers.pop(res)
        return True

    def _attend(self, res: Resource, informer: Informer) -> None:
        self._informers[res] = informer
        informer.add_handler(lambda old, new: self._heard(res, old, new))

    def _heard(self, res: Resource, old: Object | None, new: Object | None) -> None:
        add = self._controller.queue.add
        if new is not None:
            finalizers = new["metadata"].get("finalizers") or ()
            if is_terminating(new) and (FOREGROUND in finalizers or ORPHAN in finalizers):
                add(_item(res, new))
                # Its dependents now have an owner that waits for them.
                self._add_dependents(new["metadata"]["uid"])
            elif owner_uids(new) and (old is None or owner_uids(old) != owner_uids(new)):
                add(_item(res, new))
        if new is None and old is not None:
            self._add_dependents(old["metadata"]["uid"])
        for uid in set(owner_uids(old) if old else ()) - set(owner_uids(new) if new else ()):
            # An owner may be waiting for exactly this dependent.
            for owner_res, owner in self._terminating(uid):
                add(_item(owner_res, owner))

    def _add_dependents(self, uid: str) -> None:
        for res, dependent in self._dependents(uid):
            self._controller.queue.add(_item(res, dependent))

    def _dependents(self, uid: str) -> Iterator[tuple[Resource, Object]]:
        for res, informer in self._informers.items():
            for obj in informer.store.by_index("owner", uid):
                yield res, obj

    def _terminating(self, uid: str) -> Iterator[tuple[Resource, Object]]:
        for res, informer in self._informers.items():
            for obj in informer.store.by_index("uid", uid):
                if is_terminating(obj):
                    yield res, obj

    # One object.

    async def reconcile(self, item: Item) -> float | None:
        kind, namespace, name = item
        res = next((one for one in self._informers if _kind_of(one) == kind), None)
        obj = self._informers[res].store.get(namespace, name) if res is not None else None
        if res is None or obj is None:
            return None
        finalizers = obj["metadata"].get("finalizers") or ()
        if is_terminating(obj):
            if not all(informer.synced.is_set() for informer in self._informers.values()):
                return RETRY
            if ORPHAN in finalizers:
                await self._orphan(res, obj)
            elif FOREGROUND in finalizers:
                await self._foreground(res, obj)
            return None
        return await self._collect(res, obj)

    async def _orphan(self, res: Resource, obj: Object) -> None:
        """Let the dependents live on without this owner."""
        uid = obj["metadata"]["uid"]
        for dependent_res, dependent in list(self._dependents(uid)):
            await self._keep_owners(dependent_res, dependent, without_owner(dependent, uid))
        await self._remove_finalizer(res, obj, ORPHAN)

    async def _foreground(self, res: Resource, obj: Object) -> None:
        """The owner goes when no dependent that blocks it is left; their own turn deletes them."""
        uid = obj["metadata"]["uid"]
        for dependent_res, dependent in self._dependents(uid):
            if not is_terminating(dependent):
                self._controller.queue.add(_item(dependent_res, dependent))
        if all(self._awaits(dependent, uid) for dependent in self._blocking(uid)):
            await self._remove_finalizer(res, obj, FOREGROUND)

    def _blocking(self, uid: str) -> list[Object]:
        """Dependents whose reference asks the owner to wait."""
        return [
            dependent
            for _, dependent in self._dependents(uid)
            if any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in _refs(dependent))
        ]

    def _awaits(self, obj: Object, uid: str) -> bool:
        """Whether ``obj`` itself waits, in some steps, for the object ``uid``: of a circle one must go first."""
        seen: set[str] = set()
        line = [obj]
        while line:
            one = line.pop()
            if one["metadata"]["uid"] == uid:
                return True
            waits = is_terminating(one) and FOREGROUND in (one["metadata"].get("finalizers") or ())
            if waits and one["metadata"]["uid"] not in seen:
                seen.add(one["metadata"]["uid"])
                line += self._blocking(one["metadata"]["uid"])
        return False

    async def _collect(self, res: Resource, cached: Object) -> float | None:
        """Delete an object that has owners, none of which is there any more."""
        if not owner_uids(cached) or all([await self._state(res, cached, ref) == "solid" for ref in _refs(cached)]):
            return None
        meta = cached["metadata"]
        try:
            obj = await self._cluster.client.get(res, meta["name"], meta.get("namespace"))
        except errors.NotFound:
            return None
        if obj["metadata"]["uid"] != meta["uid"] or is_terminating(obj):
            return None
        states = {ref["uid"]: await self._state(res, obj, ref) for ref in _refs(obj)}
        if not states:
            return None
        if "unknown" in states.values():
            return UNKNOWN_AGAIN
        if "solid" in states.values():
            kept = [ref for ref in _refs(obj) if states[ref["uid"]] == "solid"]
            if kept != _refs(obj):
                await self._keep_owners(res, obj, kept)
            return None
        finalizers = obj["metadata"].get("finalizers") or ()
        awaited = "waiting" in states.values() and any(True for _ in self._dependents(meta["uid"]))
        if awaited or FOREGROUND in finalizers:
            await self._cluster.delete(res, obj, propagation="Foreground")
        else:
            await self._cluster.delete(res, obj, propagation="Orphan" if ORPHAN in finalizers else "Background")
        return None

    async def _state(self, res: Resource, obj: Object, ref: Object) -> str:
        """What has become of an owner: solid, waiting for its dependents, gone, or of a kind that is unknown here."""
        group = ref["apiVersion"].rpartition("/")[0]
        owner_res = self._kinds.get((group, ref["kind"]))
        if owner_res is None or (owner_res.namespaced and not res.namespaced):
            return "unknown"
        namespace = obj["metadata"].get("namespace", "") if owner_res.namespaced else ""
        informer = self._informers.get(owner_res)
        owner = informer.store.get(namespace, ref["name"]) if informer is not None else None
        if owner is None or owner["metadata"]["uid"] != ref["uid"]:
            try:
                owner = await self._cluster.client.get(owner_res, ref["name"], namespace or None)
            except errors.NotFound:
                return "gone"
            if owner["metadata"]["uid"] != ref["uid"]:
                return "gone"
        waits = is_terminating(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or ())
        return "waiting" if waits else "solid"

    # Writes.

    async def _keep_owners(self, res: Resource, obj: Object, refs: list[Object]) -> None:
        try:
            await self._cluster.patch(res, obj, {"metadata": {"ownerReferences": refs or None}})
        except errors.NotFound:
            pass

    async def _remove_finalizer(self, res: Resource, obj: Object, finalizer: str) -> None:
        left = [one for one in obj["metadata"].get("finalizers") or () if one != finalizer]
        try:
            await self._cluster.patch(res, obj, {"metadata": {"finalizers": left or None}})
        except errors.NotFound:
            pass


def _metadata(obj: Object) -> Object:
    """What of an object matters here; the rest would only cost memory."""
    return {key: obj[key] for key in ("apiVersion", "kind", "metadata") if key in obj}


def _refs(obj: Object) -> list[Object]:
    return obj["metadata"].get("ownerReferences") or []


def _kind_of(res: Resource) -> str:
    return f"{res.plural}.{res.group}"


def _item(res: Resource, obj: Object) -> Item:
    return _kind_of(res), obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
