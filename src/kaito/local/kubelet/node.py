"""The Node object of this machine: what it has, and that it is alive."""

import asyncio
import logging
import os
import platform
import shutil
from dataclasses import dataclass
from typing import Any

import psutil

from kaito.kube.client import Client
from kaito.kube.errors import AlreadyExists, ApiError
from kaito.kube.resources import NODES
from kaito.local.kubelet.events import timestamp
from kaito.local.kubelet.settings import KubeletSettings

log = logging.getLogger(__name__)
MAX_PODS = 250
HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA device as nvidia-smi lists it."""

    index: str
    name: str
    memory_mib: int


async def find_gpus() -> list[Gpu]:
    """The GPUs of this machine; none when nvidia-smi is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    process = await asyncio.create_subprocess_exec(
        program,
        "--query-gpu=index,name,memory.total",
        "--format=csv,noheader,nounits",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return parse_gpus(output.decode(errors="replace")) if process.returncode == 0 else []


def parse_gpus(text: str) -> list[Gpu]:
    """Rows "0, NVIDIA A100-SXM4-80GB, 81920"."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [Gpu(row[0], row[1], int(row[2])) for row in rows if len(row) == 3 and row[2].isdigit()]


def capacity(settings: KubeletSettings, gpus: list[Gpu]) -> dict[str, str]:
    """What the machine has, as a resource list. CPUs are those this process may use."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(settings.state_dir).total
    have = {
        "cpu": str(cpus),
        "memory": f"{psutil.virtual_memory().total // 1024}Ki",
        "ephemeral-storage": f"{disk // 1024}Ki",
        "pods": str(MAX_PODS),
    }
    return have | ({"nvidia.com/gpu": str(len(gpus))} if gpus else {})


def labels(settings: KubeletSettings, gpus: list[Gpu]) -> dict[str, str]:
    """The well-known labels, with those of GPU feature discovery where there are GPUs."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = platform.system().lower()
    found = {
        "kubernetes.io/hostname": settings.node_name,
        "kubernetes.io/arch": arch,
        "kubernetes.io/os": system,
    }
    if gpus:
        found |= {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.count": str(len(gpus)),
            "nvidia.com/gpu.product": gpus[0].name.replace(" ", "-"),
            "nvidia.com/gpu.memory": str(gpus[0].memory_mib),
        }
    return {**found, **settings.node_labels}


def node_status(settings: KubeletSettings, have: dict[str, str], old: dict[str, Any]) -> dict[str, Any]:
    """The status to post now; transition times of conditions that hold still are kept."""
    now = timestamp()
    before = {c["type"]: c for c in old.get("conditions") or []}
    conditions = []
    for kind, value, reason, message in HEALTHY:
        known = before.get(kind, {})
        changed = known.get("lastTransitionTime", now) if known.get("status") == value else now
        times = {"lastHeartbeatTime": now, "lastTransitionTime": changed}
        conditions.append({"type": kind, "status": value, "reason": reason, "message": message, **times})
    return {
        "capacity": have,
        "allocatable": have,
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": "127.0.0.1"},
            {"type": "Hostname", "address": settings.node_name},
        ],
        "nodeInfo": {
            "kernelVersion": platform.release(),
            "osImage": platform.platform(),
            "operatingSystem": platform.system().lower(),
            "architecture": labels(settings, [])["kubernetes.io/arch"],
            "containerRuntimeVersion": f"process://{platform.python_version()}",
            "kubeletVersion": "v1.33.0",
            "kubeProxyVersion": "v1.33.0",
            "machineID": settings.node_name,
            "systemUUID": settings.node_name,
            "bootID": str(int(psutil.boot_time())),
        },
    }


async def register(client: Client, settings: KubeletSettings, have: dict[str, str], gpus: list[Gpu]) -> dict[str, Any]:
    """Create the Node or bring its labels up to date; returns it with a fresh status."""
    wanted = labels(settings, gpus)
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": settings.node_name, "labels": wanted}, "spec": {}}
    try:
        await client.create(NODES, body)
    except AlreadyExists:
        await client.patch(NODES, settings.node_name, None, {"metadata": {"labels": wanted}})
    return await beat(client, settings, have)


async def beat(client: Client, settings: KubeletSettings, have: dict[str, str]) -> dict[str, Any]:
    """Post one heartbeat."""
    node = await client.get(NODES, settings.node_name)
    fresh = node_status(settings, have, node.get("status") or {})
    return await client.patch(NODES, settings.node_name, None, {"status": fresh}, subresource="status")


async def heartbeat(client: Client, settings: KubeletSettings, have: dict[str, str], gpus: list[Gpu]) -> None:
    """Beat until cancelled; a deleted Node is registered again."""
    while True:
        await asyncio.sleep(settings.heartbeat)
        try:
            await register(client, settings, have, gpus)
        except ApiError as error:
            log.warning("heartbeat of node %s failed: %s", settings.node_name, error)
