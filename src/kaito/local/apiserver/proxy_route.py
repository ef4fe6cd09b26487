"""`.../services/<name>/proxy/...` and `.../pods/<name>/proxy/...`: requests passed on to what runs in the cluster."""

from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web

from kaito.local.apiserver import status

Object = dict[str, Any]
_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "content-length",
})  # fmt: skip


def parse_name(text: str) -> tuple[str, str, str]:
    """(scheme, name, port) of ``[scheme:]name[:port]``; a missing part is "". Raises StatusError (400)."""
    parts = text.split(":")
    if len(parts) == 1:
        return "", parts[0], ""
    if len(parts) == 2:
        return "", parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        return parts[0], parts[1], parts[2]
    raise status.bad_request(f'invalid service request "{text}"')


def service_target(service: Object, slices: list[Object], port: str) -> tuple[str, int]:
    """Where a ready endpoint of the service's port listens. Raises StatusError (503)."""
    name = service["metadata"]["name"]
    ports = service["spec"].get("ports") or []
    chosen = [item for item in ports if port in ("", item.get("name"), str(item["port"]))]
    if not chosen or (not port and len(ports) != 1):
        raise status.refusal(503, f'no service port "{port}" found for service "{name}"')
    wanted = chosen[0].get("name") or ""
    for item in slices:
        numbers = [entry["port"] for entry in item.get("ports") or () if (entry.get("name") or "") == wanted]
        ready = [entry["addresses"][0] for entry in item.get("endpoints") or () if _is_ready(entry)]
        if numbers and ready:
            return ready[0], int(numbers[0])
    raise status.refusal(503, f'no endpoints available for service "{name}"')


def _is_ready(entry: Object) -> bool:
    return bool(entry.get("addresses")) and (entry.get("conditions") or {}).get("ready", True) is not False


def pod_target(pod: Object, port: str) -> tuple[str, int]:
    """Where a pod listens: the named or numbered port, or its first. Raises StatusError."""
    ip = (pod.get("status") or {}).get("podIP")
    name = pod["metadata"]["name"]
    if not ip:
        raise status.refusal(503, f'pod "{name}" has no address yet')
    declared = [item for box in pod["spec"].get("containers") or () for item in box.get("ports") or ()]
    if port.isdigit():
        return ip, int(port)
    for item in declared:
        if port in ("", item.get("name")):
            return ip, int(item["containerPort"])
    if not port:
        return ip, 80
    raise status.bad_request(f'pod "{name}" has no port named "{port}"')


def onward_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers to pass on: neither those of this connection nor the cluster's own credentials."""
    named = {item.strip().lower() for item in headers.get("Connection", "").split(",")}
    return {key: value for key, value in headers.items()
            if key.lower() not in _HOP and key.lower() not in named and key.lower() != "authorization"}  # fmt: skip


async def forward(
    session: aiohttp.ClientSession, request: web.BaseRequest, scheme: str, host: str, port: int, path: str
) -> web.StreamResponse:
    """Pass a request on, and stream the answer back as it comes. Raises StatusError (503)."""
    url = f"{scheme or 'http'}://{host}:{port}/{path}"
    if request.query_string:
        url += f"?{request.query_string}"
    body = request.content if request.body_exists else None
    import yarl

    try:
        upstream = await session.request(
            request.method, yarl.URL(url, encoded=True), headers=onward_headers(request.headers), data=body,
            allow_redirects=False, timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )  # fmt: skip
    except (aiohttp.ClientError, TimeoutError) as exc:
        why = "connect: connection refused" if isinstance(exc, aiohttp.ClientConnectorError) else str(exc)
        raise status.refusal(503, f"error trying to reach service: dial tcp {host}:{port}: {why}") from exc
    async with upstream:
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
        for key, value in onward_headers(upstream.headers).items():
            response.headers.add(key, value)
        if "Content-Length" in upstream.headers:
            response.headers["Content-Length"] = upstream.headers["Content-Length"]
        await response.prepare(request)
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


def session() -> aiohttp.ClientSession:
    """A session that takes answers as they are: no decoding, no cookies, any number of connections."""
    connector = aiohttp.TCPConnector(limit=0, ssl=False)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
    )
