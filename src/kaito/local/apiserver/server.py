"""The embedded API server: HTTPS on the loopback, and the same answers in-process for the controllers beside it."""

import asyncio
import contextlib
import gzip
import hmac
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import http_exceptions, web

from kaito.kube import client
from kaito.local.apiserver import address, certs, proxy_route, status
from kaito.local.apiserver.again import again
from kaito.local.apiserver.conversion import Conversions
from kaito.local.apiserver.definitions import Definitions
from kaito.local.apiserver.handler import Handler
from kaito.local.apiserver.hook_client import HookClient
from kaito.local.apiserver.kinds import Kinds
from kaito.local.apiserver.request import BODY_LIMIT, Request, Response, Target, parse_target
from kaito.local.apiserver.store import Key, Store
from kaito.local.apiserver.subresources import Logs, Subresources
from kaito.local.apiserver.webhooks import Webhooks
from kaito.local.apiserver.write_options import Options
from kaito.local.apiserver.writes import Writer
from kaito.local.kubelet import LogError

log = logging.getLogger(__name__)
Object = dict[str, Any]
EVENT_SECONDS = 3600.0
_GZIP_FROM = 128 * 1024
_HOSTS = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}")
_HEADER_LIMIT = 256 * 1024
"""Of a path with its query, and of one header: selectors may be long."""
_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class ApiServer:
    """One cluster's API. ``start`` before use; ``stop`` at the end.

    Raises StoreError, IdentityError or AddressError from ``start``, each a sentence for a person.
    """

    def __init__(self, state_dir: Path, *, port: int | None = None) -> None:
        self._state_dir = state_dir
        self._requested_port = port
        self._store = Store(state_dir / "store")
        self._hooks = HookClient(self._service_address)
        self._kinds = Kinds(Conversions(self._hooks))
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.ServerRunner | None = None
        self._held = contextlib.ExitStack()

    async def start(self) -> None:
        """Open the store, take the port, answer."""
        self._store.open()
        try:
            self.address = address.choose(self._state_dir, self._requested_port)
            self._held.enter_context(self.address.mark)
            self._identity = certs.ensure(self._state_dir, [*_HOSTS[:2], *_HOSTS[2:], _first_ip(self.address)])
            self._webhooks = Webhooks(self._webhook_configs, self._namespace_labels, self._hooks)
            self._writer = Writer(self._store, self._webhooks, self.address.service_cidr)
            self._subresources = Subresources(self._store, self._writer)
            self._handler = Handler(self._store, self._kinds, self._writer, self._subresources,
                                    f"127.0.0.1:{self.address.port}")  # fmt: skip
            self._handler.is_admin = self._is_admin
            self._definitions = Definitions(self._store, self._kinds, self._writer)
            self._definitions.load()
            await self._seed()
            self._proxy = proxy_route.session()
            await self._listen()
        except BaseException:
            await self._let_go()
            raise
        work = {"definitions": self._definitions.run, "old events": self._forget_events}
        self._tasks = [asyncio.create_task(again(what, job), name=what) for what, job in work.items()]

    async def stop(self) -> None:
        """Let go of the port and the store; what was acknowledged is on disk."""
        for task in self._tasks:
            task.cancel()
        try:
            for task in self._tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if self._runner is not None:
                await self._runner.cleanup()
            await self._proxy.close()
            await self._hooks.close()
        finally:
            # The store's writer is a thread: a process in which it is not closed never ends.
            await self._let_go()

    async def _let_go(self) -> None:
        await self._store.close()
        self._held.close()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.address.port}"

    @property
    def ca(self) -> str:
        """The certificate authority's certificate, PEM."""
        return self._identity.ca_pem.decode()

    def transport(self, agent: str) -> "LocalTransport":
        """The same API without a network, for what runs in this process; ``agent`` is the field manager's name."""
        return LocalTransport(self._handler, agent)

    def set_logs(self, logs: Logs) -> None:
        """Where the output of containers comes from."""
        self._subresources.logs = logs

    def write_kubeconfig(self) -> Path:
        """The kubeconfig's path; only its owner can read it."""
        path = self._state_dir / "kubeconfig"
        certs.write_private(path, certs.kubeconfig(self._identity, self.url).encode())
        return path

    # ------------------------------------------------------------------------------------------------------ lookups

    def _is_admin(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._identity.token.encode())

    def _webhook_configs(self, kind: str) -> list[Object]:
        return self._store.list(f"{kind.lower()}s.admissionregistration.k8s.io")

    def _namespace_labels(self, name: str) -> Object:
        found = self._store.get(Key("namespaces", "", name))
        return (found or {}).get("metadata", {}).get("labels") or {}

    def _slices(self, namespace: str, service: str) -> list[Object]:
        found = self._store.list("endpointslices.discovery.k8s.io", namespace)
        name = "kubernetes.io/service-name"
        return [item for item in found if (item["metadata"].get("labels") or {}).get(name) == service]

    def _service_address(self, namespace: str, name: str, port: int) -> tuple[str, int] | None:
        service = self._store.get(Key("services", namespace, name))
        if service is None:
            return None
        try:
            return proxy_route.service_target(service, self._slices(namespace, name), str(port))
        except status.StatusError:
            return None

    # ------------------------------------------------------------------------------------------------------ contents

    async def _seed(self) -> None:
        """What every cluster has from its first second on."""
        options = Options("kube-apiserver")
        for name in _NAMESPACES:
            await self._ensure("", "v1", "", "namespaces", {"metadata": {"name": name}}, options)
        service = {
            "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": _first_ip(self.address), "type": "ClusterIP",
                     "ports": [{"name": "https", "port": 443, "targetPort": self.address.port}]},
        }  # fmt: skip
        await self._ensure("", "v1", "default", "services", service, options)
        for name, value in (("system-cluster-critical", 2000000000), ("system-node-critical", 2000001000)):
            text = "Used for system critical pods that must run in the cluster."
            body = {"metadata": {"name": name}, "value": value, "description": text}
            await self._ensure("scheduling.k8s.io", "v1", "", "priorityclasses", body, options)

    async def _ensure(
        self, group: str, version: str, namespace: str, plural: str, body: Object, options: Options
    ) -> None:
        kind = self._kinds.find(group, version, plural)
        assert kind is not None
        if self._store.get(Key(kind.resource, namespace, body["metadata"]["name"])) is None:
            await self._writer.create(kind, Target(group, version, namespace, plural, "", ""), body, options)

    async def _forget_events(self) -> None:
        """Events are kept for an hour."""
        while True:
            oldest = time.time() - EVENT_SECONDS
            for event in self._store.list("events"):
                meta = event["metadata"]
                stamp = event.get("lastTimestamp") or event.get("eventTime") or meta["creationTimestamp"]
                if _seconds(stamp) < oldest:
                    await self._store.write(Key("events", meta["namespace"], meta["name"]), lambda _: None)
            await asyncio.sleep(60)

    # ---------------------------------------------------------------------------------------------------------- http

    async def _listen(self) -> None:
        server = web.Server(
            self._serve,
            access_log=None,
            handler_cancellation=True,
            max_line_size=_HEADER_LIMIT,
            max_field_size=_HEADER_LIMIT,
        )
        self._runner = web.ServerRunner(server, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, address.HOST, self.address.port, ssl_context=self._identity.context, reuse_address=True
        )
        try:
            await site.start()
        except OSError as exc:
            await self._runner.cleanup()
            text = (
                f"port {self.address.port} on {address.HOST} cannot be had: {exc.strerror}. Choose another with --port."
            )
            raise address.AddressError(text) from exc

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        if (refused := _foreign(http)) is not None:
            return web.Response(status=403, body=orjson.dumps(refused.status), content_type="application/json")
        known = self._authenticate(http.headers.get("Authorization"))
        target = parse_target(http.rel_url.raw_path)
        if known and target is not None and target.subresource == "proxy":
            return await self._pass_on(http, target)
        try:
            body = await _read(http)
        except status.StatusError as exc:
            response = web.Response(status=exc.code, body=orjson.dumps(exc.status), content_type="application/json")
            response.force_close()  # the rest of the body is still under way
            return response
        headers = {key.lower(): value for key, value in http.headers.items()}
        request = Request(http.method, http.rel_url.raw_path, http.rel_url.raw_query_string, headers, body)
        return await self._send(http, await self._handler.handle(request, authenticated=known))

    def _authenticate(self, header: str | None) -> bool | None:
        """True for the right token, False for a wrong one, None for none."""
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return False
        return self._is_admin(token.strip()) or self._subresources.user_of(token.strip()) is not None

    async def _pass_on(self, http: web.BaseRequest, target: Target) -> web.StreamResponse:
        try:
            scheme, name, port = proxy_route.parse_name(target.name)
            kind = self._kinds.find("", "v1", target.plural)
            if kind is None or target.plural not in ("services", "pods"):
                raise status.path_not_found()
            obj = await self._writer.read(kind, target.namespace, name)
            if target.plural == "pods":
                host, number = proxy_route.pod_target(obj, port)
            else:
                host, number = proxy_route.service_target(obj, self._slices(target.namespace, name), port)
            path = http.rel_url.raw_path.split("/proxy", 1)[1].lstrip("/")
            return await proxy_route.forward(self._proxy, http, scheme, host, number, path)
        except status.StatusError as exc:
            return web.Response(status=exc.code, body=orjson.dumps(exc.status), content_type="application/json")

    async def _send(self, http: web.BaseRequest, answer: Response) -> web.StreamResponse:
        kind = {"Content-Type": answer.content_type} if answer.content_type else {}
        headers = kind | {"Cache-Control": "no-cache, private"} | answer.headers
        if isinstance(answer.body, bytes):
            body = answer.body
            if len(body) > _GZIP_FROM and "gzip" in http.headers.get("Accept-Encoding", ""):
                body = await asyncio.to_thread(gzip.compress, body, 1)
                headers["Content-Encoding"] = "gzip"
            response = web.Response(status=answer.status, body=body, headers=headers)
            _warn(response, answer.warnings)
            return response
        return await self._stream(http, answer, headers)

    async def _stream(self, http: web.BaseRequest, answer: Response, headers: dict[str, str]) -> web.StreamResponse:
        assert not isinstance(answer.body, bytes)
        chunks = answer.body
        first: bytes | None = None
        if answer.content_type.startswith("text/plain"):
            # A log that cannot be read is a refusal, so its first piece decides the status.
            try:
                first = await anext(chunks, b"")
            except LogError as exc:
                refused = status.refusal(exc.status, exc.message)
                return web.Response(
                    status=exc.status, body=orjson.dumps(refused.status), content_type="application/json"
                )
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(http)
        try:
            if first:
                await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
        except ConnectionResetError:
            log.debug("a watcher went away")
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]
        return response


