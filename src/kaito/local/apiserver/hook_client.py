"""How a webhook is called, whatever it is asked: over HTTPS, by its URL or through a service of the cluster."""

import ssl
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

Object = dict[str, Any]
_HTTP_OK = 200
_CONTEXTS = 64


class CallError(Exception):
    """The webhook could not be asked, or its answer makes no sense."""


class HookClient:
    """Calls webhooks. ``service_address`` is where a service's port can be reached, None when nobody answers for it."""

    def __init__(self, service_address: Callable[[str, str, int], tuple[str, int] | None]) -> None:
        self._service_address = service_address
        self._session: aiohttp.ClientSession | None = None
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, config: Object, body: Object, seconds: int) -> Object:
        """The JSON object that a webhook answers ``body`` with; ``config`` is its `clientConfig`.

        Raises CallError, in the words of a real server.
        """
        url, host = self._url(config)
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        text = f'Post "{url}?timeout={seconds}s"'
        try:
            async with self._session.post(
                url,
                params={"timeout": f"{seconds}s"},
                data=orjson.dumps(body),
                headers={"Content-Type": "application/json"} | ({"Host": host} if host else {}),
                ssl=self._trust(config.get("caBundle") or ""),
                server_hostname=host or None,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                raw = await response.read()
                if response.status != _HTTP_OK:
                    raise CallError(f"the server answered {response.status}: {raw[:200].decode(errors='replace')}")
        except TimeoutError:
            raise CallError(f"{text}: context deadline exceeded") from None
        except aiohttp.ClientConnectorError as exc:
            why = (exc.os_error.strerror or str(exc.os_error)).lower()
            if isinstance(exc.os_error, ConnectionRefusedError):
                why = "connection refused"
            raise CallError(f"{text}: dial tcp {exc.host}:{exc.port}: connect: {why}") from exc
        except aiohttp.ClientError as exc:
            raise CallError(f"{text}: {exc}") from exc
        try:
            answer = orjson.loads(raw)
        except orjson.JSONDecodeError as exc:
            raise CallError(f"the answer is no JSON: {exc}") from exc
        if not isinstance(answer, dict):
            raise CallError("the answer is not a review: it is no JSON object")
        return answer

    def _trust(self, bundle: str) -> ssl.SSLContext | bool:
        """Trust for the certificates of a caBundle; making it takes milliseconds, so it is kept."""
        if not bundle:
            return True
        found = self._contexts.get(bundle)
        if found is None:
            try:
                found = ssl.create_default_context(cadata=b64decode(bundle).decode())
            except (ValueError, ssl.SSLError) as exc:
                raise CallError(f"the caBundle holds no certificates in PEM: {exc}") from exc
            found.verify_flags &= ~ssl.VERIFY_X509_STRICT
            self._contexts[bundle] = found
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        return found

    def _url(self, config: Object) -> tuple[str, str]:
        """(the URL to post to, the name that the certificate must have, "" for the URL's own)."""
        if config.get("url"):
            return config["url"], ""
        service = config["service"]
        port = service.get("port", 443)
        found = self._service_address(service["namespace"], service["name"], port)
        name = f"{service['name']}.{service['namespace']}.svc"
        path = service.get("path") or "/"
        if found is None:
            raise CallError(f'Post "https://{name}:{port}{path}": no endpoints available for service '
                            f'"{service["name"]}"')  # fmt: skip
        return f"https://{found[0]}:{found[1]}{path}", name
