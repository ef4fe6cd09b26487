"""A full disk under the local cluster: refused in words, nothing half-made, nothing acknowledged lost, and on it goes.

The state folder is on a small filesystem in memory of its own, filled up to the last block by another file.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

KAITO = str(Path(sys.executable).parent / "kaito")
SIZE = "64m"
KIB = 1 << 10


def can_mount() -> bool:
    """Whether this process may mount: root of a machine, or of a container that allows it."""
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    )


pytestmark = [
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
    pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small filesystem"),
]


class Disk:
    """A small filesystem, and the file that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.ballast = folder, folder / "state", folder / "ballast"
        self.env = os.environ | {"KUBECONFIG": str(self.state / "kubeconfig")}

    def fill(self, leave: int = 0) -> None:
        """Until ``leave`` bytes are free; with 0, until nothing goes on it."""
        free = shutil.disk_usage(self.folder).free
        with self.ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), max(1, free - leave))
        while leave == 0:
            try:
                with self.ballast.open("ab", buffering=0) as file:
                    file.write(bytes(512))
            except OSError as exc:
                assert exc.errno == errno.ENOSPC
                return

    def empty(self) -> None:
        self.ballast.unlink()

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=self.env, input=text, capture_output=True, text=True, timeout=100, check=False)

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.run(KAITO, "up", "--detach", "--state-dir", str(self.state))

    def down(self) -> subprocess.CompletedProcess[str]:
        return self.run(KAITO, "down", "--state-dir", str(self.state))

    def apply(self, name: str, size: int = 1) -> subprocess.CompletedProcess[str]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "x" * size}}
        return self.run("kubectl", "apply", "-f", "-", text=json.dumps(body))

    def names(self) -> set[str]:
        listed = self.run("kubectl", "get", "configmaps", "-o", "name")
        assert listed.returncode == 0, listed.stderr
        return {line.rpartition("/")[2] for line in listed.stdout.splitlines()} - {"kube-root-ca.crt"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)], check=True)
    made = Disk(folder)
    yield made
    made.down()
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("leave", [0, 64 * KIB, 300 * KIB, 16 << 20], ids=["full", "64 KiB", "300 KiB", "16 MiB"])
def test_a_cluster_does_not_start_on_a_full_disk_and_leaves_nothing(disk: Disk, leave: int) -> None:
    disk.fill(leave)
    refused = disk.up()
    assert refused.returncode == 1
    assert f"error: the state folder {disk.state} has " in refused.stderr
    assert "free some space, or choose another with --state-dir" in refused.stderr
    assert not disk.state.exists()
    disk.empty()
    started = disk.up()
    assert started.returncode == 0, started.stderr
    assert disk.apply("a").returncode == 0
    assert disk.down().returncode == 0


def test_a_running_cluster_refuses_writes_keeps_what_it_acknowledged_and_goes_on(disk: Disk) -> None:
    assert disk.up().returncode == 0
    assert disk.apply("before", 1000).returncode == 0
    kept = {"before"}
    disk.fill()
    refusal = write_until(disk, kept, lambda done: done.returncode != 0)
    assert f"{disk.state}/store/state.db refuses the write" in refusal
    assert "Nothing was changed; free some space" in refusal
    assert disk.names() == kept, "reads go on, and show what was acknowledged and nothing else"
    disk.empty()
    assert disk.apply("after").returncode == 0
    assert disk.names() == kept | {"after"}
    crd = disk.run("kubectl", "apply", "-f", "-", text=json.dumps(kind_of("widget")))
    assert crd.returncode == 0, crd.stderr
    ready = disk.run("kubectl", "wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s")
    assert ready.returncode == 0, "new kinds are served again"
    assert disk.down().returncode == 0
    assert disk.up().returncode == 0
    assert disk.names() == kept | {"after"}


def test_a_cluster_on_a_full_disk_ends_when_told_and_loses_nothing(disk: Disk) -> None:
    assert disk.up().returncode == 0
    disk.fill()
    # Each definition is written once more by the cluster itself, whose writes fail too.
    for number in range(100):
        if disk.run("kubectl", "apply", "-f", "-", text=json.dumps(kind_of(f"w{number}"))).returncode != 0:
            break
    kept: set[str] = set()
    write_until(disk, kept, lambda done: done.returncode != 0)
    ended = disk.down()
    assert ended.returncode == 0, ended.stderr
    disk.empty()
    assert disk.up().returncode == 0
    assert disk.names() == kept


def write_until(disk: Disk, kept: set[str], over: Callable[[subprocess.CompletedProcess[str]], bool]) -> str:
    """Write objects until one is refused; those that were acknowledged are added to ``kept``. Returns the refusal."""
    for number in range(200):
        done = disk.apply(f"c{number}", 200_000)
        if over(done):
            return done.stderr
        kept.add(f"c{number}")
    raise AssertionError("a full disk took 40 MB")


def kind_of(name: str) -> dict[str, object]:
    """The definition of a kind of one's own."""
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"kind": name.capitalize(), "plural": f"{name}s", "singular": name}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }
