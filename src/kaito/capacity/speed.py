"""How fast a plan should answer: a roofline of the GPU's bandwidth and arithmetic. Pure, and an upper bound.

Reading a prompt (prefill) is bound by arithmetic: two operations for each parameter that a token passes. Writing
(decode) is bound by memory: each step reads the weights once for all requests, and the whole cache of each of them.

    prefill = GPUs x operations/s x COMPUTE / (2 x parameters of a token)
    step    = (weights read / tensor + requests x cache of a request) / (bandwidth x MEMORY)
    decode  = copies x requests / max(step, the same tokens at the speed of prefill)

Traffic between GPUs and between nodes, attention's own arithmetic, scheduling and the sampling of tokens are left out:
what is measured is less, above all over several GPUs without NVLink, and for small models on fast GPUs.
"""

from dataclasses import dataclass
from typing import Final

from kaito.capacity.cache import Cache
from kaito.capacity.machines import Machine
from kaito.capacity.plan import Speed
from kaito.capacity.spread import Spread
from kaito.models.experts import active_share
from kaito.models.profile import ModelProfile
from kaito.models.size import parameters

MEMORY_EFFICIENCY: Final = 0.7
"""Of the data sheet's bandwidth, in decode. Published measurements of one request: 0.81 on an L4, 0.27 on an H100
without CUDA graphs (J. Chen, "Memory-bound but not bandwidth-limited", arXiv, May 2026)."""
COMPUTE_EFFICIENCY: Final = 0.5
"""Of the data sheet's dense operations, in prefill: large matrix products reach more, the layers between them less."""
ENGINE_REQUESTS: Final = 256
"""Requests that the engine runs at once in each copy, unless it is told otherwise."""
FP8_CAPABILITY: Final = 8.9
EIGHT_BIT: Final = frozenset({"fp8", "float-quantized", "fbgemm_fp8"})
"""Quantisations whose products are computed in 8 bits where the GPU can; all others in 16."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a plan's caches hold while it is measured: ``requests`` of ``context`` tokens, over all copies."""

    cache: Cache
    context: int
    requests: int


def speed(profile: ModelProfile, machine: Machine, spread: Spread, load: Load) -> Speed | str:
    """The estimate, or in a sentence what is not known of the machine or the model."""
    if not machine.gpus:
        return "no speed is estimated: the memory bandwidth of these processors is not known"
    if not machine.gpu_bandwidth or not machine.gpu_flops:
        return f"no speed is estimated: the bandwidth of {machine.gpu_model or 'this GPU'} is not known"
    active = active_share(profile)
    if active is None:
        return "no speed is estimated: how many of the model's experts a token uses is not known"
    bandwidth = machine.gpu_bandwidth * MEMORY_EFFICIENCY
    flops = _flops(profile, machine) * COMPUTE_EFFICIENCY
    read = load.cache.read_bytes(load.context)
    per_token = 2 * parameters(profile.name, profile)[0] * active / (flops * spread.gpus_of_copy)

    def step(requests: int) -> float:
        """Seconds for one token of each request of one copy."""
        weights = profile.weight_bytes * (1 - (1 - active) ** requests) / spread.tensor
        return max((weights + requests * read) / bandwidth, requests * per_token)

    running = max(1, min(load.requests // spread.data, ENGINE_REQUESTS))
    first = profile.weight_bytes * active / spread.tensor + read * spread.pipeline
    return Speed(
        prefill=spread.data / per_token,
        decode=spread.data * running / step(running),
        decode_alone=1 / max(first / bandwidth, per_token * spread.pipeline),
        context=load.context,
        requests=running * spread.data,
    )


def _flops(profile: ModelProfile, machine: Machine) -> float:
    eight_bit = profile.quantization in EIGHT_BIT and (machine.compute_capability or 0) >= FP8_CAPABILITY
    return (machine.gpu_flops_8bit if eight_bit else None) or machine.gpu_flops or 0.0
