"""R and P rules that compare a model with nodes: those that were brought, or those that would be made."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kaito.api import keys
from kaito.api.errors import SpecError
from kaito.api.validation.facts import AdmissionFacts, NodeFacts
from kaito.api.validation.metadata import annotation, bypassed, runtime
from kaito.api.validation.partition import slice_bytes
from kaito.api.validation.resource import INSTANCE_TYPE, SELECTOR, selector_labels
from kaito.api.workspace import PartitionMode, PartitionSpec, Workspace

GIB: Final = 1 << 30
MIB: Final = 1 << 20
PRODUCT, COUNT, MEMORY = "nvidia.com/gpu.product", "nvidia.com/gpu.count", "nvidia.com/gpu.memory"
INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_BYPASS: Final = f'or set the annotation {keys.BYPASS_RESOURCE_CHECKS} to "true"'


@dataclass(frozen=True)
class Gpus:
    """The GPUs of one node: their name, how many, and bytes of memory of all together."""

    product: str
    count: int
    memory: int


@dataclass(frozen=True)
class Hardware:
    """What a model would run on: ``nodes`` nodes with ``memory`` bytes of GPU memory each; ``field`` asks for it."""

    nodes: int
    memory: int
    field: str
    value: str | None


def fit_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Whether the nodes are alike and hold the model's weights, as far as both are known."""
    inference, resource = workspace.inference, workspace.resource
    if inference is None:
        return
    part = resource.partition if resource else None
    if part is not None:
        yield from _partition_fit(workspace, part, facts) if facts.provisioner in ("byo", None) else ()
        return
    if inference.preset is None:
        return
    if facts.provisioner == "byo":
        found = _brought(workspace, facts)
        if isinstance(found, SpecError):
            yield found
            return
    else:
        found = _made(workspace, facts) if runtime(workspace, facts) != "vllm" else None
    if found is not None:
        yield from _memory_errors(workspace, found, facts)


def _memory_errors(workspace: Workspace, hardware: Hardware, facts: AdmissionFacts) -> Iterator[SpecError]:
    model = facts.known_model
    weights = model.weight_bytes or 0
    if not weights:
        return
    if hardware.nodes * hardware.memory < weights and not bypassed(workspace):
        nodes = f"{hardware.nodes} node{'s' if hardware.nodes > 1 else ''} with {_gib(hardware.memory)} each"
        fix = f"gives {nodes} and the model's weights need {_gib(weights)}: use more GPU memory, {_BYPASS}"
        yield SpecError(hardware.field, hardware.value, fix)
    if model.multi_node and weights > hardware.memory and runtime(workspace, facts) == "transformers":
        fix = (
            f"serves on one node only, which has {_gib(hardware.memory)} of GPU memory, and the model's weights need "
            f"{_gib(weights)}: use vllm, or nodes with more GPU memory"
        )
        yield SpecError(annotation(keys.RUNTIME), "transformers", fix)


def _made(workspace: Workspace, facts: AdmissionFacts) -> Hardware | None:
    resource = workspace.resource
    name = (resource.instance_type if resource else None) or ""
    machine = facts.machine(name) if facts.makes_nodes and name else None
    if machine is None or not machine.gpus or resource is None:
        return None
    return Hardware(max(1, resource.count or 1), machine.gpus * machine.gpu_memory, INSTANCE_TYPE, name)


def _brought(workspace: Workspace, facts: AdmissionFacts) -> Hardware | SpecError | None:
    """The brought nodes as one kind of hardware, or why they are none.

    None where nothing can be said: the nodes are not known, or none has a GPU and the model is served on processors.
    """
    nodes = _matching(workspace, facts)
    if nodes is None:
        return None
    if not nodes:
        return _no_node(workspace)
    found: list[tuple[str, Gpus]] = []
    for node in nodes:
        gpus = _gpus(node, facts)
        if isinstance(gpus, SpecError):
            return gpus
        if gpus is not None:
            found.append((node.name, gpus))
    if not found:
        return None
    (first, like), *others = found
    for name, gpus in others:
        if (problem := _unlike(first, like, name, gpus)) is not None:
            return SpecError(SELECTOR, None, f"selects nodes that differ: {problem}; narrow it to one kind")
    return Hardware(len(found), like.memory, SELECTOR, None)


