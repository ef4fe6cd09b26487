"""A model on a Hugging Face hub: its metadata is read over HTTP, its revision pinned, none of its weights fetched.

The token goes to the hub's own address alone: never to the stores that it redirects to, never into a message.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from kaito.models.folder import MODULES, QUANTIZATION, TOKENIZERS
from kaito.models.gguf import GgufHeader, TruncatedError, read_header
from kaito.models.hub_cache import STALE_S, HubCache, Key
from kaito.models.hub_http import ENDPOINT, SMALL, TIMEOUT, WAITS_S, HubSession, HubUnavailableError, json_object
from kaito.models.profile import ModelError, ModelProfile, parse_config, profile, with_quantization
from kaito.models.weights import INDEX, WeightFormat, choose_weights, header_length, tensor_bytes

__all__ = ["ENDPOINT", "Hub", "HubModel", "HubUnavailableError"]

PATIENCE_S: Final = 90
"""For all that is read of one model together."""
AT_ONCE: Final = 8
FIRST_BYTES: Final = 1 << 16
"""Of a weights file: most headers end within."""
CONFIGS: Final = ("config.json", "params.json")
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}")
_SHARD = re.compile(r"[^/\\]+\.safetensors")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model: ``id`` as its authors spell it, ``revision`` the commit, ``weight_format`` a WeightFormat's value.

    ``license``, ``task`` and ``base_model`` are what its card says, None and empty where it says nothing.
    ``sentence_transformers``: whether it comes with that library's modules.json.
    """

    id: str
    revision: str
    gated: bool
    weight_format: str
    weight_bytes: int
    has_tokenizer: bool
    has_chat_template: bool
    license: str | None = None
    task: str | None = None
    base_model: tuple[str, ...] = ()
    sentence_transformers: bool = False
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def profile(self) -> ModelProfile:
        """The model in numbers."""
        return profile(
            self.id.rpartition("/")[2].lower(),
            self.config,
            weight_bytes=self.weight_bytes,
            has_tokenizer=self.has_tokenizer,
            has_chat_template=self.has_chat_template,
            sentence_transformers=self.sentence_transformers,
            weights_estimated=self.weight_format == WeightFormat.BIN,
        )


@dataclass(frozen=True, slots=True)
class _Listing:
    id: str
    revision: str
    gated: bool
    sizes: Mapping[str, int]
    card: Mapping[str, Any]
    task: str | None


