"""This host: a container's limits in both versions of cgroups, and what nvidia-smi says."""

import stat
from pathlib import Path

import psutil
import pytest

from kaito.capacity import host
from kaito.capacity.host import Gpu, cores, cpu_quotas, memory_limit, parse_gpus, this_host
from kaito.capacity.machines import GIB, MIB


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="no GPU"),
        pytest.param(
            "NVIDIA A100-SXM4-80GB, 81920, 8.0\nNVIDIA A100-SXM4-80GB, 81920, 8.0\n",
            [Gpu("NVIDIA A100-SXM4-80GB", 81920 * MIB, 8.0)] * 2,
            id="two GPUs",
        ),
        pytest.param("Tesla T4, 15360, [N/A]\n", [Gpu("Tesla T4", 15360 * MIB, None)], id="an old driver"),
        pytest.param("NVIDIA GB10, [N/A], 12.1\n", [], id="no memory of its own"),
        pytest.param("NVIDIA-SMI has failed because it couldn't communicate with the driver.\n", [], id="a failure"),
    ],
)
def test_nvidia_smi_is_read(text: str, found: list[Gpu]) -> None:
    assert parse_gpus(text) == found


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


V2 = {"proc/self/cgroup": "0::/pods/one", "sys/fs/cgroup/pods/one/memory.max": str(4 * GIB)}
V1 = {"proc/self/cgroup": "4:memory:/pods/one\n1:cpu,cpuacct:/pods/one\n0::/"}


@pytest.mark.parametrize(
    ("files", "limit", "used"),
    [
        pytest.param({}, None, 0, id="no cgroup"),
        pytest.param(V2 | {"sys/fs/cgroup/pods/one/memory.max": "max"}, None, 0, id="no limit"),
        pytest.param(V2, 4 * GIB, 0, id="version 2"),
        pytest.param(
            V2
            | {"sys/fs/cgroup/pods/one/memory.current": str(3 * GIB)}
            | {"sys/fs/cgroup/pods/one/memory.stat": f"anon 1\ninactive_file {GIB}"},
            4 * GIB,
            2 * GIB,
            id="cached files are not in use",
        ),
        pytest.param(V2 | {"sys/fs/cgroup/pods/memory.max": str(GIB)}, GIB, 0, id="a tighter limit above"),
        pytest.param(
            {"proc/self/cgroup": "0::/../../x", "sys/fs/cgroup/memory.max": str(GIB)}, GIB, 0, id="a cgroup namespace"
        ),
        pytest.param(
            V1 | {"sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": str(2 * GIB)}, 2 * GIB, 0, id="version 1"
        ),
        pytest.param(
            V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None, 0, id="1 without limit"
        ),
        pytest.param(
            V1
            | {"sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": str(2 * GIB)}
            | {"sys/fs/cgroup/memory/pods/one/memory.usage_in_bytes": str(GIB)}
            | {"sys/fs/cgroup/memory/pods/one/memory.stat": f"inactive_file 0\ntotal_inactive_file {GIB // 4}"},
            2 * GIB,
            GIB - GIB // 4,
            id="version 1 in use",
        ),
    ],
)
def test_a_containers_memory_limit(tmp_path: Path, files: dict[str, str], limit: int | None, used: int) -> None:
    assert memory_limit(write(tmp_path, files)) == (limit, used)


@pytest.mark.parametrize(
    ("files", "quotas"),
    [
        pytest.param({}, [], id="none"),
        pytest.param(V2 | {"sys/fs/cgroup/pods/one/cpu.max": "max 100000"}, [], id="no limit"),
        pytest.param(V2 | {"sys/fs/cgroup/pods/one/cpu.max": "150000 100000"}, [1.5], id="version 2"),
        pytest.param(
            V1
            | {"sys/fs/cgroup/cpu,cpuacct/pods/cpu.cfs_quota_us": "50000"}
            | {"sys/fs/cgroup/cpu,cpuacct/pods/cpu.cfs_period_us": "100000"},
            [0.5],
            id="version 1",
        ),
        pytest.param(V1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"}, [], id="version 1 without limit"),
    ],
)
def test_a_containers_share_of_the_processors(tmp_path: Path, files: dict[str, str], quotas: list[float]) -> None:
    assert list(cpu_quotas(write(tmp_path, files))) == quotas


def test_this_host_is_no_larger_than_its_container(tmp_path: Path) -> None:
    root = write(tmp_path, V2 | {"sys/fs/cgroup/pods/one/cpu.max": "25000 100000"})
    write(root, {"sys/fs/cgroup/pods/one/memory.max": str(64 * MIB), "sys/fs/cgroup/pods/one/memory.current": str(MIB)})
    machine = this_host(root, gpus=[])
    assert (machine.name, machine.gpus, machine.gpu_memory) == ("this host", 0, 0)
    assert (machine.cpu_cores, machine.memory, machine.available) == (0.25, 64 * MIB, 63 * MIB)


def test_this_host_without_a_container(tmp_path: Path) -> None:
    machine = this_host(tmp_path, gpus=[])
    assert machine.memory == psutil.virtual_memory().total
    assert machine.available is not None
    assert 0 < machine.available <= machine.memory
    assert machine.cpu_cores == cores(tmp_path) >= 1


def test_unequal_gpus_count_as_the_smallest(tmp_path: Path) -> None:
    machine = this_host(tmp_path, gpus=[Gpu("big", 80 * GIB, 9.0), Gpu("small", 24 * GIB, 8.6)])
    assert (machine.gpus, machine.gpu_memory, machine.gpu_model) == (2, 24 * GIB, "small")
    assert machine.compute_capability == 8.6


@pytest.mark.parametrize(
    ("model", "bandwidth", "nvlink"),
    [("NVIDIA A100-SXM4-80GB", 2039e9, 600e9), ("Tesla T4", 300e9, None), ("NVIDIA Nobody", None, None)],
)
def test_a_gpu_of_this_host_is_as_fast_as_its_model(
    tmp_path: Path, model: str, bandwidth: float | None, nvlink: float | None
) -> None:
    machine = this_host(tmp_path, gpus=[Gpu(model, 15360 * MIB, 7.5)])
    assert (machine.gpu_bandwidth, machine.nvlink) == (bandwidth, nvlink)
    assert machine.gpu_memory_driver == machine.gpu_memory == 15360 * MIB


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'NVIDIA L4, 23034, 8.9'", [Gpu("NVIDIA L4", 23034 * MIB, 8.9)]),
        ("echo 'NVIDIA L4, 23034, 8.9'; exit 9", []),
    ],
)
def test_nvidia_smi_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: list[Gpu]) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert host.find_gpus() == found


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host.find_gpus() == []
