"""An API server in memory behind the Transport protocol, with the real rules for writes, deletion and discovery.

Defaults, validation, immutable fields and discovery are the embedded server's own (kaito.local.schema). What is small
here is storage and transport.
"""

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from kaito.kube.client import Response
from kaito.local.kubelet.events import timestamp
from kaito.local.schema import crd, discovery, registry, validation
from kaito.local.schema.errors import FieldError
from kaito.local.schema.registry import Type

Object = dict[str, Any]
CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Where:
    type: Type
    namespace: str = ""
    name: str = ""
    sub: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.type.group_resource, self.namespace, self.name


class Plane:
    """All objects by (resource, namespace, name). ``clock`` gives seconds since the epoch."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.version = 0
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.events: list[tuple[int, str, bytes]] = []
        self.changed = asyncio.Condition()
        self.types = {(t.group, t.version, t.plural): t for t in registry.BUILTIN}
        self.requests: list[tuple[str, str]] = []
        self.refuse: dict[tuple[str, str], Refused] = {}
        """What the next requests of a method on a plural are answered."""
        self.writes_left: int | None = None
        """After so many writes none is answered any more."""
        self.vanish: tuple[int, str, str] | None = None
        """(number, resource, name): before that many writes from now the object is gone."""
        self.pod_history: list[str] = []

    async def close(self) -> None:
        pass

    # Requests.

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        content = orjson.loads(body) if body else {}
        try:
            document = self._discovery(path)
            if document is not None:
                return _answer(200, document)
            where = self._where(path)
            if (method, where.type.plural) in self.refuse:
                raise self.refuse[method, where.type.plural]
            if method != "GET":
                if self.writes_left == 0:
                    raise Refused(503, "ServiceUnavailable", "away")
                self.writes_left = self.writes_left and self.writes_left - 1
                self.requests.append((method, path))
                await self._vanish()
            if method == "GET" and not where.name:
                if (query or {}).get("watch"):
                    return Response(200, {}, self._watch(where, int((query or {})["resourceVersion"])))
                return _answer(200, self._list(where))
            if method == "POST":
                return _answer(201, await self._create(where, content))
            old = self.objects.get(where.key)
            if old is None:
                raise Refused(404, "NotFound", f'{where.type.group_resource} "{where.name}" not found')
            if method == "GET":
                return _answer(200, old)
            if method == "PATCH":
                assert (headers or {})["Content-Type"] == "application/merge-patch+json"
                content = _merge(old, {"status": content["status"]} if where.sub == "status" else content)
                return _answer(200, await self._update(where, content))
            if method == "PUT":
                return _answer(200, await self._update(where, content))
            return _answer(200, await self._delete(where, old, content))
        except Refused as exc:
            status = {"kind": "Status", "code": exc.code, "reason": exc.reason, "message": str(exc)}
            return _answer(exc.code, status)

    async def _vanish(self) -> None:
        if self.vanish is None:
            return
        left, resource, name = self.vanish
        self.vanish = (left - 1, resource, name) if left > 1 else None
        if left == 1:
            await self.remove(resource, name)

    def _discovery(self, path: str) -> Object | None:
        types, parts = list(self.types.values()), path.strip("/").split("/")
        if path == "/apis":
            return discovery.group_list(types)
        if path == "/api/v1":
            return discovery.resource_list(types, "", "v1")
        if parts[0] == "apis" and len(parts) == 3:
            return discovery.resource_list(types, parts[1], parts[2])
        return None

    def _where(self, path: str) -> Where:
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and (group, version, rest[2]) in self.types:
            namespace, rest = rest[1], rest[2:]
        found = self.types.get((group, version, rest[0]))
        if found is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return Where(found, namespace, *rest[1:3])

    def _list(self, where: Where) -> Object:
        items = [
            obj
            for (resource, namespace, _), obj in self.objects.items()
            if resource == where.type.group_resource and where.namespace in ("", namespace)
        ]
        return {"metadata": {"resourceVersion": str(self.version)}, "items": items}

    async def _create(self, where: Where, content: Object) -> Object:
        content["metadata"]["namespace"] = where.namespace or None
        space = self.objects.get(("namespaces", "", where.namespace))
        if space is not None and "deletionTimestamp" in space["metadata"]:
            raise Refused(403, "Forbidden", f"namespace {where.namespace} is being terminated")
        meta = {key: value for key, value in content["metadata"].items() if value is not None}
        if "name" not in meta:
            meta["name"] = meta["generateName"] + uuid4().hex[:5]
        obj = _prepared(where.type, validation.prepare_create(where.type, {**content, "metadata": meta}), None)
        key = (where.type.group_resource, where.namespace, obj["metadata"]["name"])
        if key in self.objects:
            raise Refused(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
        obj["metadata"] |= {"creationTimestamp": timestamp(self.clock()), "generation": 1}
        return await self._put("ADDED", key, obj)

    async def _update(self, where: Where, content: Object) -> Object:
        old = self.objects[where.key]
        version = content["metadata"].get("resourceVersion")
        if version is not None and version != old["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict", "the object has been modified; please apply your changes to the latest")
        if content["metadata"].get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise Refused(409, "Conflict", "uid differs")
        if where.sub == "status":
            new = {**old, "status": content["status"]}
        elif where.sub == "finalize":
            new = {**old, "spec": content["spec"]}
        else:
            new = {**content, "status": old["status"]} if "status" in old else content
            if where.type.subresources.count("status") == 0:
                new = content
            new = _prepared(where.type, validation.prepare_update(where.type, new, old), old)
            if where.type.group_resource in ("persistentvolumeclaims", "persistentvolumes") and "status" in old:
                new["status"] = old["status"]
        if new.get("spec") != old.get("spec"):
            new["metadata"] = {**new["metadata"], "generation": old["metadata"]["generation"] + 1}
        if new == old:
            return old
        if "deletionTimestamp" in old["metadata"] and not _is_held(where.type, new):
            return await self._put("DELETED", where.key, new)
        return await self._put("MODIFIED", where.key, new)

    async def _delete(self, where: Where, old: Object, options: Object) -> Object:
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise Refused(409, "Conflict", "the uid in the precondition differs")
        new = copy.deepcopy(old)
        meta = new["metadata"]
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.get("propagationPolicy", ""))
        if finalizer and finalizer not in meta.get("finalizers", []) and "deletionTimestamp" not in meta:
            meta["finalizers"] = [*meta.get("finalizers", []), finalizer]
        grace = 0
        if where.type.kind == "Pod" and old["spec"].get("nodeName"):
            grace = options.get("gracePeriodSeconds", old["spec"]["terminationGracePeriodSeconds"])
        meta.setdefault("deletionTimestamp", timestamp(self.clock()))
        meta["deletionGracePeriodSeconds"] = min(grace, meta.get("deletionGracePeriodSeconds", grace))
        if where.type.kind == "Namespace":
            new["status"] = {**new["status"], "phase": "Terminating"}
        if _is_held(where.type, new):
            return old if new == old else await self._put("MODIFIED", where.key, new)
        gone = await self._put("DELETED", where.key, new)
        if where.type.kind == "Pod":
            return gone
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    # Storage.

    async def _put(self, kind: str, key: tuple[str, str, str], obj: Object) -> Object:
        self.version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        if key[0] == CRDS:
            for served in crd.compile(obj).types:
                self.types[served.group, served.version, served.plural] = served
                if kind == "DELETED":
                    del self.types[served.group, served.version, served.plural]
        if key[0] == "pods":
            self._note(kind, key, obj)
        if kind == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = obj
        async with self.changed:
            self.events.append((self.version, key[0], orjson.dumps({"type": kind, "object": obj}) + b"\n"))
            self.changed.notify_all()
        return obj

    def _note(self, kind: str, key: tuple[str, str, str], pod: Object) -> None:
        before = self.objects.get(key)
        stops = before is not None and "deletionTimestamp" not in before["metadata"]
        if kind == "MODIFIED" and stops and "deletionTimestamp" in pod["metadata"]:
            self.pod_history.append("~" + key[2])
        elif kind != "MODIFIED":
            self.pod_history.append({"ADDED": "+", "DELETED": "-"}[kind] + key[2])

    async def _watch(self, where: Where, since: int) -> AsyncIterator[bytes]:
        while True:
            async with self.changed:
                while self.version <= since:
                    await self.changed.wait()
                resource = where.type.group_resource
                lines = [line for version, name, line in self.events if version > since and name == resource]
                since = self.version
            for line in lines:
                yield line

    # What tests look at.

    def refusal(self, code: int, reason: str, message: str) -> Refused:
        return Refused(code, reason, message)

    def all(self, resource: str, namespace: str | None = None) -> list[Object]:
        chosen = [obj for (name, space, _), obj in self.objects.items() if name == resource]
        if namespace is not None:
            chosen = [obj for obj in chosen if obj["metadata"].get("namespace") == namespace]
        return sorted(chosen, key=lambda obj: obj["metadata"]["name"])

    def get(self, resource: str, name: str, namespace: str = "default") -> Object | None:
        return self.objects.get((resource, namespace, name))

    def names(self, resource: str) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.all(resource)]

    async def set(self, resource: str, name: str, change: Object, namespace: str = "default") -> Object:
        """Merge a change into an object past all rules, as another component would through its own door."""
        old = self.objects[resource, namespace, name]
        return await self._put("MODIFIED", (resource, namespace, name), _merge(old, change))

    async def remove(self, resource: str, name: str, namespace: str = "default") -> None:
        await self._put("DELETED", (resource, namespace, name), self.objects[resource, namespace, name])


def _is_held(type: Type, obj: Object) -> bool:
    meta = obj["metadata"]
    if meta.get("finalizers") or (type.kind == "Namespace" and (obj.get("spec") or {}).get("finalizers")):
        return True
    return type.kind == "Pod" and bool(meta.get("deletionGracePeriodSeconds"))


def _prepared(type: Type, prepared: validation.Prepared, old: Object | None) -> Object:
    wrong: list[FieldError] = validation.validate(type, prepared.obj, old)
    texts = [*prepared.unknown, *prepared.decode_errors, *map(str, wrong)]
    if texts:
        raise Refused(422, "Invalid", f"{type.kind} is invalid: {'; '.join(texts)}")
    return prepared.obj


def _merge(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    base = old if isinstance(old, dict) else {}
    merged = {**base, **{k: _merge(base.get(k), v) for k, v in patch.items()}}
    return {k: v for k, v in merged.items() if v is not None}


def _answer(code: int, obj: Any) -> Response:
    return Response(code, {}, _once(orjson.dumps(obj)))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
