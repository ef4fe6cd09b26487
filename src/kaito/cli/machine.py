"""From the options of `kaito plan` and `kaito render` to the machine that is meant."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito.capacity import machines
from kaito.capacity.machines import GIB, Machine, MachineError
from kaito.cli.errors import NOT_FOUND, CliError

_GPU = re.compile(r"(?P<model>[A-Za-z][A-Za-z0-9 ]*?)(?:-(?P<gib>\d{1,4})G(?:i?B)?)?(?::(?P<count>\d{1,2}))?", re.I)
MOST_GPUS = 16


@dataclass(frozen=True)
class Chosen:
    """A machine, its type where it is one of a cloud, and what was assumed of it."""

    machine: Machine
    instance_type: str | None = None
    warnings: tuple[str, ...] = ()


def by_type(name: str) -> Chosen:
    """A cloud's machine type, in any case. Raises CliError naming the closest."""
    try:
        found = machines.by_instance_type(name)
    except MachineError as exc:
        raise CliError(f"--instance-type: {exc}", NOT_FOUND) from exc
    return Chosen(found, found.name)


def by_gpu(text: str) -> Chosen:
    """``H100:2``, ``A100-40GB`` or ``RTX4090-24GB:4``: a GPU, its memory where there are several, and how many.

    Without memory, the least of the GPU's variants is taken, so that what fits there fits on each. Raises CliError.
    """
    match = _GPU.fullmatch(text.strip())
    count = int(match["count"] or 1) if match else 0
    if match is None or not 1 <= count <= MOST_GPUS:
        raise CliError(f"--gpu: {text!r} cannot be read; write it as H100, A100-80GB or H100:2 (1 to {MOST_GPUS} GPUs)")
    key, known = match["model"].strip().upper(), gpus()
    sizes = known.get(key, {})
    if match["gib"]:
        gib = int(match["gib"])
        if gib == 0:
            raise CliError(f"--gpu: {text!r} has no memory; write it as {key}-80GB")
        near = sizes.get(gib) or next(iter(sizes.values()), None)
        return Chosen(_gpu_machine(key, gib, count, near))
    if not sizes:
        raise CliError(
            f"--gpu: {match['model']!r} is not a GPU that KAITO knows ({', '.join(sorted(known))}); "
            f"say its memory, as in {key}-48GB",
            NOT_FOUND,
        )
    gib = min(sizes)
    others = " or ".join(f"{key}-{size}GB" for size in sorted(sizes) if size != gib)
    warning = f"{key} comes with different memory: {gib} GiB is assumed; else write {others}" if others else ""
    return Chosen(_gpu_machine(key, gib, count, sizes[gib]), warnings=(warning,) if warning else ())


def gpus() -> dict[str, dict[int, Machine]]:
    """The GPUs of the known machine types: short name to GiB of memory to one such machine."""
    found: dict[str, dict[int, Machine]] = {}
    for name in machines.instance_types():
        one = machines.by_instance_type(name)
        short = (one.gpu_model or name).removeprefix("NVIDIA ").upper()
        found.setdefault(short, {}).setdefault(one.gpu_memory // GIB, one)
    return found


def _gpu_machine(model: str, gib: int, count: int, near: Machine | None) -> Machine:
    return Machine(
        name=f"{count} × {model} {gib} GiB",
        gpus=count,
        gpu_memory=gib * GIB,
        gpu_model=(near.gpu_model if near else None) or f"NVIDIA {model}",
        compute_capability=near.compute_capability if near else None,
    )


def by_selector(text: str, kubeconfig: Path | None) -> Chosen:
    """The weakest of the cluster's ready nodes that carry the labels, as the operator plans. Raises CliError."""
    from kaito.cli.connect import Session, run
    from kaito.kube import resources

    if not all(re.fullmatch(r"[^=,\s!]+=[^=,\s]*", part) for part in text.split(",")):
        raise CliError(f"--node-selector: {text!r} cannot be read; write it as key=value, several with a comma")

    async def action(session: Session) -> list[dict[str, Any]]:
        return (await session.client.list(resources.NODES, None, label_selector=text))[0]

    return of_nodes(text, run(action, kubeconfig=kubeconfig, namespace=None))


def of_nodes(selector: str, nodes: Sequence[Mapping[str, Any]]) -> Chosen:
    """The machine that each of these nodes is at least; nodes without GPUs count by their processors."""
    from kaito.controllers.resolver import machine_of
    from kaito.nodes.provisioner import is_ready

    ready = [node for node in nodes if is_ready(node)]
    if not ready:
        raise CliError(f"--node-selector: no ready node has the labels {selector}; see `kubectl get nodes`", NOT_FOUND)
    try:
        found = machine_of({}, ready)
    except MachineError as exc:
        raise CliError(f"--node-selector: {exc}", NOT_FOUND) from exc
    warning = f"{found.name} has no GPU: planned for its processors and memory"
    return Chosen(found, warnings=() if found.gpus else (warning,))
