"""How the serving program ends when it cannot serve: the exit code and the sentence, with the real engine."""

import json
import shutil
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from kaito.api import podcontract
from tests.e2e.serving import DEMO, end, start

pytestmark = [pytest.mark.serve, pytest.mark.timeout(400)]


def copy_of_demo(folder: Path, **changed: object) -> Path:
    model = folder / "model"
    shutil.copytree(DEMO, model)
    config = json.loads((model / "config.json").read_text()) | changed
    (model / "config.json").write_text(json.dumps(config))
    return model


def outcome(folder: Path, *words: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    server = start(folder / "run", "127.81.0.2", *words, env=env)
    try:
        return server.ended(), server.last_words.read_text()
    finally:
        end(server)


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, f"--model={DEMO}", "--max-modle-len=5", "--api-key=hush")
    assert code == podcontract.EXIT_BAD_FLAG
    assert "--max-modle-len" in said
    assert "hush" not in said


def test_an_option_that_the_model_cannot_have_is_told(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, f"--model={DEMO}", "--max-model-len=100000")
    assert code == podcontract.EXIT_BAD_FLAG
    assert said.startswith("an option does not fit: ")
    assert "100000" in said


def test_cut_off_weights_are_told_by_file(tmp_path: Path) -> None:
    model = copy_of_demo(tmp_path)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    code, said = outcome(tmp_path, f"--model={model}")
    assert code == podcontract.EXIT_BAD_MODEL
    assert f"{weights}: is truncated" in said


def test_an_unknown_architecture_is_told_by_name(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, f"--model={copy_of_demo(tmp_path, architectures=['NoSuchForCausalLM'])}")
    assert code == podcontract.EXIT_BAD_MODEL
    assert said.startswith("the model's architecture is not supported: ")
    assert "NoSuchForCausalLM" in said


def test_too_little_memory_is_told_from_the_process_that_knows(tmp_path: Path) -> None:
    code, said = outcome(tmp_path, f"--model={DEMO}", env={"VLLM_CPU_KVCACHE_SPACE": "90000"})
    assert code == podcontract.EXIT_OUT_OF_MEMORY
    assert said.startswith("not enough memory")
    assert "90000" in said


def test_a_stop_before_the_server_is_up_exits_0(tmp_path: Path) -> None:
    server = start(tmp_path, "127.81.0.2", f"--model={DEMO}")
    try:
        while "starting vLLM" not in server.log.read_text():
            assert server.process.poll() is None
            server.wait_a_little()
        assert server.stop() == 0
        assert server.last_words.read_text() == ""
    finally:
        end(server)


def write_adapter(folder: Path) -> None:
    """An adapter of rank 32 that changes nothing: its second matrix is zero."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    settings = {"peft_type": "LORA", "r": 32, "lora_alpha": 32, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    name = "base_model.model.model.layers.0.self_attn.q_proj"
    tensors = {f"{name}.lora_A.weight": torch.ones(32, 256), f"{name}.lora_B.weight": torch.zeros(256, 32)}
    save_file(tensors, folder / "adapter_model.safetensors")


def test_adapters_are_served_and_a_killed_engine_ends_the_program(tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters/quiet")
    words = (f"--model={DEMO}", "--served-model-name=kaito-demo", "--enable-lora", "--max-model-len=512")
    server = start(tmp_path / "run", "127.81.0.3", *words, f"--kaito-adapters-dir={tmp_path / 'adapters'}")
    try:
        server.wait_ready()
        models = httpx.get(f"{server.url}/v1/models").json()["data"]
        assert {one["id"]: one["parent"] for one in models} == {"kaito-demo": None, "quiet": "kaito-demo"}
        body = {"model": "quiet", "temperature": 0, "messages": [{"role": "user", "content": "What is a node?"}]}
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60).json()
        assert answer["choices"][0]["message"]["content"] == "A node is one machine of a Kubernetes cluster."
        children = psutil.Process(server.process.pid).children(recursive=True)
        (engine,) = [child for child in children if "EngineCore" in " ".join(child.cmdline())]
        engine.send_signal(signal.SIGKILL)
        assert server.ended() == podcontract.EXIT_ENGINE
        assert server.last_words.read_text().startswith("the engine failed: ")
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        end(server)


@pytest.mark.parametrize("frozen", ["EngineCore", "Worker"])
def test_a_frozen_engine_whose_health_still_answers_ends_the_program(tmp_path: Path, frozen: str) -> None:
    server = start(tmp_path, "127.81.0.4", f"--model={DEMO}", env={podcontract.ENV_HANG_SECONDS: "5"})
    try:
        server.wait_ready()
        children = psutil.Process(server.process.pid).children(recursive=True)
        (engine,) = [child for child in children if frozen in " ".join(child.cmdline())]
        engine.send_signal(signal.SIGSTOP)
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert server.ended() == podcontract.EXIT_ENGINE
        assert server.last_words.read_text().startswith("the engine hangs: it has answered nothing for 5 s.")
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        end(server)
