"""The prober against real HTTP servers on loopback."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kaito.controllers.prober import HttpProber

Answer = Callable[[web.Request], Awaitable[web.Response]]
GOOD = {"choices": [{}]}


def server(chat: tuple[int, object], plain: tuple[int, object], models: object = None) -> TestServer:
    def answering(status: int, body: object) -> Answer:
        async def answer(request: web.Request) -> web.Response:
            if request.method == "POST":
                sent = await request.json()
                assert (sent["model"], sent["max_tokens"]) == ("kaito-demo", 1)
            return web.json_response(body, status=status)

        return answer

    app = web.Application()
    app.router.add_get("/v1/models", answering(200, {"data": [{"id": "kaito-demo"}] if models is None else models}))
    app.router.add_post("/v1/chat/completions", answering(*chat))
    app.router.add_post("/v1/completions", answering(*plain))
    return TestServer(app)


@pytest.mark.parametrize(
    ("chat", "plain", "models", "why"),
    [
        ((200, GOOD), (500, {}), None, None),
        ((400, {"error": "no chat template"}), (200, GOOD), None, None),
        ((500, {"error": "engine dead"}), (200, GOOD), None, "/v1/chat/completions answered 500"),
        ((200, {"choices": []}), (200, GOOD), None, "without a choice"),
        ((200, GOOD), (200, GOOD), [], "lists no model"),
    ],
    ids=["chat", "no-template", "engine-dead", "empty", "no-model"],
)
async def test_answers(chat: tuple[int, object], plain: tuple[int, object], models: object, why: str | None) -> None:
    async with server(chat, plain, models) as running:
        found = await HttpProber()(str(running.make_url("")).rstrip("/"))
    assert found is None if why is None else why in (found or "")


async def test_nobody_there_is_an_answer_too() -> None:
    async with server((200, GOOD), (200, GOOD)) as running:
        url = str(running.make_url("")).rstrip("/")
    assert await HttpProber()(url)
