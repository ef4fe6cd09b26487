"""The key-value cache of a plan: what one request takes of a GPU, and what a GPU's room holds. Pure."""

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kaito.models.cache import GROWING, CacheGroup, CacheLayout, CacheSetup, LayerKind
from kaito.models.profile import Attention, ModelProfile

CPU_BLOCK: Final = 128
MLA_BLOCK: Final = 16
WHOLE: Final = frozenset({LayerKind.MLA, LayerKind.INDEX})
"""Kinds of layers whose cache each GPU of a stage holds whole."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A model's cache on the GPUs of one spread, or on a CPU. Sizes are bytes of one GPU.

    ``largest_stage`` is the part of the layers on the GPU with the most of them.
    """

    layout: CacheLayout
    setup: CacheSetup
    largest_stage: float = 1.0

    @property
    def token_bytes(self) -> int:
        """Of a token of a short request, over all layers and all GPUs."""
        return self.layout.most_bytes_per_token(self.setup.element_bits)

    def needed(self, context: int) -> int:
        """With less than this, the engine does not start for requests of that many tokens."""
        return self.layout.needed_bytes(self._with(context))

    def sequence(self, context: int) -> int:
        """What one such request takes."""
        return self.layout.sequence_bytes(context, self._with(context))

    def longest(self, room: int, limit: int) -> int | None:
        """The longest request, up to ``limit`` tokens, that ``room`` bytes hold; None when the cache is not known."""
        if not self.layout.known:
            return None
        return limit if self.needed(limit) <= room else self.layout.longest(room, self._with(limit))

    def tokens(self, room: int, context: int) -> int | None:
        """What the engine reports as the size of its cache, serving requests of up to ``context`` tokens."""
        return self.layout.capacity_tokens(room, self._with(context)) if context > 0 else 0

    def requests(self, room: int, context: int) -> int | None:
        """Requests of ``context`` tokens that ``room`` bytes hold at once; None when the cache is not known."""
        found = self.layout.concurrency(room, self._with(context))
        return None if found is None else int(found)

    def read_bytes(self, context: int) -> float:
        """What one step of a request of ``context`` tokens reads, on the GPU with the most layers."""
        return self.largest_stage * sum(self._read(group, context) for group in self.layout.keeping)

    def _read(self, group: CacheGroup, context: int) -> float:
        bits = 16 if group.kind is LayerKind.INDEX else self.setup.element_bits
        length = context if group.kind in GROWING else min(context, group.window or 0)
        kept = length * group.bytes_per_token * bits / 16 / group.compression + group.state_bytes
        heads = group.kv_heads or self.setup.tensor_parallel
        share = 1 if group.kind in WHOLE else min(heads, self.setup.tensor_parallel)
        return group.layers * kept / share

    def _with(self, context: int) -> CacheSetup:
        return _serving(self.setup, context)


@lru_cache(maxsize=4096)
def _serving(setup: CacheSetup, context: int) -> CacheSetup:
    """The same setup for requests of up to ``context`` tokens; kept, as a table of plans asks for few of them often."""
    return dataclasses.replace(setup, max_model_len=context)


def stage_share(profile: ModelProfile, stages: int) -> float:
    """The part of the model in its largest stage: layers are not cut."""
    if not profile.layers:
        return 1 / stages
    return math.ceil(profile.layers / stages) / profile.layers


def gpu_cache(profile: ModelProfile, kv_cache_dtype: str | None, *, tensor: int, pipeline: int) -> Cache:
    """The cache of ``profile`` in that type, 16 bits without one, over ``pipeline`` stages of ``tensor`` GPUs."""
    setup = CacheSetup(
        max_model_len=profile.context_length,
        element_bits=8 if eight_bit(kv_cache_dtype) else 16,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
    )
    return Cache(profile.cache, setup, stage_share(profile, pipeline))


def cpu_cache(profile: ModelProfile, kv_cache_dtype: str | None) -> Cache:
    """The cache of ``profile`` on a CPU, where blocks are longer and states have 32 bits."""
    setup = CacheSetup(
        max_model_len=profile.context_length,
        block=MLA_BLOCK if profile.attention is Attention.MLA else CPU_BLOCK,
        element_bits=8 if eight_bit(kv_cache_dtype) else 16,
        state_bits=32,
    )
    return Cache(profile.cache, setup)


def eight_bit(kv_cache_dtype: str | None) -> bool:
    """Whether keys and values are kept in 8 bits."""
    return (kv_cache_dtype or "auto").startswith(("fp8", "int8"))
