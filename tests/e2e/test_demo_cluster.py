"""The demo model on the local cluster, through the real engine and the real kubectl, from nothing to the last fault.

The tests of this file share one cluster and run in order: a start of the engine takes its time.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "examples" / "inference" / "kaito-demo.yaml"
KAITO = [str(Path(sys.executable).parent / "kaito")]
ANSWER = "KAITO is an operator that turns one small YAML into a working LLM service"
pytestmark = [
    pytest.mark.serve,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]


class Cluster:
    """A local cluster in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder.parent / "home"
        home.mkdir()
        self.home = home
        self.env = os.environ | {"KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(home)}

    def kaito(self, *words: str, code: int = 0) -> str:
        done = subprocess.run([*KAITO, *words], env=self.env, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def up(self) -> str:
        return self.kaito("up", "--detach", "--state-dir", str(self.folder))

    def kubectl(self, *words: str, code: int = 0, editor: str = "") -> str:
        env = self.env | ({"KUBE_EDITOR": editor} if editor else {})
        done = subprocess.run(["kubectl", *words], env=env, capture_output=True, text=True, timeout=250, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def wait_ready(self, value: str = "true") -> None:
        condition = f"condition=InferenceReady={value}"
        self.kubectl("wait", f"--for={condition}", "workspace/kaito-demo", "--timeout=200s")

    def condition(self, kind: str) -> dict[str, str]:
        found = self.get("workspace", "kaito-demo")["status"]["conditions"]
        return next(item for item in found if item["type"] == kind)

    def url(self) -> str:
        return f"http://{self.get('service', 'kaito-demo')['spec']['clusterIP']}"

    def ask(self) -> str:
        question = [{"role": "user", "content": "What is KAITO?"}]
        body = {"model": "kaito-demo", "temperature": 0, "stream": True, "messages": question}
        pieces = []
        with httpx.stream(
            "POST", f"{self.url()}/v1/chat/completions", json=body, timeout=60, trust_env=False
        ) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    pieces.append(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
        assert len(pieces) > 5, "the answer streams in pieces"
        return "".join(pieces)

    def pid(self) -> int:
        return int((self.folder / "kaito.pid").read_text())

    def engine(self) -> psutil.Process:
        """The serving program's first process."""
        found = [one for one in psutil.process_iter(["cmdline"]) if self._is_engine(one)]
        return min(found, key=lambda one: one.create_time())

    def _is_engine(self, process: psutil.Process) -> bool:
        try:
            return "kaito.runtime.vllm" in (process.info["cmdline"] or []) and str(self.folder) in process.cwd()
        except psutil.Error:
            return False

    def versions(self) -> dict[tuple[str, str], tuple[str, str]]:
        kinds = "workspaces,statefulsets,pods,services,controllerrevisions,endpointslices"
        items = self.get(kinds, "-A")["items"]
        return {
            (item["kind"], item["metadata"]["name"]): (item["metadata"]["uid"], item["metadata"]["resourceVersion"])
            for item in items
        }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster") / "state")
    made.up()
    yield made
    made.kaito("down", "--state-dir", str(made.folder))
    assert not [one for one in psutil.process_iter(["cmdline"]) if made._is_engine(one)]
    assert {path.name for path in made.home.iterdir()} <= {".kube"}, "kubectl's cache, and nothing else"


def test_a_manifest_becomes_a_model_that_answers_right_as_a_stream(cluster: Cluster) -> None:
    assert "created" in cluster.kubectl("apply", "-f", str(MANIFEST))
    cluster.wait_ready()
    assert cluster.ask().startswith(ANSWER)
    table = cluster.kubectl("get", "wks,sts,pods,svc,events")
    assert "statefulset.apps/kaito-demo   1/1" in table
    assert "Ready" in table
    assert "starting vLLM" in cluster.kubectl("logs", "kaito-demo-0")
    assert cluster.kaito("chat", "kaito-demo", "-m", "What is KAITO?").startswith(ANSWER)


def test_killing_the_cluster_loses_nothing_and_changes_nothing(cluster: Cluster) -> None:
    before, engine = cluster.versions(), cluster.engine().pid
    daemon = psutil.Process(cluster.pid())
    daemon.kill()
    daemon.wait(10)
    cluster.up()
    cluster.wait_ready()
    assert cluster.versions() == before
    assert cluster.engine().pid == engine
    assert cluster.ask().startswith(ANSWER)


def test_one_state_folder_one_cluster(cluster: Cluster) -> None:
    text = cluster.kaito("up", "--detach", "--state-dir", str(cluster.folder), code=1)
    assert f"a cluster runs in {cluster.folder} already" in text


def test_a_killed_engine_is_told_with_its_true_reason_and_comes_back(cluster: Cluster) -> None:
    cluster.engine().send_signal(signal.SIGKILL)
    cluster.wait_ready("false")
    told = cluster.condition("InferenceReady")
    assert told["reason"] in ("ContainerExited", "ContainerCrashLoopBackOff")
    assert told["message"].startswith("container kaito-demo was killed by SIGKILL (exit code 137")
    cluster.wait_ready()
    assert cluster.ask().startswith(ANSWER)


def test_a_deleted_stateful_set_comes_back_with_the_command_of_this_release(cluster: Cluster) -> None:
    before = cluster.get("statefulset", "kaito-demo")
    cluster.kubectl("delete", "statefulset", "kaito-demo")
    cluster.wait_ready("false")
    cluster.wait_ready()
    after = cluster.get("statefulset", "kaito-demo")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    commands = [one["spec"]["template"]["spec"]["containers"][0]["command"] for one in (before, after)]
    assert commands[0] == commands[1]


def test_a_flag_added_by_hand_restarts_the_pod_and_stays(cluster: Cluster) -> None:
    uid = cluster.get("pod", "kaito-demo-0")["metadata"]["uid"]
    cluster.kubectl("edit", "statefulset", "kaito-demo", editor="sed -i 's/--dtype=bfloat16/--dtype=float32/'")
    cluster.kubectl("rollout", "status", "statefulset/kaito-demo", "--timeout=200s")
    pod = cluster.get("pod", "kaito-demo-0")
    assert pod["metadata"]["uid"] != uid
    assert "--dtype=float32" in pod["spec"]["containers"][0]["command"]
    assert (
        "--dtype=float32"
        in cluster.get("statefulset", "kaito-demo")["spec"]["template"]["spec"]["containers"][0]["command"]
    )
    cluster.wait_ready()


def test_deleting_the_workspace_takes_all_its_children(cluster: Cluster) -> None:
    cluster.kubectl("delete", "workspace", "kaito-demo")
    cluster.kubectl("wait", "--for=delete", "pod/kaito-demo-0", "statefulset/kaito-demo", "--timeout=60s")
    left = cluster.get("workspaces,statefulsets,pods,services,controllerrevisions")["items"]
    assert [item["metadata"]["name"] for item in left] == ["kubernetes"]
