"""What the server says of itself: health, version, discovery, OpenAPI."""

import hashlib
import platform
from typing import Any

import orjson

from kaito.local.apiserver import status
from kaito.local.apiserver.kinds import Kinds
from kaito.local.apiserver.request import JSON, Request, Response, encode, negotiate
from kaito.local.schema import discovery, openapi, openapi_wire

Object = dict[str, Any]
VERSION = {
    "major": "1", "minor": "36", "gitVersion": "v1.36.0+kaito", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "cpython",
    "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
}  # fmt: skip
_AGGREGATED = ("APIGroupDiscoveryList",)


class Documents:
    """The documents of the kinds that are served right now; the large ones are kept until a kind comes or goes."""

    def __init__(self, kinds: Kinds, address: str) -> None:
        self._kinds = kinds
        self._address = address
        self._documents: dict[str, tuple[int, bytes]] = {}

    def answer(self, request: Request, path: str) -> Response:
        """Discovery, OpenAPI, the version."""
        parts = path.strip("/").split("/")
        if request.method not in ("GET", "HEAD"):
            if parts[0] in ("api", "apis", "version", "openapi"):
                raise status.method_not_allowed()
            return plain_404()
        types = self._kinds.types
        if path in ("", "/"):
            return _json({"paths": self._paths()})
        if path == "/version":
            return _json(VERSION)
        if parts[0] == "openapi":
            return self._openapi(request, parts)
        wanted = negotiate(request.headers.get("accept", ""), forms=_AGGREGATED)
        document: Object | None = None
        if parts == ["api"]:
            document = discovery.api_versions(self._address)
            if wanted.kind:
                document = discovery.aggregated(types, core=True)
        elif parts == ["apis"]:
            document = discovery.aggregated(types, core=False) if wanted.kind else discovery.group_list(types)
        elif parts == ["api", "v1"]:
            document = discovery.resource_list(types, "", "v1")
        elif parts[0] == "apis" and len(parts) == 2:
            groups = discovery.group_list(types)["groups"]
            found = [group for group in groups if group["name"] == parts[1]]
            document = {"kind": "APIGroup", "apiVersion": "v1"} | found[0] if found else None
        elif parts[0] == "apis" and len(parts) == 3 and self._kinds.has_group_version(parts[1], parts[2]):
            document = discovery.resource_list(types, parts[1], parts[2])
        if document is None and parts[0] == "apis" and len(parts) == 3 and self._kinds.has_group(parts[1]):
            raise status.path_not_found()
        if document is None:
            return plain_404()
        content_type = wanted.content_type
        if wanted.kind and parts in (["api"], ["apis"]):
            content_type += ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        response = Response(200, encode(document, wanted), content_type)
        if wanted.kind:
            _tag(response, request)
        response.headers["Vary"] = "Accept"
        return response

    def _paths(self) -> list[str]:
        groups = {f"/apis/{type.group}" for type in self._kinds.types if type.group}
        versions = {type.path for type in self._kinds.types}
        others = {"/api", "/apis", "/healthz", "/livez", "/readyz", "/version", "/openapi/v2", "/openapi/v3"}
        return sorted(groups | versions | others)

    def _openapi(self, request: Request, parts: list[str]) -> Response:
        accept = request.headers.get("accept", "")
        name, binary = "/".join(parts[1:]), False
        if "protobuf" in accept and "json" not in accept and "*/*" not in accept:
            binary = name == "v2" and any(media in accept for media in openapi_wire.ASKED_AS)
            if not binary:
                raise status.not_acceptable(["application/json"])
        key = f"{name} in protobuf" if binary else name
        cached = self._documents.get(key)
        if cached is None or cached[0] != self._kinds.version:
            document = self._openapi_document(parts[1:])
            if document is None:
                return Response(404, b"", "") if parts[1:2] == ["v3"] else plain_404()
            encoded = openapi_wire.encode(document) if binary else orjson.dumps(document)
            cached = self._documents[key] = (self._kinds.version, encoded)
        media = openapi_wire.MEDIA_TYPE if binary else "text/plain; charset=utf-8" if name == "v3" else JSON
        response = Response(200, cached[1], media)
        _tag(response, request)
        response.headers["Vary"] = "Accept"
        return response

    def _openapi_document(self, parts: list[str]) -> Object | None:
        types = self._kinds.types
        if parts == ["v2"]:
            return openapi.v2(types)
        if parts == ["v3"]:
            return openapi.v3_index(types)
        if parts[:1] == ["v3"]:
            path = "/" + "/".join(parts[1:])
            chosen = [type for type in types if type.path == path]
            return openapi.v3(chosen) if chosen else None
        return None


def health(request: Request, path: str) -> Response:
    if path.strip("/").count("/") and not path.endswith(("/ping", "/etcd", "/poststarthook", "/log")):
        return plain_404()
    if "verbose" in request.options:
        return Response(200, f"[+]ping ok\n[+]store ok\n{path.strip('/')} check passed\n".encode(), "text/plain")
    return Response(200, b"ok", "text/plain; charset=utf-8")


def _json(document: Any) -> Response:
    return Response(200, orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def plain_404() -> Response:
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


def _tag(response: Response, request: Request) -> None:
    """An ETag, and 304 for a client that has just this already."""
    assert isinstance(response.body, bytes)
    tag = f'"{hashlib.sha256(response.body).hexdigest().upper()[:64]}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "public"
    if request.headers.get("if-none-match") == tag:
        response.status, response.body, response.content_type = 304, b"", ""