class Hub:
    """One hub and the token to ask it with. Use as ``async with``; ``model`` answers for one id.

    ``cache`` holds earlier answers; ``offline``: nothing else is read. ``trust_env``: whether the environment's proxies
    are used. Raises ModelError for a bad endpoint or token.
    """

    def __init__(
        self,
        endpoint: str = ENDPOINT,
        token: str | None = None,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        patience: float = PATIENCE_S,
        largest: int = SMALL,
        trust_env: bool = True,
        waits: Sequence[float] = WAITS_S,
        cache: HubCache | None = None,
        offline: bool = False,
    ) -> None:
        self._session = HubSession(endpoint, token, timeout=timeout, largest=largest, trust_env=trust_env, waits=waits)
        self.endpoint = self._session.endpoint
        self._patience, self._cache, self._offline = patience, cache, offline
        self._slots = asyncio.Semaphore(AT_ONCE)

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()

    async def model(self, model_id: str, revision: str = "main") -> HubModel:
        """The model of that id at the commit that ``revision`` names now.

        Raises ModelError naming the file, what is wrong and the remedy; HubUnavailableError when asking later helps.
        """
        if not _ID.fullmatch(model_id) or ".." in model_id:
            raise ModelError(f"{model_id!r} is not a Hugging Face id; write it as org/model")
        key = Key(self.endpoint, model_id, revision, self._session.token)
        known = self._remembered(key, within=float("inf") if self._offline else None)
        if known is not None:
            return known
        if self._offline:
            raise HubUnavailableError(
                f"{model_id} at revision {revision!r}: HF_HUB_OFFLINE is set and no answer of {self.endpoint} is kept; "
                "clear it for one run, name a folder, or use a name of `kaito models list`"
            )
        try:
            found = await self._asked(model_id, revision)
        except HubUnavailableError:
            stale = self._remembered(key, within=STALE_S)
            if stale is None:
                raise
            return stale
        except ModelError:
            if self._cache is not None:
                self._cache.drop(key)
            raise
        if self._cache is not None:
            self._cache.put(key, asdict(found))
        return found

    def _remembered(self, key: Key, within: float | None) -> HubModel | None:
        held = self._cache.get(key, within=within) if self._cache is not None else None
        if held is None:
            return None
        try:
            return HubModel(**{**held, "base_model": tuple(held["base_model"])})
        except (TypeError, KeyError):
            return None

    async def _asked(self, model_id: str, revision: str) -> HubModel:
        try:
            async with asyncio.timeout(self._patience):
                return await self._model(model_id, revision)
        except TimeoutError as exc:
            raise HubUnavailableError(
                f"{model_id}: {self.endpoint} did not answer all within {self._patience:g} s; it is asked again later"
            ) from exc

    async def _model(self, model_id: str, revision: str) -> HubModel:
        found = await self._listing(model_id, revision)
        names, packed = found.sizes, None
        config = await self._config(found, required=not any(name.endswith(".gguf") for name in names))
        kind, files = await self._files(found)
        if kind is WeightFormat.GGUF:
            headers = [await self._gguf(found, name) for name in files]
            weights, packed = sum(header.tensor_bytes for header in headers), headers[0]
            config = packed.config() | config
        elif kind is WeightFormat.BIN:
            weights = _listed_bytes(found, files)
        else:
            weights = await self._weights(found, files)
        in_header = packed is not None and packed.has_tokenizer, packed is not None and packed.has_chat_template
        return HubModel(
            id=found.id,
            revision=found.revision,
            gated=found.gated,
            weight_format=kind.value,
            weight_bytes=weights,
            has_tokenizer=in_header[0] or any(name in names for name in TOKENIZERS),
            has_chat_template=in_header[1] or await self._has_chat_template(found),
            license=_license(found.card),
            task=found.task,
            base_model=_texts(found.card.get("base_model")),
            sentence_transformers=MODULES in names,
            config=config,
        )

    async def _config(self, found: _Listing, *, required: bool) -> dict[str, Any]:
        """The configuration with what a file beside it tells of the quantisation; empty when it is not ``required``."""
        name = next((name for name in CONFIGS if name in found.sizes), None)
        if name is None and required:
            raise ModelError(f"{found.id}: holds no config.json, so it is no model of its own. Choose another model.")
        config = parse_config(await self._text(found, name), f"{found.id}: {name}") if name else {}
        if QUANTIZATION not in found.sizes:
            return config
        told = parse_config(await self._text(found, QUANTIZATION), f"{found.id}: {QUANTIZATION}")
        return with_quantization(config, told)

    async def _listing(self, model_id: str, revision: str) -> _Listing:
        path = f"/api/models/{model_id}/revision/{quote(revision, safe='')}?blobs=true"
        what = f"{model_id} at revision {revision!r}"
        async with self._session.get(path, what) as response:
            facts = json_object(await self._session.body(response, what), what)
        sha, files = facts.get("sha"), facts.get("siblings")
        if not isinstance(sha, str) or not _SHA.fullmatch(sha) or not isinstance(files, list):
            raise ModelError(f"{what}: {self.endpoint} names no commit and files; check HF_ENDPOINT")
        canonical, card = facts.get("id"), facts.get("cardData")
        return _Listing(
            id=canonical if isinstance(canonical, str) and _ID.fullmatch(canonical) else model_id,
            revision=sha,
            gated=bool(facts.get("gated")),
            sizes=_sizes(files),
            card=card if isinstance(card, dict) else {},
            task=next(iter(_texts(facts.get("pipeline_tag"))), None),
        )

    async def _files(self, found: _Listing) -> tuple[WeightFormat, list[str]]:
        """The files that make up the weights once, and how they are stored."""
        plain = [n for n in found.sizes if n.endswith(".safetensors") and not n.startswith("consolidated")]
        if INDEX not in found.sizes or not plain:
            return choose_weights(found.sizes, found.id)
        index = json_object((await self._text(found, INDEX)).encode(), f"{found.id}: {INDEX}")
        weights = index.get("weight_map")
        names = sorted({str(name) for name in weights.values()}) if isinstance(weights, dict) else []
        wrong = [name for name in names if not _SHARD.fullmatch(name) or name not in found.sizes]
        if wrong or not names:
            fault = f"names {wrong[0]!r}, which is not there" if wrong else "names no files"
            raise ModelError(f"{found.id}: {INDEX} {fault}. Choose another revision or model.")
        return WeightFormat.SAFETENSORS, names

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
            if length > self._session.largest:
                raise ModelError(f"{where}: its header has {length} bytes, and no model's has. Choose another model.")
            if 8 + length > len(first):
                rest, _ = await self._part(found, name, len(first), 8 + length - len(first))
                first += rest
        if len(first) < 8 + length:
            raise ModelError(f"{where}: its header ends after {len(first)} of {8 + length} bytes. Download it again.")
        return tensor_bytes(first[8 : 8 + length], size, where)

    async def _gguf(self, found: _Listing, name: str) -> GgufHeader:
        """The header of a GGUF file, of which ever more is read until it is whole: vocabularies make it long."""
        where, data = f"{found.id}: {name}", b""
        async with self._slots:
            while True:
                more, size = await self._part(found, name, len(data), max(FIRST_BYTES, 3 * len(data)))
                data += more
                try:
                    return read_header(data, size, where)
                except TruncatedError:
                    if not more or len(data) > self._session.largest:
                        fault = f"its header has no end within {len(data)} bytes"
                        raise ModelError(f"{where}: {fault}. Choose another revision or model.") from None

    async def _part(self, found: _Listing, name: str, start: int, count: int) -> tuple[bytes, int]:
        """``count`` bytes of a file from ``start``, or as many as there are, and the file's size."""
        where = f"{found.id}: {name}"
        headers = {"Range": f"bytes={start}-{start + count - 1}"}
        async with self._session.get(_file(found, name), where, headers, also=(416,)) as response:
            listed = found.sizes[name]
            if response.status_code == 416:
                return b"", max(0, listed)
            skip, size = 0, listed
            if response.status_code == 206:
                told = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if told is None or int(told[1]) != start:
                    raise ModelError(f"{where}: {self.endpoint} answers another range than asked. Check HF_ENDPOINT.")
                size = int(told[3])
            else:  # The whole file: read up to the part that is wanted, and no further.
                skip = start
                told_size = response.headers.get("Content-Length", "")
                size = int(told_size) if told_size.isdecimal() else size
            if listed >= 0 and size != listed:
                raise ModelError(
                    f"{where}: {self.endpoint} lists {listed} bytes and sends {size}. Check HF_ENDPOINT, or ask later."
                )
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
        async with self._session.get(_file(found, name), where) as response:
            body = await self._session.body(response, where)
        try:
            return body.decode()
        except UnicodeDecodeError as exc:
            raise ModelError(f"{where}: is not text. Choose another revision or model.") from exc


