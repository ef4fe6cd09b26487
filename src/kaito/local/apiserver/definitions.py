"""What happens to CustomResourceDefinitions after they are written: established, refused a name, or cleaned up."""

import asyncio
import contextlib
from functools import partial
from typing import Any

from kaito.local.apiserver import status, strategy
from kaito.local.apiserver.again import again
from kaito.local.apiserver.kinds import CRD, Kind, Kinds
from kaito.local.apiserver.request import Target
from kaito.local.apiserver.store import Event, Expired, Key, Store
from kaito.local.apiserver.write_options import Options
from kaito.local.apiserver.writes import Writer
from kaito.local.schema.registry import BUILTIN

Object = dict[str, Any]


def conditions(crd: Object, others: list[Object]) -> tuple[Object, bool]:
    """(the status that a definition has beside these others, True when its kinds may be served)."""
    problem = _name_taken(crd, others)
    names = crd["spec"]["names"]
    found = crd.get("status") or {}
    kept = {item["type"]: item for item in found.get("conditions") or ()}

    def condition(kind: str, value: str, reason: str, message: str) -> Object:
        before = kept.get(kind)
        if before is not None and (before["status"], before.get("reason")) == (value, reason):
            return before
        return {"type": kind, "status": value, "lastTransitionTime": strategy.now(), "reason": reason,
                "message": message}  # fmt: skip

    if problem:
        reason, message = problem
        accepted = condition("NamesAccepted", "False", reason, message)
        established = condition("Established", "False", "NotAccepted", "not all names are accepted")
    else:
        accepted = condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        established = condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
    rest = [item for kind, item in kept.items() if kind not in ("NamesAccepted", "Established")]
    stored = list(found.get("storedVersions") or ())
    current = next(version["name"] for version in crd["spec"]["versions"] if version.get("storage"))
    if current not in stored:
        stored.append(current)
    accepted_names = found.get("acceptedNames") or {"plural": "", "kind": ""} if problem else dict(names)
    new = {"conditions": [accepted, established, *rest], "acceptedNames": accepted_names, "storedVersions": stored}
    return found | new, not problem


def _name_taken(crd: Object, others: list[Object]) -> tuple[str, str] | None:
    """(reason, message) when another definition of the group has one of the names."""
    spec = crd["spec"]
    group, names = spec["group"], spec["names"]
    plurals, kinds = set(), set()
    for type in BUILTIN:
        if type.group == group:
            plurals.update((type.plural, type.singular, *type.short_names))
            kinds.update((type.kind, type.list_kind))
    for other in others:
        taken = (other.get("status") or {}).get("acceptedNames") or {}
        if other["spec"]["group"] != group or other["metadata"]["name"] == crd["metadata"]["name"]:
            continue
        plurals.update((taken.get("plural"), taken.get("singular"), *(taken.get("shortNames") or ())))
        kinds.update((taken.get("kind"), taken.get("listKind")))
    checks = (
        (names["plural"], plurals, "PluralConflict"),
        (names.get("singular"), plurals, "SingularConflict"),
        *((short, plurals, "ShortNamesConflict") for short in names.get("shortNames") or ()),
        (names["kind"], kinds, "KindConflict"),
        (names.get("listKind"), kinds, "ListKindConflict"),
    )
    found = [(reason, f'"{name}" is already in use') for name, taken, reason in checks if name and name in taken]
    return found[-1] if found else None  # as a real server: the last one is what the condition says


class Definitions:
    """Follows the definitions in the store and keeps the table of kinds up to date."""

    def __init__(self, store: Store, kinds: Kinds, writer: Writer) -> None:
        self._store = store
        self._kinds = kinds
        self._writer = writer
        self._cleaning: dict[str, asyncio.Task[None]] = {}

    def load(self) -> None:
        """Serve what was established before."""
        for crd in self._store.list(CRD):
            if _established(crd):
                self._kinds.put(crd)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            since = 0
            while True:
                since = self._store.version
                for crd in self._store.list(CRD):
                    await self._seen(crd)
                try:
                    async for event in self._store.watch(CRD, since):
                        assert isinstance(event, Event)
                        if event.kind == "DELETED":
                            self._kinds.drop(event.key.name)
                            self._store.end_watches(event.key.name)
                            await self._reconsider()
                        else:
                            await self._seen(event.obj)
                except Expired:
                    continue
        finally:
            for task in self._cleaning.values():
                task.cancel()

    async def _reconsider(self) -> None:
        """A name is free again: somebody may have waited for it."""
        for crd in self._store.list(CRD):
            if not _established(crd):
                await self._seen(crd)

    async def _seen(self, crd: Object) -> None:
        name = crd["metadata"]["name"]
        key = Key(CRD, "", name)
        if "deletionTimestamp" in crd["metadata"]:
            if _established(crd):
                self._kinds.put(crd)
            if name not in self._cleaning:
                task = asyncio.create_task(again(f"deletion of {name}", partial(self._clean, crd)))
                self._cleaning[name] = task
                task.add_done_callback(lambda _: self._cleaning.pop(name, None))
            return
        wanted, served = conditions(crd, self._store.list(CRD))

        def change(current: Object | None) -> Object | None:
            if current is None or current["metadata"]["resourceVersion"] != crd["metadata"]["resourceVersion"]:
                return current
            return current if current.get("status") == wanted else current | {"status": wanted}

        if served:
            self._kinds.put(crd)
        else:
            self._kinds.drop(name)
        await self._store.write(key, change)

    async def _clean(self, crd: Object) -> None:
        """Delete all objects of the definition, wait until they are gone, and let it go."""
        name, spec = crd["metadata"]["name"], crd["spec"]
        stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
        if self._kinds.find(spec["group"], stored, spec["names"]["plural"]) is None:
            self._kinds.put(crd)
        kind = self._kinds.find(spec["group"], stored, spec["names"]["plural"]) or self._any_kind(spec)
        while kind is not None:
            since = self._store.version
            left = self._store.list(kind.resource)
            if not left:
                break
            for obj in left:
                if "deletionTimestamp" not in obj["metadata"]:
                    await self._delete(kind, obj)
            if not self._store.list(kind.resource):
                break
            feed = self._store.watch(kind.resource, since, idle=1.0)
            with contextlib.suppress(Expired):
                await anext(aiter(feed))

        def release(current: Object | None) -> Object | None:
            if current is None:
                return None
            meta = current["metadata"]
            finalizers = [item for item in meta.get("finalizers") or () if item != strategy.CLEANUP]
            if not finalizers:
                return None
            return current | {"metadata": meta | {"finalizers": finalizers}}

        if self._store.get(Key(CRD, "", name)) is not None:
            await self._store.write(Key(CRD, "", name), release)

    def _any_kind(self, spec: Object) -> Kind | None:
        found = (self._kinds.find(spec["group"], v["name"], spec["names"]["plural"]) for v in spec["versions"])
        return next((kind for kind in found if kind is not None), None)

    async def _delete(self, kind: Kind, obj: Object) -> None:
        meta, type = obj["metadata"], kind.type
        target = Target(type.group, type.version, meta.get("namespace", ""), type.plural, meta["name"], "")
        with contextlib.suppress(status.StatusError):
            await self._writer.delete(kind, target, {}, Options("kube-apiserver"))


def _established(crd: Object) -> bool:
    found = (crd.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in found)
