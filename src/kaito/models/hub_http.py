"""HTTP to a hub: bounded in time and size, asked again when it is busy, the token shown to the hub's own address alone.

A redirect to another host, port or scheme is followed without the token; it is never in a message or a log line.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from kaito.models.profile import ModelError

ENDPOINT: Final = "https://huggingface.co"
TIMEOUT: Final = httpx.Timeout(20, connect=10)
SMALL: Final = 16 << 20
"""The largest answer that is read, and the largest header of weights."""
WAITS_S: Final = (0.5, 2.0)
"""Before the second and the third try of a hub that is busy or broke off."""
LONGEST_WAIT_S: Final = 20.0
"""The longest that a hub may ask to be waited for (Retry-After); one that asks for longer is asked later."""


class HubUnavailableError(ModelError):
    """The hub did not answer, or not now; the same question may be answered later."""


class HubSession:
    """GET requests to one hub. Use as ``async with``. Raises ModelError for a bad endpoint or token."""

    def __init__(
        self,
        endpoint: str,
        token: str | None,
        *,
        timeout: httpx.Timeout,
        largest: int,
        trust_env: bool,
        waits: Sequence[float] = WAITS_S,
    ) -> None:
        try:
            url = httpx.URL(endpoint.rstrip("/"))
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
            raise ModelError("the hub's endpoint (HF_ENDPOINT) must be like https://host, without user and password")
        token = (token or "").strip()
        if token and not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ModelError("the hub's token (HF_TOKEN) has characters that no token has; copy it again")
        self.endpoint, self.token, self.largest = str(url), token, largest
        self._waits = waits
        self._client = httpx.AsyncClient(
            timeout=timeout,
            follow_redirects=True,
            max_redirects=5,
            trust_env=trust_env,
            headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def get(
        self, path: str, what: str, headers: Mapping[str, str] | None = None, *, also: Sequence[int] = ()
    ) -> AsyncIterator[httpx.Response]:
        """A streamed answer with status 200, 206 or one of ``also``. ``what`` begins every message.

        Raises ModelError for a refusal; HubUnavailableError when asking later helps.
        """
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        async with AsyncExitStack() as stack:
            try:
                yield await self._answer(stack, path, sent, what, also)
            except httpx.TooManyRedirects as exc:
                raise ModelError(f"{what}: {self.endpoint} redirects without end; check HF_ENDPOINT") from exc
            except httpx.HTTPError as exc:
                raise HubUnavailableError(
                    f"{what}: {self.endpoint} cannot be reached ({type(exc).__name__}); check the network, set "
                    "HF_ENDPOINT to a mirror, or use a name of `kaito models list`, which needs no network"
                ) from exc

    async def _answer(
        self, stack: AsyncExitStack, path: str, sent: Mapping[str, str], what: str, also: Sequence[int]
    ) -> httpx.Response:
        for wait in (*self._waits, None):
            try:
                response = await stack.enter_async_context(
                    self._client.stream("GET", self.endpoint + path, headers=sent)
                )
            except (httpx.RemoteProtocolError, httpx.ReadError):
                if wait is None:
                    raise
                await asyncio.sleep(wait)
                continue
            if response.status_code in (200, 206, *also):
                return response
            refused = self._refused(response, what)
            asked = retry_after(response.headers.get("Retry-After"))
            if wait is None or not isinstance(refused, HubUnavailableError) or (asked or 0) > LONGEST_WAIT_S:
                raise refused
            await response.aclose()
            await asyncio.sleep(wait if asked is None else asked)
        raise AssertionError("the last try returns or raises")

    async def body(self, response: httpx.Response, where: str) -> bytes:
        """All of an answer. Raises ModelError when it is larger than metadata is."""
        data = bytearray()
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > self.largest:
                raise ModelError(
                    f"{where}: is larger than {self.largest} bytes, and no model's metadata is. Check HF_ENDPOINT."
                )
        return bytes(data)

    def _refused(self, response: httpx.Response, what: str) -> ModelError:
        code, status = response.headers.get("X-Error-Code", ""), response.status_code
        answers = f"{what}: {self.endpoint} answers {status}"
        if status in (401, 403) and (code == "GatedRepo" or status == 403):
            remedy = "accept its licence there, and name a Secret with your token (key HF_TOKEN) in modelAccessSecret"
            who = "your token has no access" if self.token else "it is gated and no token was given"
            return ModelError(f"{answers}: {who}; {remedy}")
        if status == 401:
            remedy = "check the name, and the token" if self.token else "check the name; a private model needs a token"
            return ModelError(f"{answers}: it does not exist or is private; {remedy}")
        if status == 404:
            missing = "there is no such revision" if code == "RevisionNotFound" else "it is not there"
            return ModelError(f"{answers}: {missing}; check the name")
        if status == 429 or status >= 500:
            asked = retry_after(response.headers.get("Retry-After"))
            until = f", and to be left alone for {asked:.0f} s" if asked else ""
            return HubUnavailableError(f"{answers}{until}; it is asked again later")
        return ModelError(f"{answers}; check HF_ENDPOINT")


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None when it says nothing of use."""
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())


def json_object(text: bytes, where: str) -> dict[str, Any]:
    """A JSON object. Raises ModelError."""
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise ModelError(f"{where}: is not JSON. Check HF_ENDPOINT.") from exc
    if not isinstance(value, dict):
        raise ModelError(f"{where}: holds {type(value).__name__}, not an object. Check HF_ENDPOINT.")
    return value
