"""What a model may run on: a cloud's machine type, a node by its labels, a part of its GPUs, or this host. Pure."""

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from lightkube.utils.quantity import parse_quantity

DATA: Final = Path(__file__).parent / "machines.yaml"
CLOUDS: Final = ("azure", "aws", "arc")
GIB: Final = 1 << 30
MIB: Final = 1 << 20
GPU_LABELS: Final = ("nvidia.com/gpu.product", "nvidia.com/gpu.count", "nvidia.com/gpu.memory")
GPU_RESOURCE: Final = "nvidia.com/gpu"
NVIDIA_PCI: Final = "10de.present"
"""In the labels of node feature discovery for a PCI device of NVIDIA's."""
INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
_MIG = re.compile(r"(\d+)g\.(\d+)(?:\.\d+)?gb")


class MachineError(ValueError):
    """A machine that cannot be planned for; the message names it, what is wrong, and the remedy."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One node. ``gpus`` is 0 for a machine that serves on its CPU; every ``gpu_`` number is of one GPU.

    ``is_mig``: the GPU is a slice, and slices cannot work together. ``cpu_cores``, ``memory`` (bytes in all) and
    ``available`` (bytes free now), and all below them, are None where they are not known.
    """

    name: str
    gpus: int
    gpu_memory: int
    """Bytes; as advertised for a machine type, where 80 GB count as 80 GiB: the release's plans are made of it."""
    gpu_model: str | None = None
    compute_capability: float | None = None
    nvme: bool = False
    is_mig: bool = False
    cpu_cores: float | None = None
    memory: int | None = None
    available: int | None = None
    gpu_memory_driver: int | None = None
    """Bytes that the driver reports: less than advertised, because error correction and the driver take their part."""
    gpu_bandwidth: float | None = None
    """Bytes that the GPU's memory moves in a second."""
    gpu_flops: float | None = None
    """Dense operations in a second with 16-bit numbers, never the sparse figure of the data sheets."""
    gpu_flops_8bit: float | None = None
    """The same with 8-bit numbers, of FP8 where the GPU has it, else of INT8."""
    nvlink: float | None = None
    """Bytes in a second between one GPU and the others of the machine, both directions together; None over PCIe."""
    price: float | None = None
    """US dollars for an hour of the whole machine, on demand, without tax and discounts."""
    price_source: str | None = None
    price_date: str | None = None
    cloud: str | None = None


def instance_types(cloud: str | None = None) -> tuple[str, ...]:
    """The machine types of one cloud, or of all, in the alphabet's order. Raises MachineError for another cloud."""
    _check_cloud(cloud)
    return tuple(sorted(name for where, table in _tables() if cloud in (None, where) for name in table))


def by_instance_type(name: str, cloud: str | None = None) -> Machine:
    """The machine type of that name, in any case, of one cloud or of any.

    Raises MachineError naming the closest types.
    """
    _check_cloud(cloud)
    known = {one.lower(): (where, one) for where, table in _tables() if cloud in (None, where) for one in table}
    if name.lower() not in known:
        close = difflib.get_close_matches(name.lower(), known, n=3)
        hint = " or ".join(known[one][1] for one in close)
        where = f" of {cloud}" if cloud else ""
        raise MachineError(
            f"instance type {name!r} is not a GPU machine type{where} that KAITO knows; "
            + (f"did you mean {hint}?" if hint else "use one such as Standard_NC24ads_A100_v4 or g6.12xlarge")
        )
    where, canonical = known[name.lower()]
    row = _data()[where][canonical]
    return Machine(
        name=canonical,
        gpus=row["count"],
        gpu_memory=row["gib"] * GIB,
        gpu_model=row["gpu"],
        compute_capability=row["compute"],
        nvme=row.get("nvme", False),
    )


