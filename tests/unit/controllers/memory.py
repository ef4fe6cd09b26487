"""A small API server in memory, behind the client's Transport: objects, versions, watches, finalizers, owners."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from kaito.kube.client import Resource, Response

Object = dict[str, Any]


def merge(old: Any, new: Any) -> Any:
    """RFC 7386."""
    if not isinstance(new, dict):
        return copy.deepcopy(new)
    out = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


class MemoryApi:
    """Keeps objects by collection path. ``writes`` lists every accepted change as (verb, path)."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {}
        self.writes: list[tuple[str, str]] = []
        self.version = 0
        self._watchers: list[tuple[str, asyncio.Queue[bytes | None]]] = []

    async def close(self) -> None:
        for _, queue in self._watchers:
            queue.put_nowait(None)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        query = query or {}
        content = orjson.loads(body) if body else None
        plural, where, name, sub = self._split(path)
        if method == "GET" and name is None:
            if query.get("watch"):
                return Response(200, {}, self._watch(plural, int(query["resourceVersion"])))
            items = [obj for key, obj in self.objects.get(plural, {}).items() if where is None or key.startswith(where)]
            return self._answer(200, {"items": items, "metadata": {"resourceVersion": str(self.version)}})
        key = f"{where or ''}/{name or content['metadata']['name']}"
        found = self.objects.get(plural, {}).get(key)
        if method == "POST":
            if found is not None:
                return self._refuse(409, "AlreadyExists", key)
            self.writes.append((method, path))
            return self._answer(201, self._put(plural, key, content))
        if method == "PATCH" and found is None and "apply" in (headers or {})["Content-Type"]:
            self.writes.append(("APPLY", path))
            return self._answer(201, self._put(plural, key, content))
        if found is None:
            return self._refuse(404, "NotFound", key)
        if method == "GET":
            return self._answer(200, found)
        self.writes.append((method, path))
        if method == "DELETE":
            self._delete(plural, key)
            return self._answer(200, {"kind": "Status"})
        version = content.get("metadata", {}).pop("resourceVersion", None)
        if version is not None and version != found["metadata"]["resourceVersion"]:
            return self._refuse(409, "Conflict", key)
        if sub == "status":
            content = {"status": content["status"]}
        return self._answer(200, self._put(plural, key, merge(found, content)))

    def put(self, res: Resource, obj: Object) -> Object:
        """Set an object as somebody else would."""
        obj = copy.deepcopy(obj)
        meta = obj["metadata"]
        return self._put(res.plural, f"{meta.get('namespace', '')}/{meta['name']}", obj)

    def get(self, res: Resource, name: str, namespace: str = "default") -> Object | None:
        found = self.objects.get(res.plural, {}).get(f"{namespace if res.namespaced else ''}/{name}")
        return copy.deepcopy(found)

    def change(self, res: Resource, name: str, patch: Object) -> None:
        self.put(res, merge(self.get(res, name), patch))

    def remove(self, res: Resource, name: str, namespace: str = "default") -> None:
        self._delete(res.plural, f"{namespace if res.namespaced else ''}/{name}")

    @staticmethod
    def _split(path: str) -> tuple[str, str | None, str | None, str | None]:
        parts = path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        where = None
        if parts[0] == "namespaces" and len(parts) > 2:
            where, parts = parts[1], parts[2:]
        rest = [*parts[1:], None, None]
        return parts[0], where, rest[0], rest[1]

    def _put(self, plural: str, key: str, obj: Object) -> Object:
        old = self.objects.get(plural, {}).get(key)
        self.version += 1
        meta = obj["metadata"]
        meta.setdefault("uid", f"uid-{self.version}")
        meta["resourceVersion"] = str(self.version)
        spec_moved = old is None or any(
            old.get(part) != obj.get(part) for part in ("spec", "inference", "resource", "tuning")
        )
        meta["generation"] = (old["metadata"]["generation"] if old else 0) + int(spec_moved)
        if plural == "services" and not obj["spec"].get("clusterIP"):
            obj["spec"]["clusterIP"] = f"127.9.0.{self.version % 250 + 1}"
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            self.objects[plural].pop(key)
            self._tell(plural, "DELETED", obj)
            self._collect(meta["uid"])
        else:
            self.objects.setdefault(plural, {})[key] = obj
            self._tell(plural, "ADDED" if old is None else "MODIFIED", obj)
        return obj

    def _delete(self, plural: str, key: str) -> None:
        obj = copy.deepcopy(self.objects[plural][key])
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._put(plural, key, obj)

    def _collect(self, uid: str) -> None:
        for plural, objects in list(self.objects.items()):
            for key, obj in list(objects.items()):
                if any(ref["uid"] == uid for ref in obj["metadata"].get("ownerReferences") or ()):
                    self._delete(plural, key)

    def _tell(self, plural: str, kind: str, obj: Object) -> None:
        line = orjson.dumps({"type": kind, "object": obj}) + b"\n"
        for watched, queue in self._watchers:
            if watched == plural:
                queue.put_nowait(line)

    async def _watch(self, plural: str, since: int) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._watchers.append((plural, queue))
        for obj in self.objects.get(plural, {}).values():
            if int(obj["metadata"]["resourceVersion"]) > since:
                yield orjson.dumps({"type": "MODIFIED", "object": obj}) + b"\n"
        while (line := await queue.get()) is not None:
            yield line

    @staticmethod
    def _answer(status: int, obj: Any) -> Response:
        async def body(data: bytes) -> AsyncIterator[bytes]:
            yield data

        return Response(status, {}, body(orjson.dumps(obj)))

    def _refuse(self, status: int, reason: str, key: str) -> Response:
        return self._answer(status, {"kind": "Status", "code": status, "reason": reason, "message": f"{key}: {reason}"})
