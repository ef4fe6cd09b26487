"""A model on a Hugging Face hub: its metadata is read over HTTP, its revision pinned, none of its weights fetched.

The token goes to the hub's own address alone: never to the stores that it redirects to, never into a message.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from kaito.models.folder import INDEX, TOKENIZERS
from kaito.models.profile import ModelError, ModelProfile, header_length, parse_config, profile, tensor_bytes

ENDPOINT: Final = "https://huggingface.co"
TIMEOUT: Final = httpx.Timeout(20, connect=10)
PATIENCE_S: Final = 90
"""For all that is read of one model together."""
AT_ONCE: Final = 8
FIRST_BYTES: Final = 1 << 16
"""Of a weights file: most headers end within."""
CONFIGS: Final = ("config.json", "params.json")
SMALL: Final = 16 << 20
"""The largest answer that is read, and the largest header of weights."""
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"[^/\\]+\.safetensors")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class HubUnavailableError(ModelError):
    """The hub did not answer, or not now; the same question may be answered later."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model: ``id`` as its authors spell it, ``revision`` the commit, ``weight_format`` auto or mistral."""

    id: str
    revision: str
    gated: bool
    weight_format: str
    profile: ModelProfile


@dataclass(frozen=True, slots=True)
class _Listing:
    id: str
    revision: str
    gated: bool
    sizes: Mapping[str, int]


