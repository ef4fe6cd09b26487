"""What this machine has for models: cores and memory, with the limits of the control group it runs in."""

import os
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class CpuHost:
    """A machine without accelerators. ``available_bytes`` is what could be used now, ``total_bytes`` what there is."""

    cores: float
    total_bytes: int
    available_bytes: int


def parse_meminfo(text: str) -> tuple[int, int]:
    """(total, available) bytes out of /proc/meminfo."""
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines() if ":" in line}
    return sizes["MemTotal"], sizes["MemAvailable"]


def parse_cpu_max(text: str) -> float | None:
    """Cores out of a control group's cpu.max; None without a limit."""
    quota, period = text.split()
    return None if quota == "max" else int(quota) / int(period)


def limited(host: CpuHost, *, cpu: float | None, memory_limit: int | None, memory_used: int) -> CpuHost:
    """The host as a control group with these limits sees it."""
    cores = min(host.cores, cpu) if cpu else host.cores
    if memory_limit is None or memory_limit >= host.total_bytes:
        return CpuHost(cores, host.total_bytes, host.available_bytes)
    left = max(0, memory_limit - memory_used)
    return CpuHost(cores, memory_limit, min(host.available_bytes, left))


def this_host() -> CpuHost:
    """This machine."""
    total, available = parse_meminfo(_MEMINFO.read_text())
    host = CpuHost(float(len(os.sched_getaffinity(0))), total, available)
    limit, used = _read("memory.max"), _read("memory.current")
    cpu = _read("cpu.max")
    return limited(
        host,
        cpu=parse_cpu_max(cpu) if cpu else None,
        memory_limit=int(limit) if limit and limit != "max" else None,
        memory_used=int(used) if used else 0,
    )


def _read(name: str) -> str | None:
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return None