class LocalTransport:
    """Requests of this process, answered without a socket."""

    def __init__(self, handler: Handler, agent: str) -> None:
        self._handler = handler
        self._agent = agent

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> client.Response:
        lowered = {key.lower(): value for key, value in (headers or {}).items()}
        lowered.setdefault("user-agent", self._agent)
        answer = await self._handler.handle(Request(method, path, urlencode(query or {}), lowered, body or b""))
        return client.Response(answer.status, {"Content-Type": answer.content_type} | answer.headers, _chunks(answer))

    async def close(self) -> None:
        """Nothing to let go of."""


async def _chunks(answer: Response) -> AsyncIterator[bytes]:
    if isinstance(answer.body, bytes):
        yield answer.body
        return
    async for chunk in answer.body:
        yield chunk


def _first_ip(place: address.Address) -> str:
    return place.service_cidr.rsplit(".", 1)[0] + ".1"


def _seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def _foreign(http: web.BaseRequest) -> status.StatusError | None:
    """A refusal for requests that a web page could send: another Host (DNS rebinding) or another Origin."""
    host = http.headers.get("Host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name not in _HOSTS and not _LOOPBACK.fullmatch(name):
        return status.refusal(403, f'the Host header "{host}" is not this server: use 127.0.0.1 or localhost', {})
    origin = http.headers.get("Origin")
    if origin is not None and origin != f"https://{host}":
        return status.refusal(403, f'requests from the web page "{origin}" are refused: use a command line client', {})
    return None


async def _read(http: web.BaseRequest) -> bytes:
    """The body, unpacked where it came compressed. Raises StatusError (400, 413)."""
    if not http.body_exists:
        return b""
    chunks, size = [], 0
    try:
        async for chunk in http.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                text = f"Request entity too large: limit is {BODY_LIMIT}"
                raise status.StatusError.of(413, "RequestEntityTooLarge", text)
    except (http_exceptions.ContentEncodingError, web.PayloadAccessError, web.RequestPayloadError) as exc:
        raise status.bad_request(f"the body cannot be read: {exc}") from exc
    return b"".join(chunks)


def _warn(response: web.Response, warnings: list[str]) -> None:
    for warning in dict.fromkeys(warnings):
        text = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        response.headers.add("Warning", f'299 - "{text}"')
