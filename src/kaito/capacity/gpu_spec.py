"""A GPU and how many of it, as people write it: H100:2. Pure."""

import re
from typing import Final

from kaito.capacity.gpus import GIB, UNKNOWN_SHARE, family_of, plain
from kaito.capacity.machine_file import catalogue
from kaito.capacity.machine_source import MachineError
from kaito.capacity.machines import Machine, UnknownError, of_model

MOST_GPUS: Final = 16
_GPU = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9 ._-]*?)(?::(?P<count>\d{1,2}))?")
_SIZE = re.compile(r"[ -](?P<gib>\d{1,4})G(?:i?B)?$", re.I)


def gpu(text: str) -> Machine:
    """So many GPUs in one machine: ``H100:2``, ``A100-80GB``, ``NVIDIA L4``, ``MyGPU-48GB`` for one not known here.

    Raises UnknownError for a GPU that is not known and has no memory given, MachineError for what cannot be read, for
    a name that several models have, and for a GPU that nothing here runs on.
    """
    match = _GPU.fullmatch(text.strip())
    count = int(match["count"] or 1) if match else 0
    if match is None or not 1 <= count <= MOST_GPUS:
        raise MachineError(f"{text!r} cannot be read; write it as H100, A100-80GB or H100:2 (1 to {MOST_GPUS} GPUs)")
    name = _SIZE.sub(r"-\g<gib>GB", match["name"].strip())
    refusal = catalogue().refusal(name) or catalogue().refusal(_SIZE.sub("", name))
    if refusal:
        raise MachineError(f"{name}: {refusal}; use NVIDIA GPUs, such as H100 or L4")
    found = catalogue().gpu(name)
    if found is None:
        return _by_family(name, count)
    return Machine(name=f"{count} × {found.short} {found.gib} GiB", gpus=count, **of_model(found))


def assumed(text: str) -> str | None:
    """What a name such as H100 is taken as where its family has other models too, for the user to know; else None."""
    name = text.strip().partition(":")[0]
    known = catalogue().gpus
    found = catalogue().gpu(name)
    alike = sorted(key for key, one in known.items() if plain(name) == family_of(key, one))
    if found is None or len(alike) < 2:
        return None
    taken = next(key for key in alike if known[key] == found)
    return f"{name} is taken as {taken}; else write {' or '.join(key for key in alike if key != taken)}"


def _by_family(name: str, count: int) -> Machine:
    """A name that is no model's own: its family and memory, or the memory alone of a GPU that is not known."""
    size = _SIZE.search(name)
    family, gib = _SIZE.sub("", name), int(size["gib"]) if size else None
    known = catalogue().gpus
    wanted = plain(family)
    alike = {key: one for key, one in known.items() if wanted in (plain(key), family_of(key, one))}
    right = {key: one for key, one in alike.items() if gib in (None, one.gib)}
    if len(right) == 1:
        (one,) = right.values()
        return Machine(name=f"{count} × {one.short} {one.gib} GiB", gpus=count, **of_model(one))
    if right:
        raise MachineError(f"{name!r} is the name of several GPUs; write {' or '.join(sorted(right))}")
    if gib is None:
        families = sorted({one.family or key for key, one in known.items()})
        raise UnknownError(
            f"{name!r} is not a GPU that KAITO knows ({', '.join(families)}); say its memory, as in {name}-48GB"
        )
    if gib == 0:
        raise MachineError(f"{name!r} has no memory; write it as {family}-80GB")
    capabilities = {one.compute for one in alike.values()}
    return Machine(
        name=f"{count} × {family.upper()} {gib} GiB",
        gpus=count,
        gpu_memory=gib * GIB,
        gpu_memory_driver=int(gib * GIB * UNKNOWN_SHARE),
        gpu_model=next((one.model for one in alike.values()), f"NVIDIA {family.upper()}"),
        compute_capability=capabilities.pop() if len(capabilities) == 1 else None,
    )
