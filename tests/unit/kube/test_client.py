"""The client against a real HTTP server on loopback: what is sent, and what an answer becomes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from kaito.kube import config, errors
from kaito.kube.client import Client
from kaito.kube.resources import CONFIG_MAPS, PODS


def status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "reason": reason, "message": message}, status=code)


class Server:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.seen.append((request.method, request.path, dict(request.query), body))
        name = request.path.rsplit("/", 1)[-1]
        if request.headers.get("Authorization") != "Bearer secret":
            return status(401, "Unauthorized", "Unauthorized")
        match name:
            case "gone":
                return status(404, "NotFound", 'configmaps "gone" not found')
            case "there":
                return status(409, "AlreadyExists", "it is there")
            case "changed":
                return status(409, "Conflict", "it changed")
            case "broken":
                return web.Response(status=502, text="bad gateway")
            case "pods" if request.query.get("watch"):
                return await self.watch(request)
            case "pods":
                first = "continue" not in request.query
                items = [{"metadata": {"name": "a" if first else "b"}}]
                meta = {"resourceVersion": "7"} | ({"continue": "t"} if first else {})
                return web.json_response({"metadata": meta, "items": items})
        return web.json_response({"metadata": {"name": name}})

    async def watch(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        added = json.dumps({"type": "ADDED", "object": {"metadata": {"name": "a"}}}).encode()
        await answer.write(added[:10])
        gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        await answer.write(added[10:] + b"\n" + json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
        return answer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[Server, Client]]:
    mine = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", mine.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    file = tmp_path / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "current-context": "x",
                "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "x", "user": {"token": "secret"}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "team"}}],
            }
        )
    )
    loaded = config.load(file)
    assert loaded.namespace == "team"
    client = Client(loaded.transport())
    yield mine, client
    await client.close()
    await runner.cleanup()


async def test_a_list_reads_every_page_and_gives_items_their_kind(server: tuple[Server, Client]) -> None:
    items, version = await server[1].list(PODS, "team", label_selector="a=b")
    assert [i["metadata"]["name"] for i in items] == ["a", "b"]
    assert items[0]["kind"] == "Pod"
    assert version == "7"
    assert server[0].seen[1][2] == {"labelSelector": "a=b", "limit": "500", "continue": "t"}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gone", errors.NotFound),
        ("there", errors.AlreadyExists),
        ("changed", errors.Conflict),
        ("broken", errors.Unavailable),
    ],
)
async def test_each_refusal_is_its_own_error(server: tuple[Server, Client], name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await server[1].get(CONFIG_MAPS, name, "team")


async def test_a_watch_joins_split_lines_and_an_expired_version_is_gone(server: tuple[Server, Client]) -> None:
    seen = []
    with pytest.raises(errors.Gone, match="too old"):
        async for kind, obj in server[1].watch(PODS, "team", resource_version="1"):
            seen.append((kind, obj["metadata"]["name"]))
    assert seen == [("ADDED", "a")]


async def test_apply_names_the_manager(server: tuple[Server, Client]) -> None:
    await server[1].apply(CONFIG_MAPS, {"metadata": {"name": "c", "namespace": "n"}}, field_manager="me")
    method, path, query, _ = server[0].seen[-1]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/n/configmaps/c")
    assert query == {"fieldManager": "me", "force": "true"}


async def test_a_dead_server_is_unavailable_and_named(server: tuple[Server, Client]) -> None:
    transport = config.HttpTransport("http://127.0.0.1:9", tls=None, auth=None)
    with pytest.raises(errors.Unavailable, match=r"http://127\.0\.0\.1:9 does not answer"):
        await Client(transport).get(CONFIG_MAPS, "c", "n")
    await transport.close()


def test_a_missing_kubeconfig_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="not found"):
        config.load(tmp_path / "none")


def test_rubbish_is_not_a_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "k"
    file.write_text("clusters: 3\n")
    with pytest.raises(config.ConfigError, match="is not a kubeconfig"):
        config.load(file)
