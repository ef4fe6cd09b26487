"""A Kubernetes API client over plain dicts: requests and answers, no cache and no policy."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote

import orjson

from kaito.kube import errors
from kaito.kube.lines import lines

Object = dict[str, Any]
PatchKind = Literal["merge", "json", "strategic"]
PAGE = 500
PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
APPLY_TYPE = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Resource:
    """Where objects of one kind live."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, the object, or its subresource."""
        parts = ["/apis/" + self.group if self.group else "/api", self.version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)


@dataclass
class Response:
    """An answer whose body is still to be read."""

    status: int
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.body])


class Transport(Protocol):
    """Carries one request. Raises errors.Unavailable when nothing answers."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response: ...

    async def close(self) -> None: ...


@dataclass
class Client:
    """Verbs on resources. Every refusal is one of kaito.kube.errors."""

    transport: Transport
    _json: Mapping[str, str] = field(
        default_factory=lambda: {"Accept": "application/json", "Content-Type": "application/json"}
    )

    async def close(self) -> None:
        await self.transport.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """Any request; the answer's body is a stream. Raises ApiError for a status of 400 and above."""
        response = await self.transport.request(method, path, query=query, headers=headers or self._json, body=body)
        if response.status >= 400:
            raise errors.from_response(response.status, await response.read())
        return response

    async def request_json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """Any request with JSON both ways."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        body = None if content is None else orjson.dumps(content)
        response = await self.request(method, path, query=query, headers=headers, body=body)
        return orjson.loads(await response.read())

    async def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        return await self.request_json("GET", res.path(namespace, name))

    async def list(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> tuple[list[Object], str]:
        """All objects, read in pages of 500, and the resourceVersion to watch from."""
        query = _selectors(label_selector, field_selector) | {"limit": str(PAGE)}
        items: list[Object] = []
        while True:
            page = await self.request_json("GET", res.path(namespace), query=query)
            # Items of a list carry no apiVersion and kind of their own.
            items += [{"apiVersion": res.api_version, "kind": res.kind} | item for item in page["items"] or ()]
            token = page["metadata"].get("continue")
            if not token:
                return items, page["metadata"]["resourceVersion"]
            query["continue"] = token

    async def create(self, res: Resource, obj: Object, *, dry_run: bool = False) -> Object:
        path = res.path(obj["metadata"].get("namespace"))
        return await self.request_json("POST", path, query=_dry(dry_run), content=obj)

    async def replace(
        self, res: Resource, obj: Object, *, subresource: str | None = None, dry_run: bool = False
    ) -> Object:
        meta = obj["metadata"]
        path = res.path(meta.get("namespace"), meta["name"], subresource)
        return await self.request_json("PUT", path, query=_dry(dry_run), content=obj)

    async def apply(
        self,
        res: Resource,
        obj: Object,
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Server-side apply."""
        meta = obj["metadata"]
        query = {"fieldManager": field_manager, "force": "true" if force else "false"} | _dry(dry_run)
        path = res.path(meta.get("namespace"), meta["name"], subresource)
        return await self.request_json("PATCH", path, query=query, content=obj, content_type=APPLY_TYPE)

    async def patch(
        self,
        res: Resource,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        kind: PatchKind = "merge",
        subresource: str | None = None,
    ) -> Object:
        path = res.path(namespace, name, subresource)
        return await self.request_json("PATCH", path, content=patch, content_type=PATCH_TYPES[kind])

    async def patch_status(self, res: Resource, name: str, namespace: str | None, status: Object) -> Object:
        """Merge ``status`` into the object's status."""
        return await self.patch(res, name, namespace, {"status": status}, subresource="status")

    async def delete(
        self,
        res: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
        grace_period: int | None = None,
    ) -> Object:
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        return await self.request_json("DELETE", res.path(namespace, name), content=options)

    async def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int | None = None,
    ) -> AsyncIterator[tuple[str, Object]]:
        """(type, object) as they come, bookmarks included, until the server ends the stream.

        Raises ApiError for an ERROR event; errors.Gone when the resourceVersion is too old.
        """
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
        }
        if timeout_seconds is not None:
            query["timeoutSeconds"] = str(timeout_seconds)
        response = await self.request("GET", res.path(namespace), query=query)
        async for line in lines(response.body):
            event = orjson.loads(line)
            if event["type"] == "ERROR":
                raise errors.from_status(event["object"], 500)
            yield event["type"], event["object"]

    async def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str | None = None,
        follow: bool = False,
        tail: int | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """The container's output, in chunks as they come."""
        query = {"follow": "true"} if follow else {}
        if container is not None:
            query["container"] = container
        if tail is not None:
            query["tailLines"] = str(tail)
        if previous:
            query["previous"] = "true"
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/log"
        response = await self.request("GET", path, query=query, headers={"Accept": "*/*"})
        async for chunk in response.body:
            yield chunk


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    query = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in query.items() if value}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
