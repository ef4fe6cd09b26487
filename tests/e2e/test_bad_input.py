"""What a person gets wrong is refused in words, and leaves nothing behind: through the real command and kubectl."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KAITO = str(Path(sys.executable).parent / "kaito")
pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
PRESET = {"preset": {"name": "kaito-demo"}}
TUNING = {
    "preset": {"name": "kaito-demo"},
    "method": "lora",
    "input": {"name": "data", "urls": ["https://example.com/data.json"]},
    "output": {"image": "example.com/out:1", "imagePushSecret": "push"},
}
REFUSED = {
    "an unknown field": ({"inference": {**PRESET, "nope": 1}}, 'unknown field "inference.nope"'),
    "inference and tuning": (
        {"inference": PRESET, "tuning": TUNING},
        "tuning: cannot stand beside inference: make it a Workspace of its own",
    ),
    "neither": ({}, "inference: is missing: set either inference or tuning"),
    "a long name": ({"metadata": {"name": "x" * 80}, "inference": PRESET}, "has 80 characters"),
    "preset and template": (
        {"inference": {**PRESET, "template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}},
        "inference.template: cannot stand beside preset: remove one of them",
    ),
    "an unknown preset": (
        {"inference": {"preset": {"name": "kaito-dmo"}}},
        "inference.preset.name: 'kaito-dmo' is not in the catalogue: did you mean kaito-demo?",
    ),
    "a configuration that is not there": (
        {"inference": {**PRESET, "config": "mine"}},
        "inference.config: 'mine' is no ConfigMap in namespace default: create it, or clear the field",
    ),
}


def run(*words: str, env: dict[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=env, input=text, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running cluster, as the environment of commands that use it."""
    folder = tmp_path_factory.mktemp("bad") / "state"
    where = os.environ | {"KUBECONFIG": str(folder / "kubeconfig")}
    up = run(KAITO, "up", "--detach", "--state-dir", str(folder), env=where)
    assert up.returncode == 0, up.stderr
    yield where
    assert run(KAITO, "down", "--state-dir", str(folder), env=where).returncode == 0


def manifest(name: str, **changes: object) -> str:
    body = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "resource": {"labelSelector": {"matchLabels": {"apps": "a"}}},
    }
    return json.dumps(body | changes)


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_workspace_is_refused_with_field_and_remedy(env: dict[str, str], what: str) -> None:
    changes, words = REFUSED[what]
    answer = run("kubectl", "apply", "-f", "-", env=env, text=manifest("wrong", **changes))
    assert answer.returncode == 1
    assert words in answer.stderr
    assert run("kubectl", "get", "workspaces,statefulsets", "-o", "name", env=env).stdout == ""


def test_an_accepted_workspace_is_created_with_its_warnings(env: dict[str, str]) -> None:
    resource = {"count": 2, "labelSelector": {"matchLabels": {"apps": "a"}}}
    text = manifest("warned", resource=resource, inference={"preset": {"name": "/none"}})
    made = run("kubectl", "apply", "-f", "-", env=env, text=text)
    assert made.returncode == 0, made.stderr
    assert "Warning: resource.count: is deprecated: the planner decides how many nodes the model needs" in made.stderr
    assert run("kubectl", "delete", "workspace", "warned", env=env).returncode == 0


def test_malformed_yaml_is_refused_with_its_line(env: dict[str, str]) -> None:
    text = "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: [\n"
    answer = run(KAITO, "apply", "-f", "-", env=env, text=text)
    assert answer.returncode == 1
    assert "-:4: is not valid YAML" in answer.stderr


def test_a_model_that_cannot_be_served_is_told_and_nothing_is_made(env: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src/kaito/models/demo/kaito-demo", tmp_path / "model")
    with (tmp_path / "model" / "model.safetensors").open("r+b") as weights:
        weights.truncate(3_000_000)
    model, words = str(tmp_path / "model"), "is truncated: its tensors need 6955520 bytes and 3000000 are there"
    made = run("kubectl", "apply", "-f", "-", env=env, text=manifest("m", inference={"preset": {"name": model}}))
    assert made.returncode == 0, made.stderr
    condition = "jsonpath={.status.conditions[?(@.type=='InferenceReady')].reason}=PlanFailed"
    assert run("kubectl", "wait", f"--for={condition}", "workspace/m", "--timeout=30s", env=env).returncode == 0
    found = json.loads(run("kubectl", "get", "workspace", "m", "-o", "json", env=env).stdout)
    told = next(item for item in found["status"]["conditions"] if item["type"] == "InferenceReady")
    assert words in told["message"]
    assert run("kubectl", "get", "statefulsets", "-o", "name", env=env).stdout == ""
    assert run("kubectl", "delete", "workspace", "m", env=env).returncode == 0


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        folder = str(tmp_path / "s")
        answer = run(KAITO, "up", "--detach", "--port", port, "--state-dir", folder, env=dict(os.environ))
    assert answer.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken by another program. Choose another with --port." in answer.stderr


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "state"
    answer = run(KAITO, "up", "--detach", "--state-dir", str(folder), env=dict(os.environ))
    assert answer.returncode == 1
    assert f"the state folder {folder} cannot be written" in answer.stderr


def test_what_is_not_there_is_told_with_its_exit_code(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    env = os.environ | {"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
    assert run(KAITO, "down", "--state-dir", nowhere, env=env).returncode == 2
    assert run(KAITO, "kubeconfig", "--state-dir", nowhere, env=env).returncode == 2
    assert run(KAITO, "get", env=env).returncode == 5