def _matching(workspace: Workspace, facts: AdmissionFacts) -> list[NodeFacts] | None:
    """The nodes that the selector chooses; None when they cannot be known, or the selector is refused anyway."""
    try:
        labels = selector_labels(workspace)
    except SpecError:
        return None
    if facts.nodes is None or not labels:
        return None
    return [node for node in facts.nodes if labels.items() <= node.labels.items()]


def _no_node(workspace: Workspace) -> SpecError:
    labels = [f"{key}={value}" for key, value in sorted(selector_labels(workspace).items())]
    fix = f"selects no node: kubectl label node NAME {' '.join(labels)}"
    return SpecError(SELECTOR, None, fix)


def _gpus(node: NodeFacts, facts: AdmissionFacts) -> Gpus | SpecError | None:
    """A node's GPUs; None for a node that shows no sign of one, which is no fault of the nodes beside it."""
    labels = node.labels
    machine = facts.machine(labels.get(INSTANCE_TYPE_LABEL, "")) if labels.get(INSTANCE_TYPE_LABEL) else None
    if not any(labels.get(one) for one in (PRODUCT, COUNT, MEMORY)):
        if machine is not None and machine.gpus:
            return Gpus(labels[INSTANCE_TYPE_LABEL], machine.gpus, machine.gpus * machine.gpu_memory)
        if node.offered.get("nvidia.com/gpu", "0") == "0":
            return None
    for label in (PRODUCT, COUNT, MEMORY):
        value = labels.get(label, "")
        if not value or (label != PRODUCT and not _WHOLE.fullmatch(value)):
            said = f"has {label}={value}" if value else f"has no label {label}"
            fix = f"selects node {node.name}, which {said}: install NVIDIA's GPU feature discovery, or set it by hand"
            return SpecError(SELECTOR, None, fix)
    count, mebibytes = int(labels[COUNT]), int(labels[MEMORY])
    return Gpus(labels[PRODUCT], count, int(mebibytes / 1024 + 0.5) * count * GIB)


def _unlike(first: str, like: Gpus, name: str, gpus: Gpus) -> str | None:
    if gpus.product != like.product:
        return f"{first} has {like.product} and {name} has {gpus.product}"
    if gpus.count != like.count:
        return f"{first} has {like.count} GPUs and {name} has {gpus.count}"
    if gpus.memory != like.memory:
        return f"{first} has {_gib(like.memory)} of GPU memory and {name} has {_gib(gpus.memory)}"
    return None


def _partition_fit(workspace: Workspace, part: PartitionSpec, facts: AdmissionFacts) -> Iterator[SpecError]:
    if part.mode is PartitionMode.mig:
        memory, weights = slice_bytes(part.profile or ""), facts.known_model.weight_bytes
        if memory and weights and weights > memory and not bypassed(workspace):
            fix = f"has {_gib(memory)} and the model's weights need {_gib(weights)}: use a bigger slice, {_BYPASS}"
            yield SpecError("resource.partition.profile", part.profile, fix)
        return
    nodes = _matching(workspace, facts)
    if nodes is None or part.count is None:
        return
    if not nodes:
        yield _no_node(workspace)
        return
    found = [gpus.count for node in nodes if isinstance(gpus := _gpus(node, facts), Gpus)]
    if found and max(found) < part.count:
        fix = f"is more than any of the selected nodes has: ask for at most {max(found)}"
        yield SpecError("resource.partition.count", part.count, fix)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB".replace(".0 ", " ")
