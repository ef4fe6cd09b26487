"""From the options of `kaito plan` and `kaito render` to the machine that is meant."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito.capacity import gpu_spec, machines
from kaito.capacity.machines import Machine, MachineError, UnknownError
from kaito.cli.errors import NOT_FOUND, CliError


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
    """``H100:2``, ``A100-40GB`` or ``MyGPU-24GB:4``: a GPU, its memory where KAITO does not know it, and how many.

    Raises CliError, which lists the models where several have the name.
    """
    try:
        found, assumed = gpu_spec.gpu(text), gpu_spec.assumed(text)
    except UnknownError as exc:
        raise CliError(f"--gpu: {exc}", NOT_FOUND) from exc
    except MachineError as exc:
        raise CliError(f"--gpu: {exc}") from exc
    return Chosen(found, warnings=(assumed,) if assumed else ())


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