def _listed_bytes(found: _Listing, files: Sequence[str]) -> int:
    """The size of those files together, as the hub lists them."""
    unknown = [name for name in files if found.sizes[name] < 0]
    if unknown:
        raise ModelError(f"{found.id}: {unknown[0]}: the hub does not tell its size. Choose another revision or model.")
    return sum(found.sizes[name] for name in files)


def _file(found: _Listing, name: str) -> str:
    return f"/{found.id}/resolve/{found.revision}/{quote(name)}"


def _sizes(files: Sequence[Any]) -> dict[str, int]:
    """Bytes of each file at the top, -1 where the hub does not say."""
    sizes = {}
    for file in files:
        name, size = (file.get("rfilename"), file.get("size")) if isinstance(file, dict) else (None, None)
        if isinstance(name, str) and "/" not in name:
            sizes[name] = size if isinstance(size, int) and not isinstance(size, bool) else -1
    return sizes


def _license(card: Mapping[str, Any]) -> str | None:
    """The card's licence; its own name where it is one of its authors' making."""
    names = _texts(card.get("license"))
    own = _texts(card.get("license_name"))
    return own[0] if own and names[:1] in ((), ("other",)) else next(iter(names), None)


def _texts(value: object) -> tuple[str, ...]:
    """A card's text, or its list of texts."""
    values = value if isinstance(value, list) else [value]
    return tuple(one for one in values if isinstance(one, str) and one)
