"""A hub on loopback that behaves like huggingface.co: listings, redirects to a second host, ranges, error codes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

SHA = "0123456789abcdef0123456789abcdef01234567"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "hidden_size": 256,
    "max_position_embeddings": 2048,
    "torch_dtype": "bfloat16",
}


def tensors(count: int = 1, size: int = 64, pad: int = 0) -> bytes:
    """A safetensors file of ``count`` tensors of ``size`` bytes each, its header ``pad`` bytes longer."""
    entries: dict[str, Any] = {"__metadata__": {"pad": "x" * pad}}
    for number in range(count):
        span = [number * size, (number + 1) * size]
        entries[f"w{number}"] = {"dtype": "BF16", "shape": [size // 2], "data_offsets": span}
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + bytes(count * size)


def whole_model() -> dict[str, bytes]:
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
        "model.safetensors": tensors(),
    }


@dataclass
class FakeHub:
    """What the hub holds and how it behaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=whole_model)
    id: str = "Org/Tiny-Model"
    status: int = 200
    code: str = ""
    file_status: int = 200
    ranges: bool = True
    cdn: str = ""
    token: str = ""
    gated: Any = "manual"
    card: Any = field(default_factory=lambda: {"license": "mit", "base_model": "Org/Tiny-Base"})
    task: Any = "text-generation"
    busy: int = 0
    retry_after: str = ""
    moved: str = ""
    drip: float = 0
    lies: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    stored: list[tuple[str, str | None]] = field(default_factory=list)
    sent: int = 0

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/models/{org}/{name}/revision/{revision}", self.listing)
        app.router.add_get("/{org}/{name}/resolve/{revision}/{file}", self.resolve)
        app.router.add_get("/store/{file}", self.store)
        return app

    def _refused(self, request: web.Request) -> web.Response | None:
        """What a busy hub answers, and one that shows the model to ``token`` alone."""
        if self.busy:
            self.busy -= 1
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.json_response({"error": "busy"}, status=429, headers=headers)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "no"}, status=401, headers={"X-Error-Code": self.code})
        return None

    def _error(self, status: int) -> web.Response:
        return web.json_response({"error": "no"}, status=status, headers={"X-Error-Code": self.code})

    async def listing(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization")))
        org, name, revision = (request.match_info[key] for key in ("org", "name", "revision"))
        if self.status != 200:
            return self._error(self.status)
        if (refused := self._refused(request)) is not None:
            return refused
        if self.moved:
            raise web.HTTPTemporaryRedirect(f"{self.moved}{request.path_qs}")
        if f"{org}/{name}".lower() != self.id.lower() or revision not in ("main", SHA):
            self.code = "RepoNotFound" if revision == "main" else "RevisionNotFound"
            return self._error(404)
        if f"{org}/{name}" != self.id:
            raise web.HTTPTemporaryRedirect(f"/api/models/{self.id}/revision/{revision}?blobs=true")
        siblings = [{"rfilename": name, "size": self.lies.get(name, len(data))} for name, data in self.files.items()]
        told = {"gated": self.gated, "cardData": self.card, "pipeline_tag": self.task}
        return web.json_response({"id": self.id, "sha": SHA, "siblings": siblings} | told)

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization")))
        assert request.match_info["revision"] == SHA
        if self.file_status != 200:
            return self._error(self.file_status)
        if (refused := self._refused(request)) is not None:
            return refused
        file = request.match_info["file"]
        if self.cdn and file.endswith(".safetensors"):
            raise web.HTTPFound(f"{self.cdn}/store/{file}")
        if self.drip:
            return await self._dripped(request, file)
        return self._bytes(request, file)

    async def _dripped(self, request: web.Request, file: str) -> web.StreamResponse:
        """Byte by byte, with a pause after each."""
        response = web.StreamResponse(headers={"Content-Length": str(len(self.files[file]))})
        await response.prepare(request)
        for byte in self.files[file]:
            await response.write(bytes([byte]))
            await asyncio.sleep(self.drip)
        return response

    async def store(self, request: web.Request) -> web.StreamResponse:
        self.stored.append((request.path, request.headers.get("Authorization")))
        return self._bytes(request, request.match_info["file"])

    def _bytes(self, request: web.Request, file: str) -> web.Response:
        data, wanted = self.files[file], request.http_range
        if not self.ranges or wanted.start is None:
            return web.Response(body=data)
        if wanted.start >= len(data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
        part = data[wanted.start : wanted.stop]
        self.sent += len(part)
        span = f"bytes {wanted.start}-{wanted.start + len(part) - 1}/{len(data)}"
        return web.Response(status=206, body=part, headers={"Content-Range": span})


@asynccontextmanager
async def serving(hub: FakeHub) -> AsyncIterator[str]:
    """The hub's address while it runs."""
    async with TestServer(hub.application()) as server:
        yield str(server.make_url("")).rstrip("/")
