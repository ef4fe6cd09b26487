"""A small API server behind the Transport protocol: create, read, merge-patch, bind, delete with grace, watch."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import orjson

from kaito.kube.client import Response

Object = dict[str, Any]


class SmallApi:
    """Objects by collection path and name. Pods wait for their kubelet on deletion, as in Kubernetes."""

    def __init__(self) -> None:
        self.version = 0
        self.objects: dict[tuple[str, str], Object] = {}
        self.events: list[tuple[int, str, bytes]] = []
        self.changed = asyncio.Condition()
        self.writes = 0

    async def close(self) -> None:
        pass

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        plural, namespace, name, sub = _split(path)
        content = orjson.loads(body) if body else {}
        if method == "GET" and name is None:
            if (query or {}).get("watch"):
                return Response(200, {}, self._watch(plural, int((query or {})["resourceVersion"])))
            items = [o for (kind, _), o in self.objects.items() if kind == plural]
            return _answer(200, {"metadata": {"resourceVersion": str(self.version)}, "items": items})
        key = (plural, f"{namespace}/{name or content['metadata']['name']}")
        if method == "POST" and sub is None:
            if key in self.objects:
                return _status(409, "AlreadyExists", key[1])
            made = {"resourceVersion": "", "uid": str(uuid4()), "creationTimestamp": "2026-01-01T00:00:00Z"}
            return _answer(201, await self._put("ADDED", key, {**content, "metadata": made | content["metadata"]}))
        if key not in self.objects:
            return _status(404, "NotFound", key[1])
        old = self.objects[key]
        if method == "GET":
            return _answer(200, old)
        if method == "POST":
            bound = {**old, "spec": {**old["spec"], "nodeName": content["target"]["name"]}}
            return _answer(201, await self._put("MODIFIED", key, bound))
        if method == "PATCH":
            kept = {"status": content["status"]} if sub == "status" else content
            return _answer(200, await self._put("MODIFIED", key, _merge(old, kept)))
        return _answer(200, await self._delete(key, old, content))

    async def _delete(self, key: tuple[str, str], old: Object, options: Object) -> Object:
        grace = options.get("gracePeriodSeconds", old.get("spec", {}).get("terminationGracePeriodSeconds", 30))
        if key[0] == "pods" and grace:
            ends = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
            return await self._put("MODIFIED", key, {**old, "metadata": old["metadata"] | ends})
        return await self._put("DELETED", key, old)

    async def _put(self, kind: str, key: tuple[str, str], obj: Object) -> Object:
        self.version += 1
        self.writes += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        if kind == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = obj
        async with self.changed:
            self.events.append((self.version, key[0], orjson.dumps({"type": kind, "object": obj}) + b"\n"))
            self.changed.notify_all()
        return obj

    async def _watch(self, plural: str, since: int) -> AsyncIterator[bytes]:
        while True:
            async with self.changed:
                while self.version <= since:
                    await self.changed.wait()
                lines = [line for version, kind, line in self.events if version > since and kind == plural]
                since = self.version
            for line in lines:
                yield line


def _merge(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    base = old if isinstance(old, dict) else {}
    merged = {**base, **{k: _merge(base.get(k), v) for k, v in patch.items()}}
    return {k: v for k, v in merged.items() if v is not None}


def _split(path: str) -> tuple[str, str, str | None, str | None]:
    parts = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    return parts[0], namespace, parts[1] if len(parts) > 1 else None, parts[2] if len(parts) > 2 else None


def _answer(code: int, obj: Any) -> Response:
    return Response(code, {}, _once(orjson.dumps(obj)))


def _status(code: int, reason: str, name: str) -> Response:
    return _answer(code, {"kind": "Status", "code": code, "reason": reason, "message": f"{name}: {reason}"})


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
