"""P rules: a part of a node's GPUs."""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from kaito.api.errors import SpecError
from kaito.api.validation.facts import GATE_ACCELERATOR, GATE_MIG, AdmissionFacts
from kaito.api.workspace import PartitionMode, PartitionSpec, Workspace

FIELD: Final = "resource.partition"
GIB: Final = 1 << 30
MIG_PROFILES: Final = (
    "1g.5gb", "1g.6gb", "1g.10gb", "1g.12gb", "1g.18gb", "1g.20gb", "1g.23gb", "1g.24gb", "1g.35gb", "1g.45gb",
    "2g.10gb", "2g.12gb", "2g.20gb", "2g.24gb", "2g.35gb", "2g.45gb",
    "3g.20gb", "3g.40gb", "3g.47gb", "3g.48gb", "3g.71gb", "3g.90gb",
    "4g.20gb", "4g.24gb", "4g.40gb", "4g.47gb", "4g.48gb", "4g.71gb", "4g.90gb",
    "7g.40gb", "7g.80gb", "7g.94gb", "7g.96gb", "7g.141gb", "7g.180gb",
)  # fmt: skip
"""The slices of NVIDIA's data-centre GPUs: compute slices and memory."""
_MIG: Final = re.compile(r"([0-9]+)g\.([0-9]+)(?:\.[0-9]+)?gb")


def slice_bytes(profile: str) -> int | None:
    """The memory of a MIG slice in bytes; None for what is no profile."""
    match = _MIG.fullmatch(profile)
    return int(match[2]) * GIB if match and int(match[1]) and int(match[2]) else None


def partition_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Whether partitions are possible here, and whether this one is written as its mode asks."""
    part = workspace.resource.partition if workspace.resource else None
    if part is None:
        return
    if workspace.tuning is not None:
        yield SpecError(FIELD, None, "is not supported for tuning: remove it")
        return
    if facts.makes_nodes:
        yield SpecError(FIELD, None, "needs nodes that their owner brings, and this installation makes them: remove it")
        return
    if facts.provisioner is None and workspace.resource and workspace.resource.instance_type:
        yield SpecError(FIELD, None, "needs brought nodes: remove it or resource.instanceType")
    yield from _mig_errors(part, facts) if part.mode is PartitionMode.mig else _accelerator_errors(part, facts)


def _mig_errors(part: PartitionSpec, facts: AdmissionFacts) -> Iterator[SpecError]:
    if facts.gates.get(GATE_MIG) is False:
        yield _gate_error("mig", GATE_MIG)
    if part.count is not None:
        yield SpecError(f"{FIELD}.count", part.count, "belongs to mode accelerator: remove it")
    profile = part.profile or ""
    if slice_bytes(profile) is None:
        yield SpecError(f"{FIELD}.profile", part.profile, "is not a MIG profile: write it as 1g.10gb")
    elif profile not in MIG_PROFILES:
        close = difflib.get_close_matches(profile, MIG_PROFILES, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "use one such as 1g.10gb"
        yield SpecError(f"{FIELD}.profile", profile, f"is the MIG profile of no GPU that KAITO knows; {hint}")


def _accelerator_errors(part: PartitionSpec, facts: AdmissionFacts) -> Iterator[SpecError]:
    if facts.gates.get(GATE_ACCELERATOR) is False:
        yield _gate_error("accelerator", GATE_ACCELERATOR)
    if part.profile:
        yield SpecError(f"{FIELD}.profile", part.profile, "belongs to mode mig: remove it")
    if part.count is None:
        yield SpecError(f"{FIELD}.count", None, "is required with mode accelerator: say how many GPUs")


def _gate_error(mode: str, gate: str) -> SpecError:
    return SpecError(f"{FIELD}.mode", mode, f"is turned off here: ask for the feature gate {gate}, or remove partition")
