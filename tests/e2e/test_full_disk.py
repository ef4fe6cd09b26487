"""A disk that fills up: refused in words, nothing acknowledged lost or half-made, and on it goes with free space."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

KAITO = str(Path(sys.executable).parent / "kaito")
pytestmark = [
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of its own needs root to mount"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(where)], check=True)
    yield where
    subprocess.run(["umount", str(where)], check=True)


def fill(disk: Path) -> Path:
    """Take every byte that is left, and return the file that holds them."""
    taken = disk / "taken"
    with taken.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    out.write(b"x" * size)
            except OSError:
                continue
    return taken


def run(*words: str, kubeconfig: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    env = os.environ | {"KUBECONFIG": str(kubeconfig)}
    return subprocess.run(words, env=env, input=text, capture_output=True, text=True, timeout=100, check=False)


def config_map(name: str, size: int = 20_000) -> str:
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "x" * size}}
    )


def test_a_start_on_a_full_disk_is_refused_and_leaves_nothing(disk: Path) -> None:
    fill(disk)
    state = disk / "state"
    answer = run(KAITO, "up", "--detach", "--state-dir", str(state), kubeconfig=state / "kubeconfig")
    assert answer.returncode == 1
    assert f"the state folder {state} cannot be written: No space left on device. Free some space" in answer.stderr
    assert not state.exists()


def test_a_disk_that_fills_while_the_cluster_runs_loses_nothing_acknowledged(disk: Path) -> None:
    state = disk / "state"
    kubeconfig = state / "kubeconfig"
    up = run(KAITO, "up", "--detach", "--state-dir", str(state), kubeconfig=kubeconfig)
    assert up.returncode == 0, up.stderr
    try:
        assert run("kubectl", "apply", "-f", "-", kubeconfig=kubeconfig, text=config_map("before")).returncode == 0
        taken = fill(disk)
        kept, refused = ["before"], []
        for number in range(40):
            answer = run("kubectl", "apply", "-f", "-", kubeconfig=kubeconfig, text=config_map(f"full-{number}"))
            (refused if answer.returncode else kept).append(f"full-{number}")
            if answer.returncode:
                assert "database or disk is full" in answer.stderr, answer.stderr
                assert str(state) in answer.stderr, answer.stderr
                break
        assert refused
        assert names(kubeconfig) == sorted(kept)
        taken.unlink()
        again = run("kubectl", "apply", "-f", "-", kubeconfig=kubeconfig, text=config_map(refused[0]))
        assert again.returncode == 0, again.stderr
        kept.append(refused[0])
    finally:
        assert run(KAITO, "down", "--state-dir", str(state), kubeconfig=kubeconfig).returncode == 0
    assert run(KAITO, "up", "--detach", "--state-dir", str(state), kubeconfig=kubeconfig).returncode == 0
    try:
        assert names(kubeconfig) == sorted(kept)
    finally:
        assert run(KAITO, "down", "--state-dir", str(state), kubeconfig=kubeconfig).returncode == 0


def names(kubeconfig: Path) -> list[str]:
    answer = run("kubectl", "get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}", kubeconfig=kubeconfig)
    assert answer.returncode == 0, answer.stderr
    return sorted(name for name in answer.stdout.split() if name != "kube-root-ca.crt")