class Hub:
    """One hub and the token to ask it with. Use as ``async with``; ``model`` answers for one id."""

    def __init__(
        self,
        endpoint: str = ENDPOINT,
        token: str | None = None,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        patience: float = PATIENCE_S,
        largest: int = SMALL,
        trust_env: bool = True,
    ) -> None:
        """``trust_env``: whether the environment's proxies are used. Raises ModelError for a bad endpoint or token."""
        try:
            url = httpx.URL(endpoint.rstrip("/"))
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query:
            raise ModelError("the hub's endpoint (HF_ENDPOINT) must be like https://host, without user and password")
        token = (token or "").strip()
        if token and not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ModelError("the hub's token (HF_TOKEN) has characters that no token has; copy it again")
        self.endpoint = str(url)
        self._token, self._patience, self._largest = token, patience, largest
        self._client = httpx.AsyncClient(
            timeout=timeout,
            follow_redirects=True,
            max_redirects=5,
            trust_env=trust_env,
            headers={"Accept-Encoding": "identity"},
        )
        self._slots = asyncio.Semaphore(AT_ONCE)

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def model(self, model_id: str, revision: str = "main") -> HubModel:
        """The model of that id at the commit that ``revision`` names now.

        Raises ModelError naming the file, what is wrong and the remedy; HubUnavailableError when asking later helps.
        """
        if not _ID.fullmatch(model_id) or ".." in model_id:
            raise ModelError(f"{model_id!r} is not a Hugging Face id; write it as org/model")
        try:
            async with asyncio.timeout(self._patience):
                return await self._model(model_id, revision)
        except TimeoutError as exc:
            raise HubUnavailableError(
                f"{model_id}: {self.endpoint} did not answer all within {self._patience:g} s; it is asked again later"
            ) from exc

    async def _model(self, model_id: str, revision: str) -> HubModel:
        found = await self._listing(model_id, revision)
        names = found.sizes
        name = next((name for name in CONFIGS if name in names), None)
        if name is None:
            raise ModelError(f"{found.id}: holds no config.json, so it is no model of its own. Choose another model.")
        config = parse_config(await self._text(found, name), f"{found.id}: {name}")
        shards, mistral = await self._shards(found)
        return HubModel(
            id=found.id,
            revision=found.revision,
            gated=found.gated,
            weight_format="mistral" if mistral else "auto",
            profile=profile(
                found.id.rpartition("/")[2].lower(),
                config,
                weight_bytes=await self._weights(found, shards),
                has_tokenizer=any(name in names for name in TOKENIZERS),
                has_chat_template=await self._has_chat_template(found),
            ),
        )

    async def _listing(self, model_id: str, revision: str) -> _Listing:
        path = f"/api/models/{model_id}/revision/{quote(revision, safe='')}?blobs=true"
        what = f"{model_id} at revision {revision!r}"
        async with self._get(path, what) as response:
            facts = _object(await self._body(response, what), what)
        sha, files = facts.get("sha"), facts.get("siblings")
        if not isinstance(sha, str) or not _SHA.fullmatch(sha) or not isinstance(files, list):
            raise ModelError(f"{what}: {self.endpoint} names no commit and files; check HF_ENDPOINT")
        sizes = {}
        for file in files:
            name, size = file.get("rfilename"), file.get("size")
            if isinstance(name, str) and "/" not in name:
                sizes[name] = size if isinstance(size, int) else -1
        canonical = facts.get("id")
        known = canonical if isinstance(canonical, str) and _ID.fullmatch(canonical) else model_id
        return _Listing(known, sha, bool(facts.get("gated")), sizes)

    async def _shards(self, found: _Listing) -> tuple[list[str], bool]:
        """The files that make up the weights once, and whether they are Mistral's own format."""
        files = sorted(name for name in found.sizes if name.endswith(".safetensors"))
        plain = [name for name in files if not name.startswith("consolidated")]
        if INDEX in found.sizes and plain:
            index = _object((await self._text(found, INDEX)).encode(), f"{found.id}: {INDEX}")
            weights = index.get("weight_map")
            names = sorted({str(name) for name in weights.values()}) if isinstance(weights, dict) else []
            wrong = [name for name in names if not _SHARD.fullmatch(name) or name not in found.sizes]
            if wrong or not names:
                fault = f"names {wrong[0]!r}, which is not there" if wrong else "names no files"
                raise ModelError(f"{found.id}: {INDEX} {fault}. Choose another revision or model.")
            return names, False
        if files:
            return plain or files, not plain
        other = sorted(name for name in found.sizes if name.endswith((".bin", ".pt", ".pth", ".gguf", ".h5", ".onnx")))
        has = f"only {other[0]}" if other else "no weights"
        raise ModelError(
            f"{found.id}: holds {has} and no .safetensors file. Convert the weights, or choose another model."
        )

    async def _weights(self, found: _Listing, shards: Sequence[str]) -> int:
        try:
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(self._header(found, name), name=f"header of {name}") for name in shards]
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        return sum(read.result() for read in reads)

    async def _header(self, found: _Listing, name: str) -> int:
        """The bytes of all tensors of one file, from its header. Raises ModelError when it is cut short."""
        where = f"{found.id}: {name}"
        async with self._slots:
            first, size = await self._part(found, name, 0, FIRST_BYTES)
            length = header_length(first, size, where)
            if length > self._largest:
                raise ModelError(f"{where}: its header has {length} bytes, and no model's has. Choose another model.")
            if 8 + length > len(first):
                rest, _ = await self._part(found, name, len(first), 8 + length - len(first))
                first += rest
        if len(first) < 8 + length:
            raise ModelError(f"{where}: its header ends after {len(first)} of {8 + length} bytes. Download it again.")
        return tensor_bytes(first[8 : 8 + length], size, where)

    async def _part(self, found: _Listing, name: str, start: int, count: int) -> tuple[bytes, int]:
        """``count`` bytes of a file from ``start``, or as many as there are, and the file's size."""
        where = f"{found.id}: {name}"
        headers = {"Range": f"bytes={start}-{start + count - 1}"}
        async with self._get(_file(found, name), where, headers, also=(416,)) as response:
            if response.status_code == 416:
                return b"", max(0, found.sizes[name])
            skip, size = 0, found.sizes[name]
            if response.status_code == 206:
                told = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if told is None or int(told[1]) != start:
                    raise ModelError(f"{where}: {self.endpoint} answers another range than asked. Check HF_ENDPOINT.")
                size = int(told[3])
            else:  # The whole file: read up to the part that is wanted, and no further.
                skip = start
                size = int(response.headers.get("Content-Length", size))
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) >= skip + count:
                    break
            return bytes(data[skip : skip + count]), size

    async def _has_chat_template(self, found: _Listing) -> bool:
        if "chat_template.jinja" in found.sizes or "chat_template.json" in found.sizes:
            return True
        name = "tokenizer_config.json"
        if name not in found.sizes:
            return False
        return bool(parse_config(await self._text(found, name), f"{found.id}: {name}").get("chat_template"))

    async def _text(self, found: _Listing, name: str) -> str:
        where = f"{found.id}: {name}"
        async with self._get(_file(found, name), where) as response:
            body = await self._body(response, where)
        try:
            return body.decode()
        except UnicodeDecodeError as exc:
            raise ModelError(f"{where}: is not text. Choose another revision or model.") from exc

    async def _body(self, response: httpx.Response, where: str) -> bytes:
        data = bytearray()
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > self._largest:
                raise ModelError(
                    f"{where}: is larger than {self._largest} bytes, and no model's metadata is. Check HF_ENDPOINT."
                )
        return bytes(data)

    @asynccontextmanager
    async def _get(
        self, path: str, what: str, headers: Mapping[str, str] | None = None, *, also: Sequence[int] = ()
    ) -> AsyncIterator[httpx.Response]:
        """A streamed answer. The client drops the token when a redirect leads to another host, port or scheme."""
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        try:
            async with self._client.stream("GET", self.endpoint + path, headers=sent) as response:
                if response.status_code not in (200, 206, *also):
                    raise self._refused(response, what)
                yield response
        except httpx.TooManyRedirects as exc:
            raise ModelError(f"{what}: {self.endpoint} redirects without end; check HF_ENDPOINT") from exc
        except httpx.HTTPError as exc:
            raise HubUnavailableError(
                f"{what}: {self.endpoint} cannot be reached ({type(exc).__name__}); check the network, set HF_ENDPOINT "
                "to a mirror, or use a name of `kaito models list`, which needs no network"
            ) from exc

    def _refused(self, response: httpx.Response, what: str) -> ModelError:
        code, status = response.headers.get("X-Error-Code", ""), response.status_code
        if status in (401, 403) and (code == "GatedRepo" or status == 403):
            remedy = "accept its licence there, and name a Secret with your token (key HF_TOKEN) in modelAccessSecret"
            who = "your token has no access" if self._token else "it is gated and no token was given"
            return ModelError(f"{what}: {self.endpoint} answers {status}: {who}; {remedy}")
        if status == 401:
            remedy = "check the name, and the token" if self._token else "check the name; a private model needs a token"
            return ModelError(f"{what}: {self.endpoint} answers 401: it does not exist or is private; {remedy}")
        if status == 404:
            missing = "there is no such revision" if code == "RevisionNotFound" else "it is not there"
            return ModelError(f"{what}: {self.endpoint} answers 404: {missing}; check the name")
        if status == 429 or status >= 500:
            return HubUnavailableError(f"{what}: {self.endpoint} answers {status}; it is asked again later")
        return ModelError(f"{what}: {self.endpoint} answers {status}; check HF_ENDPOINT")


def _file(found: _Listing, name: str) -> str:
    return f"/{found.id}/resolve/{found.revision}/{quote(name)}"


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise ModelError(f"{where}: is not JSON. Check HF_ENDPOINT.") from exc
    if not isinstance(value, dict):
        raise ModelError(f"{where}: holds {type(value).__name__}, not an object. Check HF_ENDPOINT.")
    return value
