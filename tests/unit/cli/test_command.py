"""The command as a person runs it: exit codes and sentences."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kaito.cli import errors
from tests.unit.cli.command import environment, kaito


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        pytest.param(("get", "--nonsense"), errors.USAGE, "No such option", id="unknown option"),
        pytest.param(("frobnicate",), errors.USAGE, "No such command", id="unknown command"),
        pytest.param(("apply", "-f", "none.yaml"), errors.NOT_FOUND, "none.yaml: cannot be read", id="no such file"),
        pytest.param(("delete",), errors.USAGE, "either the name of a Workspace or -f", id="nothing to delete"),
        pytest.param(("get",), errors.UNREACHABLE, "no usable kubeconfig", id="no kubeconfig"),
    ],
)
def test_exit_code_and_sentence(tmp_path: Path, args: tuple[str, ...], code: int, says: str) -> None:
    done = kaito(*args, home=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dead_cluster_is_unreachable_and_named(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(
        "current-context: x\nclusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: x, context: {cluster: x}}]\n"
    )
    done = kaito("get", "--kubeconfig", str(config), home=tmp_path)
    assert done.returncode == errors.UNREACHABLE
    assert "cannot reach the cluster: http://127.0.0.1:9 does not answer" in done.stderr


def test_crds_prints_what_kubectl_applies(tmp_path: Path) -> None:
    done = kaito("crds", home=tmp_path)
    assert done.returncode == errors.OK
    names = [crd["metadata"]["name"] for crd in yaml.safe_load_all(done.stdout)]
    plurals = ("workspaces", "inferencesets", "ragengines", "multiroleinferences", "modelmirrors")
    assert names == [f"{plural}.kaito.sh" for plural in plurals]


def test_crds_for_a_webhook_are_converted_by_it_and_come_with_its_configurations(tmp_path: Path) -> None:
    done = kaito("crds", "--webhook-service=there/hooks:443", home=tmp_path)
    assert done.returncode == errors.OK
    printed = {one["metadata"]["name"]: one for one in yaml.safe_load_all(done.stdout)}
    conversion = printed["workspaces.kaito.sh"]["spec"]["conversion"]
    service = {"namespace": "there", "name": "hooks", "port": 443}
    assert conversion["webhook"]["clientConfig"] == {"service": service | {"path": "/convert"}}
    hook = printed["validation.workspace.kaito.sh"]["webhooks"][0]
    assert hook["clientConfig"] == {"service": service | {"path": "/validate/workspace.kaito.sh"}}


def test_crds_for_what_is_no_service_say_how_it_is_written(tmp_path: Path) -> None:
    done = kaito("crds", "--webhook-service=hooks", home=tmp_path)
    assert done.returncode == errors.USAGE
    assert "--webhook-service hooks: is no Service: write NAMESPACE/NAME" in done.stderr


def test_help_reads_no_library_that_only_commands_need(tmp_path: Path) -> None:
    heavy = "rich.console,yaml,aiohttp,httpx,pydantic,lightkube,cryptography,psutil,orjson"
    code = f"import sys, kaito.cli.main; print([name for name in {heavy.split(',')} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("output", "says"),
    [(">/dev/full", "error: the output cannot be written: No space left on device\n"), (">&-", ""), ("| true", "")],
    ids=["a full disk", "closed", "a pipe without a reader"],
)
def test_output_that_goes_nowhere_is_no_traceback(tmp_path: Path, output: str, says: str) -> None:
    command = f"{sys.executable} -c 'from kaito.cli.main import main; main()' models list {output}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(tmp_path), timeout=60, check=False
    )
    assert done.stderr == says
