"""The sums of KAITO v0.12, for comparison: nodes and parallelism of a model on a machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kaito.capacity.machines import GIB, Machine
from kaito.models.catalogue import entries
from kaito.models.profile import ModelProfile

HERE: Final = Path(__file__).parent
BY_NAME: dict[str, ModelProfile] = {entry.served_name: entry.profile() for entry in entries() if entry.folder is None}
MACHINES: Sequence[Machine] = [
    Machine(f"{gpus}x{gib}", gpus, gib * GIB)
    for gpus, gib in ((1, 24), (2, 24), (1, 80), (2, 80), (4, 80), (8, 40), (1, 94), (8, 80), (8, 141))
]


def rows(name: str) -> list[list[str]]:
    """The words of each line of a table beside this file, without its comments."""
    lines = (HERE / name).read_text().splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class Facts:
    """What the release knows of a model: bytes of its weights, and of each token in the cache."""

    name: str
    weights: int
    token: int


FACTS: Final = {
    name: Facts(name, math.ceil(float(weights) * GIB), int(token))
    for name, weights, token, *_ in rows("v012_plans.txt")
}
CELLS: Final = {
    (name, machine.name): cell
    for name, _, _, *cells in rows("v012_plans.txt")
    for machine, cell in zip(MACHINES, cells, strict=True)
}
"""(model, machine) to what the release plans for 2048 tokens: 2nt1 for two nodes of one GPU, 1nd8 for eight copies."""


def nodes(facts: Facts, machine: Machine, context: int = 2048) -> int | None:
    """The release's number of nodes; None where it says that the overhead exceeds the memory."""
    usable = machine.gpu_memory * 0.84
    fixed = 2.3 * GIB + context * facts.token / machine.gpus
    if usable <= fixed:
        return None
    gpus = math.trunc(facts.weights * 1.02 / ((usable - fixed) / 1.05)) + 1
    return math.ceil(gpus / machine.gpus)


def cell(facts: Facts, machine: Machine) -> str:
    count = nodes(facts, machine)
    copied = count == 1 and machine.gpus > 1 and facts.weights * 2 < machine.gpu_memory
    return f"{count}nd{machine.gpus}" if copied else f"{count}nt{machine.gpus}"
