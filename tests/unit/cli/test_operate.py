"""kaito operator: what it refuses at once, and an end that is no failure."""

import os
import signal
import subprocess
from pathlib import Path

from kaito.cli import errors
from tests.unit.cli.command import COMMAND, environment, kaito

KUBECONFIG = (
    "current-context: x\nclusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\n"
    "contexts: [{name: x, context: {cluster: x}}]\n"
)


def test_an_image_must_be_given(tmp_path: Path) -> None:
    done = kaito("operator", home=tmp_path)
    assert done.returncode == errors.USAGE
    assert "Missing option '--image'" in done.stderr


def test_a_dead_cluster_and_a_missing_certificate_are_said(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    common = ("operator", "--image=i", f"--kubeconfig={tmp_path / 'kubeconfig'}", "--health-port=0")
    done = kaito(*common, "--install-crds", "--no-leader-election", home=tmp_path)
    assert done.returncode == errors.UNREACHABLE
    assert "cannot reach the cluster: http://127.0.0.1:9 does not answer" in done.stderr
    done = kaito(*common, f"--webhook-cert-dir={tmp_path}", home=tmp_path)
    assert done.returncode == errors.USAGE
    assert f"the webhook's certificate: {tmp_path / 'tls.crt'}: No such file" in done.stderr
    done = kaito(*common, f"--webhook-cert-dir={tmp_path}", "--webhook-service=hooks", home=tmp_path)
    assert done.returncode == errors.USAGE
    assert "use one of --webhook-cert-dir, --webhook-tls-secret and --webhook-service" in done.stderr


def test_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    words = ("operator", "--image=i", f"--kubeconfig={tmp_path / 'kubeconfig'}", "--health-port=0")
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, text=True, env=environment(tmp_path)) as running:
        assert running.stderr is not None
        # It waits for a cluster that is not there yet.
        assert "lease default/kaito-operator: http://127.0.0.1:9 does not answer" in running.stderr.readline()
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait(20) == errors.OK
