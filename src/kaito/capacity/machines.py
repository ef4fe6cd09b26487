"""What a model may run on: a cloud's machine type, a node by its labels, a part of its GPUs, or this host. Pure."""

import dataclasses
import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from kaito.capacity.gpus import GIB as GIB
from kaito.capacity.gpus import MIB as MIB
from kaito.capacity.gpus import GpuModel
from kaito.capacity.machine_file import MachineType, Price, catalogue
from kaito.capacity.machine_source import MachineError as MachineError

SLICE_SHARE: Final = 7 / 8
"""What the driver leaves at least of the memory that a MIG profile is named after: 10.75 GiB of a 1g.12gb."""
GPU_LABELS: Final = ("nvidia.com/gpu.product", "nvidia.com/gpu.count", "nvidia.com/gpu.memory")
GPU_RESOURCE: Final = "nvidia.com/gpu"
NVIDIA_PCI: Final = "10de.present"
"""In the labels of node feature discovery for a PCI device of NVIDIA's."""
INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
_MIG = re.compile(r"(\d+)g\.(\d+)(?:\.\d+)?gb")


class UnknownError(MachineError):
    """A name that no machine type and no GPU has."""


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
    """The machine types of one cloud, or of all, that can be used, in the alphabet's order.

    Raises MachineError for an unknown cloud.
    """
    usable = (name for _, name, row in _rows(cloud) if catalogue().gpu(row.gpu))
    return tuple(sorted(usable))


def by_instance_type(name: str, cloud: str | None = None) -> Machine:
    """The machine type of that name, in any case, of one cloud or of any.

    Raises UnknownError naming the closest types, MachineError where nothing here runs on its accelerators.
    """
    found = [one for one in catalogue().types.get(name.lower(), ()) if cloud in (None, one[0])]
    if not found:
        known = {one.lower(): one for one in instance_types(cloud)}
        close = difflib.get_close_matches(name.lower(), known, n=3)
        hint = " or ".join(known[one] for one in close)
        where = f" of {cloud}" if cloud else ""
        raise UnknownError(
            f"instance type {name!r} is not a GPU machine type{where} that KAITO knows; "
            + (f"did you mean {hint}?" if hint else "use one such as Standard_NC24ads_A100_v4 or g6.12xlarge")
        )
    where, canonical, row = found[-1]
    gpu = catalogue().gpu(row.gpu)
    if gpu is None:
        raise MachineError(
            f"instance type {canonical!r}: {catalogue().refusal(row.gpu)}; use a machine type with NVIDIA GPUs, "
            "see `kaito machines list`"
        )
    return Machine(
        name=canonical,
        gpus=row.count,
        nvme=row.nvme,
        cpu_cores=row.cores,
        memory=int(row.memory_gib * GIB) if row.memory_gib else None,
        cloud=where,
        **of_model(gpu),
        **_price(where, row),
    )


def of_model(one: GpuModel) -> dict[str, Any]:
    """The fields of a Machine that its GPU model decides, for one GPU."""
    return {
        "gpu_memory": one.gib * GIB,
        "gpu_memory_driver": one.driver_bytes,
        "gpu_model": one.model,
        "compute_capability": one.compute,
        **one.speeds(),
    }


def speeds_of(product: str | None) -> dict[str, Any]:
    """How fast a GPU is, by the name that a node label or nvidia-smi has for it; nothing where it is not known."""
    one = catalogue().gpu(product) if product else None
    return one.speeds() if one else {}


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
    product = labels[GPU_LABELS[0]]
    known = catalogue().gpu(product)
    return Machine(
        name=node,
        gpus=1 if is_mig else count,
        gpu_memory=math.floor(mebibytes / 1024 + 0.5) * GIB,
        gpu_memory_driver=mebibytes * MIB,
        gpu_model=product,
        compute_capability=_capability(labels) or (known.compute if known else None),
        is_mig=is_mig,
        **({} if is_mig else speeds_of(product)),
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
    known = sorted({one for profiles in catalogue().mig_profiles.values() for one in profiles})
    if profile not in known:
        close = difflib.get_close_matches(profile, known, n=3)
        raise MachineError(f"MIG profile {profile!r} is of no GPU that KAITO knows; did you mean {' or '.join(close)}?")
    memory = int(match[2]) * GIB
    driver = int(memory * SLICE_SHARE)
    return Machine(f"MIG {profile}", gpus=1, gpu_memory=memory, gpu_memory_driver=driver, is_mig=True)


def share(machine: Machine, count: int) -> Machine:
    """``count`` whole GPUs of a node. Raises MachineError when it has fewer."""
    if not 0 < count <= machine.gpus:
        raise MachineError(
            f"resource.partition.count: {count} GPUs are asked for and node {machine.name} has {machine.gpus}; "
            "ask for as many or fewer"
        )
    return dataclasses.replace(machine, gpus=count)


def _rows(cloud: str | None) -> Iterator[tuple[str, str, MachineType]]:
    """Every row of one cloud's table, or of all: cloud, name, row."""
    tables = catalogue().machines
    if cloud is not None and cloud not in tables:
        raise MachineError(f"cloud {cloud!r} is not supported; use {', '.join(tables)}")
    for where, table in tables.items():
        if cloud in (None, where):
            yield from ((where, name, row) for name, row in table.items())


def _price(cloud: str, row: MachineType) -> dict[str, Any]:
    """The price of a machine type, and where and when it was read."""
    if row.price is None:
        return {}
    of_list = catalogue().prices.get(cloud)
    own = row.price if isinstance(row.price, Price) else Price(usd=row.price)
    source = own.source or (of_list.source if of_list else None)
    region = own.region or (of_list.region if of_list else None)
    return {
        "price": own.usd,
        "price_source": ", ".join(part for part in (source, region) if part) or None,
        "price_date": own.date or (of_list.date if of_list else None),
    }


def _speaks_of_gpus(labels: Mapping[str, str]) -> bool:
    """Whether labels tell of a GPU: then a node that offers none is not ready for models, rather than without GPUs."""
    known = {one.lower() for one in instance_types()}
    return labels.get(INSTANCE_TYPE_LABEL, "").lower() in known or any(
        label.startswith("nvidia.com/") or NVIDIA_PCI in label for label in labels
    )


def _quantity(node: str, offered: Mapping[str, str], resource: str) -> Decimal:
    # Its package brings an HTTP client along, which a plan without a cluster need not wait for.
    from lightkube.utils.quantity import parse_quantity

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
