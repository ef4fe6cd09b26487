"""docs/preset-onboarding.md, followed block by block: a model is added to a copy of this checkout."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pages import ROOT, blocks, environment
from tests.unit.models.hub_server import SHA, FakeHub, serving, tensors

STEPS = [block for block in blocks() if block.needs_hub]
MODEL = "Qwen/Qwen3-4B-Instruct-2507"
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 2560,
    "max_position_embeddings": 262144,
    "vocab_size": 151936,
    "torch_dtype": "bfloat16",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the steps read, under version control."""
    folder = tmp_path / "checkout"
    for name in ("src", "tests/unit/models"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / ".gitignore").write_text("__pycache__\n.pytest_cache\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "before"]):
        subprocess.run(["git", *words], cwd=folder, env=with_author(dict(os.environ)), check=True)
    return folder


def with_author(env: dict[str, str]) -> dict[str, str]:
    who = {"NAME": "A Person", "EMAIL": "person@example.com"}
    return env | {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}


def hub() -> FakeHub:
    files = {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
        "model.safetensors": tensors(size=1 << 20),
    }
    return FakeHub(files, MODEL, gated=False, card={"license": "apache-2.0", "base_model": ["Qwen/Qwen3-4B-Base"]})


def test_the_page_says_what_to_do() -> None:
    assert len(STEPS) == 6
    assert sum("models refresh" in block.text for block in STEPS) == 2


async def test_a_model_is_added_as_the_page_says(checkout: Path, tmp_path: Path) -> None:
    env = with_author(environment(tmp_path)) | {"PYTHONPATH": str(checkout / "src"), "NO_PROXY": "127.0.0.1"}
    env.pop("HF_HUB_OFFLINE", None)
    record = checkout / f"src/kaito/models/catalogue/{MODEL}.yaml"
    printed = []
    async with serving(hub()) as url:
        for block in STEPS:
            if block.is_make:  # Its targets are tested where they are made.
                continue
            words = ["bash", "-c", block.script]
            done = await asyncio.to_thread(
                subprocess.run,
                words,
                cwd=checkout,
                env=env | {"HF_ENDPOINT": url},
                capture_output=True,
                text=True,
                timeout=100,
            )
            assert done.returncode == 0, (block.text, done.stdout, done.stderr)
            printed.append(done.stdout)
            if "--dry-run" in block.text:
                assert not record.exists()
    assert f"+revision: {SHA}" in printed[0]
    assert "+kind: reasoning" in printed[1]
    assert "known from  the catalogue" in printed[2]
    log = subprocess.run(["git", "show", "--stat", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    assert f"Catalogue: {MODEL}" in log.stdout
    assert "1 file changed" in log.stdout
    assert "kind: instruct\n" in record.read_text()
    assert f"weights: {1 << 20}\n" in record.read_text()
    assert "base_model: [Qwen/Qwen3-4B-Base]\n" in record.read_text()
