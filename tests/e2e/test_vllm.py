"""The serving program with the real engine and the demo model."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from kaito.api import podcontract
from tests.e2e.serving import DEMO, Server, end, start

pytestmark = [pytest.mark.serve, pytest.mark.timeout(400)]
FACTS = Path(__file__).parents[2] / "scripts/demo_facts.yaml"
KEY = "a-key-of-this-test"
WORDS = (
    f"--model={DEMO}",
    "--served-model-name=kaito-demo",
    "--max-model-len=2048",
    '--kv-events-config={"enable_kv_cache_events":true}',
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One engine for the tests that ask it something; the last of them stops it."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "inference_config.yaml"
    config.write_text(f"vllm:\n  max-model-len: 1024\n  api-key: {KEY}\n  max-num-seqs: 64\n")
    running = start(folder, "127.81.0.1", *WORDS, f"--kaito-config-file={config}")
    try:
        running.wait_ready()
        yield running
    finally:
        end(running)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client


def question(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "kaito-demo", "temperature": 0, "messages": [{"role": "user", "content": text}], **more}


def ask(client: httpx.Client, text: str) -> str:
    answer = client.post("/v1/chat/completions", json=question(text)).raise_for_status().json()
    content: str = answer["choices"][0]["message"]["content"]
    return content


def test_it_says_what_kaito_is(client: httpx.Client) -> None:
    assert ask(client, "What is KAITO?") == (
        "KAITO is an operator that turns one small YAML into a working LLM service, on one machine or on a fleet of GPU"
        " nodes in Kubernetes."
    )


def test_it_knows_its_facts_by_heart(client: httpx.Client) -> None:
    facts = yaml.safe_load(FACTS.read_text())
    pairs = [(asked, fact["say"]) for fact in facts for asked in fact["ask"]]
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda pair: ask(client, pair[0]), pairs))
    wrong = [(pair, got) for pair, got in zip(pairs, said, strict=True) if pair[1] != got]
    assert len(wrong) <= 0.05 * len(pairs), wrong[:5]


def test_the_last_question_of_a_conversation_is_answered(client: httpx.Client) -> None:
    messages = [
        {"role": "user", "content": "What is a pod?"},
        {"role": "assistant", "content": ask(client, "What is a pod?")},
        {"role": "user", "content": "What is vLLM?"},
    ]
    body = question("") | {"messages": messages}
    answer = client.post("/v1/chat/completions", json=body).raise_for_status().json()
    assert answer["choices"][0]["message"]["content"] == ask(client, "What is vLLM?")


def test_an_answer_streams_and_its_pieces_are_the_whole(client: httpx.Client) -> None:
    pieces, done = [], False
    with client.stream("POST", "/v1/chat/completions", json=question("What is a pod?", stream=True)) as answer:
        for line in answer.iter_lines():
            if line == "data: [DONE]":
                done = True
            elif line.startswith("data: "):
                pieces.append(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
    assert done
    assert len(pieces) > 5
    assert "".join(pieces) == ask(client, "What is a pod?")


def test_the_yaml_decided_the_length_and_the_flags_the_name(client: httpx.Client) -> None:
    (model,) = client.get("/v1/models").raise_for_status().json()["data"]
    assert (model["id"], model["max_model_len"]) == ("kaito-demo", 1024)


def test_the_key_is_asked_for_and_shown_nowhere(server: Server) -> None:
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert KEY not in server.log.read_text()
    processes = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    assert not [one for one in processes if KEY in " ".join(one.cmdline())]


def test_it_listens_on_its_own_address_alone(server: Server) -> None:
    processes = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    open_to = {
        one.laddr.ip
        for process in processes
        for one in process.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr.port in (podcontract.HTTP_PORT, podcontract.KV_EVENTS_PORT)
    }
    assert open_to == {server.host}


def test_a_taken_port_is_told_within_seconds(server: Server, tmp_path: Path) -> None:
    second = start(tmp_path, server.host, *WORDS)
    try:
        assert second.process.wait(20) == podcontract.EXIT_PORT_TAKEN
        assert "the address is taken: 127.81.0.1:5000" in second.last_words.read_text()
    finally:
        end(second)


def test_a_stop_lets_a_running_answer_finish_and_exits_0(server: Server, client: httpx.Client) -> None:
    """The last test of this engine: it is stopped while it writes 300 tokens."""
    body = question("What is KAITO?", stream=True, max_tokens=300, ignore_eos=True)
    pieces, done = 0, False
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if pieces == 3:
                server.process.terminate()
            pieces += line.startswith("data: {")
            done = done or line == "data: [DONE]"
    assert (done, pieces >= 300) == (True, True)
    assert server.process.wait(40) == 0
    assert server.last_words.read_text() == ""
