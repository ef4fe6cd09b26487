"""The blocks of the README and of docs/ that start a cluster, run as a person would, from top to bottom of the page."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pages import ROOT, Block, blocks, environment

CLUSTER = [block for block in blocks() if block.needs_cluster]
pytestmark = [
    pytest.mark.serve,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]


@pytest.mark.parametrize("block", CLUSTER, ids=str)
def test_a_block_runs_as_written(block: Block, tmp_path: Path) -> None:
    env = environment(tmp_path)
    words = ["bash", "-c", block.script]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=280, check=False)
    subprocess.run(["kaito", "down"], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    if "kaito chat" in block.text:
        assert "KAITO is an operator that turns one small YAML into a working LLM service" in done.stdout
