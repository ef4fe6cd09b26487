"""This host as a machine: the processors, memory and NVIDIA GPUs that a process here may really use.

A container's limits count, not the size of the machine around it. Reads files and runs nvidia-smi; what it makes of
their text is pure.
"""

import math
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from kaito.capacity.machines import MIB, Machine, speeds_of

NAME: Final = "this host"
NVIDIA_SMI: Final = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,compute_cap",
    "--format=csv,noheader,nounits",
)
PATIENCE_S: Final = 10
UNLIMITED: Final = 1 << 60
"""Version 1 of cgroups writes a number near 2^63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU of this host; ``memory`` in bytes."""

    model: str
    memory: int
    compute_capability: float | None


def this_host(root: Path = Path("/"), gpus: Sequence[Gpu] | None = None) -> Machine:
    """This host; with GPUs, they are the machine. ``root`` stands for / and ``gpus`` for what nvidia-smi lists."""
    gpus = find_gpus() if gpus is None else gpus
    smallest = min(gpus, key=lambda gpu: gpu.memory, default=None)
    virtual = psutil.virtual_memory()
    limit, used = memory_limit(root)
    total = min(virtual.total, limit or virtual.total)
    free = virtual.available if limit is None else min(virtual.available, limit - used)
    return Machine(
        name=NAME,
        gpus=len(gpus),
        gpu_memory=smallest.memory if smallest else 0,
        gpu_memory_driver=smallest.memory if smallest else None,
        gpu_model=smallest.model if smallest else None,
        compute_capability=smallest.compute_capability if smallest else None,
        cpu_cores=cores(root),
        memory=total,
        available=max(0, min(free, total)),
        **(speeds_of(smallest.model) if smallest else {}),
    )


def find_gpus() -> list[Gpu]:
    """The NVIDIA GPUs of this host; none where nvidia-smi is missing, fails or does not answer."""
    try:
        done = subprocess.run(NVIDIA_SMI, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_gpus(done.stdout)


def parse_gpus(text: str) -> list[Gpu]:
    """GPUs out of rows like ``NVIDIA A100-SXM4-80GB, 81920, 8.0``; a GPU without memory of its own is left out."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 3 or not cells[1].isdigit():
            continue
        capability = float(cells[2]) if re.fullmatch(r"\d+\.\d+", cells[2]) else None
        found.append(Gpu(cells[0], int(cells[1]) * MIB, capability))
    return found


def cores(root: Path = Path("/")) -> float:
    """Processors that this process may use: those it is bound to, and no more than its container's share of time."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    return min([float(bound), *cpu_quotas(root)])


def cpu_quotas(root: Path) -> Iterator[float]:
    """The processor limits of each level of this process's cgroup, in processors."""
    for folder in _levels(root, "cpu"):
        quota, period = _cpu_text(folder)
        if quota.isdigit() and period.isdigit() and int(period) > 0 and int(quota) > 0:
            yield int(quota) / int(period)


def memory_limit(root: Path) -> tuple[int | None, int]:
    """The lowest memory limit around this process, in bytes, and how much below it is in use; None without a limit.

    Cached files that the kernel would drop first do not count as in use.
    """
    tightest: tuple[float, int, int] = (math.inf, 0, 0)
    for folder in _levels(root, "memory"):
        text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        if not text.isdigit() or int(text) >= UNLIMITED:
            continue
        usage = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes") or "0"
        stat = dict(line.split()[:2] for line in _read(folder / "memory.stat").splitlines() if len(line.split()) == 2)
        idle = int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))
        used = max(0, int(usage) - idle)
        tightest = min(tightest, (int(text) - used, int(text), used))
    return (None, 0) if tightest[0] == math.inf else tightest[1:]


def _levels(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's cgroup from its own up to the top, of either version."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            tops = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            tops = [root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup" / controller]
        else:
            continue
        inside = Path(path.lstrip("/"))
        for top in dict.fromkeys(tops):
            yield from (top / level for level in (inside, *inside.parents) if ".." not in level.parts)


def _cpu_text(folder: Path) -> tuple[str, str]:
    both = _read(folder / "cpu.max").split()
    if len(both) == 2:
        return both[0], both[1]
    return _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
