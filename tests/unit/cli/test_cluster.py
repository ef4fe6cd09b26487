"""Which process is a folder's cluster, and how it is ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kaito.cli import cluster

SLEEP = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the command line of a cluster in tmp_path/one, whose number stands in the folder."""
    folder = tmp_path / "one"
    (folder / "node").mkdir(parents=True)
    command = [sys.executable, "-c", SLEEP, "kaito.cli.daemon", "--state-dir", str(folder), "--ready-fd", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (folder / "kaito.pid").write_text(f"{process.pid}\n")
        yield process
        process.kill()


def test_the_cluster_of_a_folder_is_found_by_each_of_its_names(daemon: subprocess.Popen[bytes], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert cluster.running(tmp_path / "one") == daemon.pid
    assert cluster.running(tmp_path / "link") == daemon.pid


def test_a_copied_folder_is_not_the_originals_cluster(daemon: subprocess.Popen[bytes], tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert cluster.running(tmp_path / "copy") is None
    with pytest.raises(cluster.CliError, match="no cluster runs in"):
        cluster.down(tmp_path / "copy")
    assert daemon.poll() is None


@pytest.mark.parametrize("text", ["", "x", "-1", "0", f"{os.getpid()}", "99999999"])
def test_a_stale_number_is_no_cluster(tmp_path: Path, text: str) -> None:
    (tmp_path / "kaito.pid").write_text(text)
    assert cluster.running(tmp_path) is None


def test_a_cluster_that_does_not_answer_is_killed_and_that_is_said(
    daemon: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "STOP_SECONDS", 0.2)
    daemon.send_signal(signal.SIGSTOP)
    while psutil.Process(daemon.pid).status() != psutil.STATUS_STOPPED:
        assert daemon.poll() is None
    cluster.down(tmp_path / "one")
    assert daemon.wait(5) == -signal.SIGKILL
    assert "did not end within 0 seconds and was killed" in capsys.readouterr().out
