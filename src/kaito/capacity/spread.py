"""How a model may be spread over GPUs: which divisions its heads and layers allow, in the order of preference. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from kaito.capacity.machines import Machine
from kaito.capacity.plan import Wishes
from kaito.models.profile import Attention, ModelProfile


@dataclass(frozen=True, slots=True)
class Spread:
    """``data`` copies of a model, each of ``pipeline`` stages of ``tensor`` GPUs, over ``nodes`` nodes."""

    nodes: int
    tensor: int
    pipeline: int
    data: int

    @property
    def gpus_of_copy(self) -> int:
        return self.tensor * self.pipeline


def divides(profile: ModelProfile, width: int) -> bool:
    """Whether the engine divides a layer among ``width`` GPUs.

    The attention heads must divide evenly, and so must the key-value heads, or else each is copied to equally many.
    """
    if profile.heads and profile.heads % width:
        return False
    kv = 0 if profile.attention is Attention.MLA else profile.kv_heads
    return not kv or kv % width == 0 or width % kv == 0


def tensor_parallel(profile: ModelProfile, gpus: int) -> int:
    """The most GPUs of a node among which a layer divides, so that the GPUs of the node divide into such groups."""
    return max(width for width in _divisors(gpus) if divides(profile, width))


def spreads(profile: ModelProfile, machine: Machine, wishes: Wishes, nodes: int) -> Iterator[Spread]:
    """Every division over so many nodes that the wishes allow; the first that has the memory is taken.

    On one node: a copy on each GPU where the model is small (less than half a GPU), else as wide as the heads allow,
    with copies on the GPUs that are left, then stages there. Over several nodes: one copy, on all the GPUs it can use.
    """
    free = wishes.tensor_parallel is None and wishes.pipeline_parallel is None and wishes.data_parallel is None
    if free and nodes == 1 and machine.gpus > 1 and 0 < 2 * profile.weight_bytes < machine.gpu_memory:
        yield Spread(1, 1, 1, machine.gpus)
    if wishes.pipeline_parallel is not None:
        if wishes.pipeline_parallel % nodes == 0:
            yield from _staged(profile, machine, wishes, nodes, wishes.pipeline_parallel // nodes)
        return
    rest = machine.gpus // (wishes.data_parallel or 1)
    rest //= wishes.tensor_parallel or (tensor_parallel(profile, rest) if rest else 1)
    stages = [one for one in _divisors(rest) if not profile.layers or one * nodes <= profile.layers] if rest else []
    for one in stages if nodes == 1 else reversed(stages):
        yield from _staged(profile, machine, wishes, nodes, one)


def _staged(profile: ModelProfile, machine: Machine, wishes: Wishes, nodes: int, stages: int) -> Iterator[Spread]:
    """The one spread with so many stages on each node."""
    rest = machine.gpus // stages // (wishes.data_parallel or 1)
    if not rest:
        return
    if wishes.tensor_parallel is None and wishes.pipeline_parallel is None:
        width = tensor_parallel(profile, machine.gpus // (wishes.data_parallel or 1))
    else:
        width = wishes.tensor_parallel or tensor_parallel(profile, rest)
    if width > rest or (nodes > 1 and (wishes.data_parallel or 1) > 1):
        return
    copies = machine.gpus // (stages * width) if nodes == 1 else 1
    yield Spread(nodes, width, nodes * stages, wishes.data_parallel or copies)


def _divisors(count: int) -> list[int]:
    return [one for one in range(1, count + 1) if count % one == 0]
