"""chat against a real HTTP server on loopback that speaks the engine's stream."""

import json
import os
import pty
import sys
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from kaito.cli import talk
from kaito.cli.errors import NOT_READY, CliError
from kaito.kube.client import Client
from kaito.kube.config import HttpTransport

SEEN: list[dict[str, object]] = []


class Engine(BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, json.dumps({"data": [{"id": "kaito-demo"}]}).encode(), "application/json")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        SEEN.append(body)
        if body["messages"][-1]["content"] == "too long":
            self._send(400, b'{"error": {"message": "context is 512 tokens"}}', "application/json")
            return
        if body["messages"][-1]["content"] == "break off":
            self._send(200, b'data: {"choices": [{"delta": {"content": "KAI"}}]}\n\n', "text/event-stream")
            return
        if body["messages"][-1]["content"] == "fail":
            self._send(200, b'data: {"error": {"message": "the engine is dead"}}\n\n', "text/event-stream")
            return
        words = [{"choices": [{"delta": {"content": w}}]} for w in ("KAITO ", "serves ", "models.")]
        lines = [f"data: {json.dumps(w)}\n\n" for w in ({"choices": [{"delta": {"role": "assistant"}}]}, *words)]
        self._send(200, "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    SEEN.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    transport = HttpTransport(f"http://127.0.0.1:{server.server_port}", tls=None, auth=None)
    yield Client(transport)
    await transport.close()
    server.shutdown()
    thread.join()
    server.server_close()


async def test_the_answer_streams_and_is_remembered(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    history: list[dict[str, str]] = []
    await talk._turn(client, "", history, "What is KAITO?", (64, 0.0))
    await talk._turn(client, "", history, "And who says so?", (64, 0.0))
    assert capsys.readouterr().out == "KAITO serves models.\nKAITO serves models.\n"
    messages = json.loads(json.dumps(SEEN[1]["messages"]))
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert SEEN[0]["model"] == "kaito-demo"
    assert SEEN[0]["temperature"] == 0.0


async def test_a_refused_question_is_named_and_not_remembered(client: Client) -> None:
    history: list[dict[str, str]] = []
    with pytest.raises(CliError, match=r"^the model gave no answer: context is 512 tokens$") as caught:
        await talk._turn(client, "", history, "too long", (64, 0.0))
    assert caught.value.code == NOT_READY
    assert history == []


@pytest.mark.parametrize(
    ("question", "sentence"),
    [("break off", "the answer broke off: the engine ended"), ("fail", "the answer broke off: the engine is dead")],
)
async def test_an_answer_that_is_not_whole_is_an_error_and_not_remembered(
    client: Client, question: str, sentence: str
) -> None:
    history: list[dict[str, str]] = []
    with pytest.raises(CliError, match=sentence) as caught:
        await talk._turn(client, "", history, question, (64, 0.0))
    assert caught.value.code == NOT_READY
    assert history == []


def test_ctrl_c_at_the_prompt_ends_the_talk_at_once() -> None:
    code = (
        "import asyncio\nfrom kaito.cli import talk\n"
        "async def ask(): talk._read_line('> ')\n"
        "try: asyncio.run(ask())\nexcept KeyboardInterrupt: raise SystemExit(130)"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    try:
        assert os.read(terminal, 2) == b"> "
        while psutil.Process(pid).status() != psutil.STATUS_SLEEPING:  # the prompt comes before it waits for the line
            pass
        os.write(terminal, b"\x03")
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("kaito-demo", "kaito-demo"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2-5-7b-instruct"),
        ("org/" + "x" * 80, "x" * 52),
    ],
)
def test_the_name_of_a_workspace_is_a_label_that_fits(model: str, name: str) -> None:
    made = talk.workspace_for(model, name=None, instance_type=None)
    assert made["metadata"]["name"] == name
    assert made["inference"]["preset"]["name"] == model