def from_labels(node: str, labels: Mapping[str, str]) -> Machine:
    """A node's GPUs, by the labels of NVIDIA's feature discovery, else by its instance type.

    A node whose GPUs are cut into slices is one slice: slices cannot share a model. Raises MachineError.
    """
    missing = [label for label in GPU_LABELS if not labels.get(label)]
    if missing:
        kind = labels.get(INSTANCE_TYPE_LABEL, "")
        if kind.lower() in (one.lower() for one in instance_types()):
            return by_instance_type(kind)
        raise MachineError(
            f"node {node}: has no label {missing[0]}, so its GPUs are not known; install NVIDIA's GPU feature "
            "discovery or set the labels nvidia.com/gpu.product, .count and .memory by hand"
        )
    count, mebibytes = _whole(node, labels, GPU_LABELS[1]), _whole(node, labels, GPU_LABELS[2])
    sliced = labels.get("nvidia.com/mig.config", "") not in ("", "all-disabled")
    is_mig = sliced and labels.get("nvidia.com/mig.config.state") == "success"
    return Machine(
        name=node,
        gpus=1 if is_mig else count,
        gpu_memory=math.floor(mebibytes / 1024 + 0.5) * GIB,
        gpu_model=labels[GPU_LABELS[0]],
        compute_capability=_capability(labels),
        is_mig=is_mig,
    )


def of_node(node: Mapping[str, Any]) -> Machine:
    """A node as its status and labels describe it: by its GPUs, or by its processors where nothing speaks of a GPU.

    Raises MachineError.
    """
    name, labels = node["metadata"]["name"], node["metadata"].get("labels") or {}
    offered = (node.get("status") or {}).get("allocatable") or {}
    if not offered or GPU_RESOURCE in offered or _speaks_of_gpus(labels):
        return from_labels(name, labels)
    return Machine(
        name=f"node {name}",
        gpus=0,
        gpu_memory=0,
        cpu_cores=float(_quantity(name, offered, "cpu")),
        memory=int(_quantity(name, offered, "memory")),
    )


def mig_slice(profile: str) -> Machine:
    """The one GPU that a MIG profile such as 2g.24gb is. Raises MachineError."""
    match = _MIG.fullmatch(profile)
    if match is None or int(match[1]) == 0 or int(match[2]) == 0:
        raise MachineError(f"MIG profile {profile!r} cannot be read; write it as 1g.10gb")
    known = _data()["mig_profiles"]
    if profile not in known:
        close = difflib.get_close_matches(profile, known, n=3)
        raise MachineError(f"MIG profile {profile!r} is of no GPU that KAITO knows; did you mean {' or '.join(close)}?")
    return Machine(f"MIG {profile}", gpus=1, gpu_memory=int(match[2]) * GIB, is_mig=True)


def share(machine: Machine, count: int) -> Machine:
    """``count`` whole GPUs of a node. Raises MachineError when it has fewer."""
    if not 0 < count <= machine.gpus:
        raise MachineError(
            f"resource.partition.count: {count} GPUs are asked for and node {machine.name} has {machine.gpus}; "
            "ask for as many or fewer"
        )
    return dataclasses.replace(machine, gpus=count)


def _check_cloud(cloud: str | None) -> None:
    if cloud is not None and cloud not in CLOUDS:
        raise MachineError(f"cloud {cloud!r} is not supported; use {', '.join(CLOUDS)}")


def _speaks_of_gpus(labels: Mapping[str, str]) -> bool:
    """Whether labels tell of a GPU: then a node that offers none is not ready for models, rather than without GPUs."""
    known = {one.lower() for one in instance_types()}
    return labels.get(INSTANCE_TYPE_LABEL, "").lower() in known or any(
        label.startswith("nvidia.com/") or NVIDIA_PCI in label for label in labels
    )


def _quantity(node: str, offered: Mapping[str, str], resource: str) -> Decimal:
    text = offered.get(resource, "")
    try:
        value = parse_quantity(text)
    except ValueError:
        value = None
    if not value:
        raise MachineError(f"node {node}: status.allocatable.{resource} is {text!r}, no amount; look at its kubelet")
    return value


def _whole(node: str, labels: Mapping[str, str], label: str) -> int:
    text = labels[label]
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise MachineError(
            f"node {node}: label {label} is {text!r} and must be a whole number of at least 1; correct it"
        )
    return int(text)


def _capability(labels: Mapping[str, str]) -> float | None:
    major, minor = (labels.get(f"nvidia.com/cuda.compute.{part}", "") for part in ("major", "minor"))
    if not re.fullmatch(r"[0-9]{1,3}", major):
        return None
    return float(f"{int(major)}.{int(minor) if re.fullmatch(r'[0-9]', minor) else 0}")


def _tables() -> list[tuple[str, Mapping[str, Any]]]:
    return [(cloud, _data()[cloud]) for cloud in CLOUDS]


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = yaml.safe_load(DATA.read_text())
    return data
