"""Which kinds the server knows right now: the built-in ones, and those that CustomResourceDefinitions add."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kaito.local.apiserver.conversion import Conversions
from kaito.local.schema import crd as crds
from kaito.local.schema.crd import CompiledCRD, CompiledVersion
from kaito.local.schema.registry import BUILTIN, BY_RESOURCE, Type

Object = dict[str, Any]
_SHOWN = 4096
CRD = "customresourcedefinitions.apiextensions.k8s.io"


@dataclass(frozen=True)
class Kind:
    """A served kind. ``resource`` is the store's name for it; ``conversions`` is there when a webhook converts it."""

    type: Type
    crd: CompiledCRD | None = None
    terminating: bool = False
    conversions: Conversions | None = None
    # What was shown of a stored object, by the identity of that object: what is stored never changes.
    shown: dict[int, tuple[Object, Object]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def resource(self) -> str:
        return "events" if self.type.kind == "Event" else self.type.group_resource

    @property
    def compiled(self) -> CompiledVersion | None:
        return self.crd.versions[self.type.version] if self.crd else None

    @property
    def has_status(self) -> bool:
        """True when status is written only through its own subresource."""
        return "status" in self.type.subresources

    async def out(self, obj: Object) -> Object:
        """A stored object as this version shows it. Raises StatusError (500) when its webhook fails."""
        if self.crd is None and self.type.group != "events.k8s.io":
            return obj
        return (await self.out_all([obj]))[0]

    async def out_all(self, objs: Sequence[Object]) -> list[Object]:
        """Stored objects as this version shows them; a webhook is asked once for all of them. Raises StatusError."""
        if self.crd is None:
            return [event_out(obj) for obj in objs] if self.type.group == "events.k8s.io" else list(objs)
        found = [self.shown.get(id(obj)) for obj in objs]
        missing = [obj for obj, known in zip(objs, found, strict=True) if known is None]
        if missing:
            made = iter(await self._in_version(self.crd, missing, self.type.version))
            return [known[1] if known is not None else self._remember(obj, next(made))
                    for obj, known in zip(objs, found, strict=True)]  # fmt: skip
        return [known[1] for known in found if known is not None]

    async def stored(self, obj: Object) -> Object:
        """An object of this version as it is stored. Raises StatusError (500) when its webhook fails."""
        if self.crd is not None:
            storage = self.crd.storage.type.version
            (made,) = await self._in_version(self.crd, [obj], storage)
            if self.conversions is None or made is obj:
                return made
            return _pruned(self.crd.storage, made)
        if self.type.group == "events.k8s.io":
            return event_in(obj)
        return obj

    async def in_version(self, obj: Object, version: str) -> Object:
        """An object of a custom kind in another version of it, completed and pruned as that version is."""
        assert self.crd is not None
        (made,) = await self._in_version(self.crd, [obj], version)
        if made is obj:
            return obj
        made = _pruned(self.crd.versions[version], made)
        self.crd.versions[version].default(made)
        return made

    async def _in_version(self, crd: CompiledCRD, objs: Sequence[Object], version: str) -> list[Object]:
        if self.conversions is None:
            return [crd.renamed(obj, version) for obj in objs]
        return await self.conversions.convert(crd, objs, version)

    def _remember(self, obj: Object, made: Object) -> Object:
        """In this version's shape: fields it does not have are left out, defaults that came later are filled in."""
        assert self.crd is not None
        version = self.crd.versions[self.type.version]
        found = _pruned(version, made)
        version.default(found)
        found = obj if found == obj else found
        if len(self.shown) >= _SHOWN:
            self.shown.clear()
        self.shown[id(obj)] = (obj, found)
        return found


def _pruned(version: CompiledVersion, obj: Object) -> Object:
    """A copy without the fields that the version does not have; the metadata is the same."""
    found, _ = version.prune(obj)
    found["metadata"] = obj["metadata"]
    return found


_BUILTIN = {where: Kind(kind) for where, kind in BY_RESOURCE.items()}


class Kinds:
    """The table of kinds. ``version`` grows with every change, for caches."""

    def __init__(self, conversions: Conversions) -> None:
        self.version = 0
        self._conversions = conversions
        self._custom: dict[tuple[str, str, str], Kind] = {}
        self._crds: dict[str, CompiledCRD] = {}

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        where = (group, version, plural)
        return _BUILTIN.get(where) or self._custom.get(where)

    def has_group_version(self, group: str, version: str) -> bool:
        return any((type.group, type.version) == (group, version) for type in self.types)

    def has_group(self, group: str) -> bool:
        return any(type.group == group for type in self.types)

    @property
    def custom(self) -> list[Type]:
        return [kind.type for kind in self._custom.values()]

    @property
    def types(self) -> list[Type]:
        return [*BUILTIN, *self.custom]

    def put(self, crd: Object) -> None:
        """Serve what this definition says, as far as it is established."""
        compiled = crds.compile(crd)
        self.drop(compiled.name)
        terminating = "deletionTimestamp" in crd["metadata"]
        self._crds[compiled.name] = compiled
        for type in compiled.types:
            asks = self._conversions if compiled.webhook is not None else None
            self._custom[type.group, type.version, type.plural] = Kind(type, compiled, terminating, asks)
        self.version += 1

    def drop(self, name: str) -> None:
        if self._crds.pop(name, None) is not None:
            self._custom = {where: kind for where, kind in self._custom.items()
                            if kind.crd is not None and kind.crd.name != name}  # fmt: skip
            self.version += 1


_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_BACK = {new: old for old, new in _EVENT_FIELDS.items()}


def event_out(obj: Object) -> Object:
    """A stored event as events.k8s.io/v1 shows it."""
    hidden = [key for key in ("reportingComponent", "reportingInstance") if not obj.get(key)]
    renamed = {_EVENT_FIELDS.get(key, key): value for key, value in obj.items() if key not in hidden}
    return renamed | {"apiVersion": "events.k8s.io/v1"}


def event_in(obj: Object) -> Object:
    """An event of events.k8s.io/v1 as the core group's Event, which is what is stored."""
    renamed = {_BACK.get(key, key): value for key, value in obj.items()}
    return renamed | {"apiVersion": "v1"}
