"""Which kinds the server knows right now: the built-in ones, and those that CustomResourceDefinitions add."""

from dataclasses import dataclass, field
from typing import Any

from kaito.local.apiserver import status
from kaito.local.schema import crd as crds
from kaito.local.schema.crd import CompiledCRD, CompiledVersion
from kaito.local.schema.registry import BUILTIN, BY_RESOURCE, Type

Object = dict[str, Any]
_SHOWN = 4096
CRD = "customresourcedefinitions.apiextensions.k8s.io"


@dataclass(frozen=True)
class Kind:
    """A served kind. ``resource`` is the store's name for it."""

    type: Type
    crd: CompiledCRD | None = None
    terminating: bool = False
    shown: dict[tuple[str, str], Object] = field(default_factory=dict, compare=False, repr=False)

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

    def out(self, obj: Object) -> Object:
        """A stored object as this version shows it."""
        if self.crd is not None:
            return self._custom_out(self.crd, obj)
        if self.type.group == "events.k8s.io":
            return event_out(obj)
        return obj

    def _custom_out(self, crd: CompiledCRD, obj: Object) -> Object:
        """In this version's shape: fields it does not have are left out, defaults that came later are filled in."""
        meta = obj["metadata"]
        name = (meta.get("uid", ""), meta.get("resourceVersion", ""))
        found = self.shown.get(name)
        if found is None:
            version = crd.versions[self.type.version]
            found, _ = version.prune(_converted(crd, obj, self.type.version))
            found["metadata"] = meta
            version.default(found)
            found = obj if found == obj else found
            if len(self.shown) >= _SHOWN:
                self.shown.clear()
            self.shown[name] = found
        return found

    def stored(self, obj: Object) -> Object:
        """An object of this version as it is stored."""
        if self.crd is not None:
            return _converted(self.crd, obj, self.crd.storage.type.version)
        if self.type.group == "events.k8s.io":
            return event_in(obj)
        return obj


def _converted(crd: CompiledCRD, obj: Object, version: str) -> Object:
    try:
        return crd.convert(obj, version)
    except crds.ConversionError as exc:
        raise status.internal(str(exc)) from exc


_BUILTIN = {where: Kind(kind) for where, kind in BY_RESOURCE.items()}


class Kinds:
    """The table of kinds. ``version`` grows with every change, for caches."""

    def __init__(self) -> None:
        self.version = 0
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
            self._custom[type.group, type.version, type.plural] = Kind(type, compiled, terminating)
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
