"""A small API server behind the Transport protocol: one kind, real list and watch rules, faults on demand."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from kaito.kube.client import Response

Object = dict[str, Any]


class FakeServer:
    """Objects of one namespaced kind. ``forget()`` makes every old version too old, as etcd's compaction does."""

    def __init__(self) -> None:
        self.version = 0
        self.objects: dict[str, Object] = {}
        self.events: list[tuple[int, bytes]] = []
        self.oldest = 0
        self.lists = 0
        self.down = False
        self.changed = asyncio.Condition()
        self.cuts = 0
        self.inject: bytes | None = None

    async def put(self, name: str, **data: Any) -> Object:
        kind = "MODIFIED" if name in self.objects else "ADDED"
        uid = self.objects[name]["metadata"]["uid"] if name in self.objects else f"uid-{self.version}"
        self.version += 1
        meta = {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(self.version), "managedFields": []}
        self.objects[name] = {"metadata": meta, "data": data}
        await self._record(kind, self.objects[name])
        return self.objects[name]

    async def delete(self, name: str) -> None:
        self.version += 1
        gone = self.objects.pop(name)
        meta = gone["metadata"] | {"resourceVersion": str(self.version)}
        await self._record("DELETED", gone | {"metadata": meta})

    def forget(self) -> None:
        self.oldest = self.version
        self.events.clear()

    async def cut(self, *, inject: bytes | None = None) -> None:
        """End every watch, after one injected line if given."""
        async with self.changed:
            self.cuts += 1
            self.inject = inject
            self.changed.notify_all()

    async def _record(self, kind: str, obj: Object) -> None:
        async with self.changed:
            self.events.append((self.version, orjson.dumps({"type": kind, "object": obj}) + b"\n"))
            self.changed.notify_all()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        assert method == "GET"
        if self.down:
            return Response(503, {}, _once(b"down"))
        if not (query or {}).get("watch"):
            self.lists += 1
            listing = {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.objects.values())}
            return Response(200, {}, _once(orjson.dumps(listing)))
        return Response(200, {}, self._watch(int((query or {})["resourceVersion"])))

    async def close(self) -> None:
        pass

    async def _watch(self, since: int) -> AsyncIterator[bytes]:
        if since < self.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            yield orjson.dumps({"type": "ERROR", "object": gone})
            return
        cuts = self.cuts
        while True:
            async with self.changed:
                while self.cuts == cuts and not any(version > since for version, _ in self.events):
                    await self.changed.wait()
                lines = [(version, line) for version, line in self.events if version > since]
                ended = self.cuts != cuts
                inject = self.inject
            if ended:
                if inject is not None:
                    yield inject
                return
            for version, line in lines:
                since = version
                yield line


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
