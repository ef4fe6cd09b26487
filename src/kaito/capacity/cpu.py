"""From a model and a CPU host to a plan, with every number it used. Pure.

The engine keeps weights in 16 bits, takes key-value memory in whole GiB, and needs working memory of its own.
"""

import math
from dataclasses import dataclass
from typing import Final

from kaito.models.profile import ModelProfile

GIB: Final = 1 << 30
ENGINE_BYTES: Final = 2 * GIB
"""What vLLM on a CPU holds besides weights and cache: PyTorch, the tokenizer, activations. Measured: 1.4 GiB."""
LOADING: Final = 1.1
"""Weights while they are loaded: a tenth more than their size."""
TARGET_REQUESTS: Final = 8
"""Requests of full length that the cache should hold, where memory allows."""


@dataclass(frozen=True)
class CpuHost:
    """A machine's cores, and the bytes of memory that could be used now."""

    cores: float
    available_bytes: int


@dataclass(frozen=True)
class Step:
    """One number of a plan, for people to check."""

    name: str
    value: float
    unit: str
    why: str


@dataclass(frozen=True)
class CpuPlan:
    """How a model is served on a CPU host. ``refusal`` says why it is not, and what would help."""

    max_model_len: int
    kv_cache_bytes: int
    memory_bytes: int
    cores: float
    steps: tuple[Step, ...]
    refusal: str | None = None


def plan(profile: ModelProfile, host: CpuHost, *, context: int | None = None) -> CpuPlan:
    """The plan for one process. ``context`` is the length asked for, the model's own when None."""
    length = min(context or profile.context_length, profile.context_length)
    weights = int(profile.weight_bytes * LOADING)
    per_request = profile.kv_bytes_per_token * length
    free = host.available_bytes - ENGINE_BYTES - weights
    wished = max(1, math.ceil(per_request * TARGET_REQUESTS / GIB))
    needed = max(1, math.ceil(per_request / GIB))
    spaces = min(wished, max(needed, free // GIB // 2))
    total = ENGINE_BYTES + weights + spaces * GIB
    steps = (
        Step("weights", weights, "bytes", f"{profile.weight_bytes} bytes on disk, a tenth more while they load"),
        Step("engine", ENGINE_BYTES, "bytes", "PyTorch, tokenizer and activations of vLLM on a CPU"),
        Step("context", length, "tokens", "asked for" if context else "what the model was made for"),
        Step("cache per token", profile.kv_bytes_per_token, "bytes", "keys and values of all layers in 16 bits"),
        Step("cache", spaces * GIB, "bytes", f"whole GiB, wished for {TARGET_REQUESTS} requests of full length"),
        Step("memory", total, "bytes", "weights, engine and cache"),
        Step("available", host.available_bytes, "bytes", "what this machine could give now"),
    )
    refusal = None
    if total > host.available_bytes:
        have = host.available_bytes / GIB
        refusal = (
            f"{profile.name} needs {total / GIB:.1f} GiB of memory, and this machine has {have:.1f} GiB left. "
            "Stop other programs, ask for a shorter context, or choose a smaller model."
        )
    return CpuPlan(length, spaces * GIB, total, host.cores, steps, refusal)
