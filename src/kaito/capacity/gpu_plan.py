"""A model on machines with GPUs: how many, and how it is spread over them. Pure.

One GPU holds its share of the weights and of the key-value cache, and a fixed overhead, within the part of its memory
that the engine may use. Constants are those of KAITO v0.12, which measured them against the advertised memory of a GPU:
what the driver keeps of that is in them.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

from kaito.capacity.cache import Cache, eight_bit, gpu_cache, stage_share
from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, Ledger, Memory, Plan, Refusal, Speed, Step, Wishes
from kaito.capacity.speed import Load, speed
from kaito.capacity.spread import Spread, divides, spreads, tensor_parallel
from kaito.capacity.start import disk_bytes, startup_estimate, startup_seconds
from kaito.models.profile import ModelProfile

UTILIZATION: Final = 0.84
A10_UTILIZATION: Final = 0.82
EXPANSION: Final = 1.02
"""Weights in memory over weights on disk."""
GROWTH: Final = 1.05
"""Activations and graphs grow with the weights on a GPU."""
OVERHEAD: Final = int(2.3 * GIB)
"""Of each GPU, in three parts: outside PyTorch, CUDA graphs, activations. v0.12 gives the last two as 1.7 GiB together;
engines report 0.4 to 0.5 GiB for the graphs."""
FRAMEWORK: Final = int(0.6 * GIB)
CUDA_GRAPHS: Final = int(0.5 * GIB)
ACTIVATIONS: Final = OVERHEAD - FRAMEWORK - CUDA_GRAPHS
DEFAULT_CONTEXT: Final = 2048
MAX_NODES: Final = 16
"""More stages than this are slower than any user waits, and would rent a fleet for a typing error."""
FP8_CACHE: Final = 8.9
"""The compute capability from which GPUs work with 8-bit numbers themselves."""


def utilization(machine: Machine) -> float:
    """The share of a GPU's memory that the engine may use: one answer for the plan and for the engine's flag."""
    model = re.sub(r"[-_]", " ", machine.gpu_model or "")
    return A10_UTILIZATION if re.search(r"\bA10G?\b", model) and machine.gpu_memory <= 24 * GIB else UTILIZATION


def dtype_of(profile: ModelProfile, machine: Machine) -> str:
    """The type that the engine computes in: a quantised model's own, else bfloat16, or float16 on older GPUs."""
    if profile.quantization:
        return "auto"
    old = machine.compute_capability is not None and machine.compute_capability < 8.0
    return "float16" if old else "bfloat16"


def plan_gpus(profile: ModelProfile, machine: Machine, wishes: Wishes, *, max_nodes: int = MAX_NODES) -> Plan | Refusal:
    """The fewest nodes that hold the model with the context asked for (2048 tokens when none is)."""
    sums = _Sums(profile, machine, wishes, 1 if machine.is_mig else max_nodes)
    refused = sums.refuse_wishes()
    if refused is not None:
        return refused
    last = None
    for nodes in range(1, sums.most_nodes + 1):
        for spread in spreads(profile, machine, wishes, nodes):
            if sums.fixed(spread) <= sums.budget and sums.needed(spread) <= sums.budget:
                return sums.plan(spread)
            last = spread
    return sums.refuse_spread() if last is None else sums.refuse_memory(last)


class _Sums:
    """The arithmetic of one model on one machine, and its ledger."""

    def __init__(self, profile: ModelProfile, machine: Machine, wishes: Wishes, max_nodes: int) -> None:
        self.profile, self.machine, self.wishes = profile, machine, wishes
        self.most_nodes = min(max_nodes, profile.layers or max_nodes)
        self.share = wishes.utilization or utilization(machine)
        self.reported = min(machine.gpu_memory, machine.gpu_memory_driver or machine.gpu_memory)
        self.budget = min(int(machine.gpu_memory * self.share), self.reported)
        self.context = wishes.context or min(DEFAULT_CONTEXT, profile.context_length)
        self.weights = math.ceil(profile.weight_bytes * EXPANSION)

    def cache(self, spread: Spread) -> Cache:
        dtype = self.wishes.kv_cache_dtype
        return gpu_cache(self.profile, dtype, tensor=spread.tensor, pipeline=spread.pipeline)

    def weights_of_gpu(self, spread: Spread) -> int:
        """On the GPU with the most layers."""
        return math.ceil(self.weights * stage_share(self.profile, spread.pipeline) / spread.tensor)

    def fixed(self, spread: Spread) -> int:
        """All that a GPU holds but the cache."""
        return math.ceil(self.weights_of_gpu(spread) * GROWTH) + OVERHEAD

    def needed(self, spread: Spread) -> int:
        return self.fixed(spread) + self.cache(spread).needed(self.context)

    def plan(self, spread: Spread) -> Plan:
        profile, machine, wishes = self.profile, self.machine, self.wishes
        room, held = self.budget - self.fixed(spread), self.cache(spread)
        fits = held.longest(room, profile.context_length)
        longest = wishes.context or fits
        tokens = None if longest is None else held.tokens(room, longest)
        at_once = held.requests(room, self.context)
        fast = self.speed(spread, held, spread.data * (at_once or 1))
        return Plan(
            model=profile.name,
            machine=machine.name,
            nodes=spread.nodes,
            gpus=machine.gpus,
            tensor_parallel=spread.tensor,
            pipeline_parallel=spread.pipeline,
            data_parallel=spread.data,
            utilization=self.share,
            context=self.context,
            max_model_len=longest,
            kv_tokens=None if tokens is None else tokens * spread.data,
            kv_cache_dtype=wishes.kv_cache_dtype,
            cache=held,
            memory=self.memory(spread, room),
            memory_bytes=None,
            cpu_cores=None,
            dtype=dtype_of(profile, machine),
            disk_bytes=disk_bytes(profile.weight_bytes),
            startup_seconds=startup_seconds(profile.weight_bytes),
            startup_estimate=startup_estimate(profile.weight_bytes, gpu=True),
            speed=None if isinstance(fast, str) else fast,
            price_per_hour=None if machine.price is None else machine.price * spread.nodes,
            notes=tuple(self.notes(spread, fits, fast)),
            steps=self.ledger(spread, room, tokens, fast).done(),
        )

    def speed(self, spread: Spread, held: Cache, at_once: int) -> Speed | str:
        load = Load(held, self.context, min(at_once, self.wishes.concurrency or at_once))
        return speed(self.profile, self.machine, spread, load)

    def memory(self, spread: Spread, room: int) -> Memory:
        total, weights = self.machine.gpu_memory, self.weights_of_gpu(spread)
        reserve = total - self.reported
        return Memory(
            per="gpu",
            total=total,
            weights=weights,
            kv_cache=room,
            activations=ACTIVATIONS + math.ceil(weights * GROWTH) - weights,
            cuda_graphs=CUDA_GRAPHS,
            framework=FRAMEWORK,
            driver_reserve=reserve,
            in_use=0,
            unused=total - self.budget - reserve,
        )

    def notes(self, spread: Spread, fits: int | None, fast: Speed | str) -> Iterator[str]:
        """What is worth knowing of the plan and does not change whether it fits."""
        longest, gpus = self.profile.context_length, self.machine.gpus
        if self.wishes.context is None and fits is not None and fits < longest:
            yield f"the model reads {longest:,} tokens and {fits:,} fit here; --context-length says what you need"
        if fits is None:
            yield "the model's configuration does not say how large its cache is: the context is not checked"
        idle = gpus - spread.tensor * spread.pipeline * spread.data // spread.nodes
        if idle:
            yield f"{idle} of {gpus} GPUs {'stays' if idle == 1 else 'stay'} idle: the model cannot be cut that way"
        if spread.gpus_of_copy > 1 and self.machine.gpu_bandwidth and not self.machine.nvlink:
            yield "the GPUs of this machine have no NVLink: a model over several of them answers slower than estimated"
        if (self.wishes.utilization or 0) * self.machine.gpu_memory > self.reported:
            share = self.reported / self.machine.gpu_memory
            yield f"the driver leaves {share:.2f} of the advertised memory: a share of {self.share:g} is more than that"
        capability = self.machine.compute_capability
        if eight_bit(self.wishes.kv_cache_dtype) and capability is not None and capability < FP8_CACHE:
            yield f"a cache of 8 bits on a GPU of compute capability {capability:g}: few kernels do that"
        if isinstance(fast, str):
            yield fast
        if self.machine.price is None:
            yield f"no price is known for {self.machine.name}"

    def ledger(self, spread: Spread, room: int, tokens: int | None, fast: Speed | str) -> Ledger:
        ledger, held = self.inputs(), self.cache(spread)
        add, nodes = ledger.add, spread.nodes
        where = f"{spread.gpus_of_copy // nodes} on {'one node' if nodes == 1 else f'each of {nodes} nodes'}"
        cut = "weights in memory over the GPUs for one copy, of the fullest stage"
        add("nodes", nodes, "", "the fewest that hold weights, overhead and one full context")
        add("GPUs for one copy", spread.gpus_of_copy, "", where)
        add("copies", spread.data, "", "side by side on the GPUs of one node")
        add("weights of one GPU", self.weights_of_gpu(spread), "bytes", cut)
        add("needed on one GPU", self.needed(spread), "bytes", f"{GROWTH} times its weights, overhead, cache")
        add("cache of one GPU", room, "bytes", f"usable memory less {GROWTH} times its weights and the overhead")
        if tokens is not None:
            full = held.needed(self.context)
            add("cache of one context", full, "bytes", "on one GPU, in the engine's blocks")
            add("tokens in the cache", tokens, "tokens", "of all requests of one copy together")
        if isinstance(fast, Speed):
            _add_speed(ledger, self.machine, fast)
        return ledger

    def inputs(self) -> Ledger:
        """What the sums begin with."""
        machine, wishes, ledger = self.machine, self.wishes, Ledger()
        add, asked = ledger.add, "asked for"
        add("weights on disk", self.profile.weight_bytes, "bytes", "the sum of the model's tensors")
        add("weights in memory", self.weights, "bytes", f"{EXPANSION} times the size on disk")
        add("memory of one GPU", machine.gpu_memory, "bytes", machine.gpu_model or machine.name)
        add("usable share", self.share, "", asked if wishes.utilization else "what the engine may take of a GPU")
        add("usable memory of one GPU", self.budget, "bytes", "memory of one GPU times the usable share")
        add("overhead of one GPU", OVERHEAD, "bytes", "the engine's own memory, activations and graphs")
        add("context", self.context, "tokens", asked if wishes.context else "the least that is planned for")
        kv = self.profile.cache.most_bytes_per_token(8 if eight_bit(wishes.kv_cache_dtype) else 16)
        add("cache of one token", kv, "bytes", "keys and values of all layers")
        return ledger

    def refuse_wishes(self) -> Refusal | None:
        """What the author asked for and the model or the machine cannot do, whatever its memory."""
        longest = self.profile.context_length
        if self.context > longest:
            remedy = f"set max-model-len to at most {longest}"
            return self._refusal("context", self.context, longest, "tokens", "the model reads", remedy)
        if not 0 < self.share <= 1:
            remedy = "set gpu-memory-utilization above 0 and up to 1, such as 0.9"
            return self._refusal("gpu-memory-utilization", self.share, 1.0, "", "is all of a GPU", remedy)
        return self._refuse_width() or self._refuse_stages() or self._refuse_copies()

    def _refuse_width(self) -> Refusal | None:
        width, gpus, what = self.wishes.tensor_parallel, self.machine.gpus, "tensor-parallel-size"
        if width and width > gpus:
            remedy = "set tensor-parallel-size to at most that, or choose a machine with more GPUs"
            return self._refusal(what, width, gpus, "GPUs", "there", remedy)
        if width and not divides(self.profile, width):
            best, even = tensor_parallel(self.profile, gpus), not self.profile.heads % width
            have, name = (self.profile.kv_heads, "key-value heads") if even else (self.profile.heads, "attention heads")
            remedy = f"the heads must divide evenly: set tensor-parallel-size to {best}, or leave it out"
            return self._refusal(what, width, have, "", name, remedy)
        return None

    def _refuse_stages(self) -> Refusal | None:
        stages, layers = self.wishes.pipeline_parallel, self.profile.layers
        if stages and layers and stages > layers:
            remedy = f"a stage has at least one layer: set pipeline-parallel-size to at most {layers}, or leave it out"
            return self._refusal("pipeline-parallel-size", stages, layers, "", "layers", remedy)
        return None

    def _refuse_copies(self) -> Refusal | None:
        copies, gpus = self.wishes.data_parallel, self.machine.gpus
        if copies and copies > gpus:
            remedy = "set data-parallel-size to at most that, or choose a machine with more GPUs"
            return self._refusal("data-parallel-size", copies, gpus, "GPUs", "there", remedy)
        return None

    def refuse_spread(self) -> Refusal:
        """The sizes asked for need GPUs that the nodes do not have, or stages that do not divide among them."""
        wishes = self.wishes
        sizes = (wishes.tensor_parallel or 1, wishes.pipeline_parallel or 1, wishes.data_parallel or 1)
        names = "tensor-parallel-size x pipeline-parallel-size x data-parallel-size"
        have = self.machine.gpus * (self.most_nodes if sizes[2] == 1 else 1)
        remedy = "copies stand on one node, and stages divide evenly among nodes: leave one of the sizes out"
        return self._refusal(names, math.prod(sizes), have, "GPUs", "there", remedy)

    def refuse_memory(self, spread: Spread) -> Refusal:
        nodes, needed = spread.nodes, self.needed(spread)
        one = "on each GPU" if self.machine.gpus > 1 else "on the GPU"
        where = f"on each GPU of {nodes} nodes" if nodes > 1 else one
        if OVERHEAD + self.cache(spread).needed(self.context) > self.budget:
            what, remedy = f"overhead and cache {where}", "ask for a shorter context, or choose GPUs with more memory"
        else:
            what, remedy = f"memory {where}", "choose GPUs with more memory, or a smaller or quantised model"
        most = Step("most nodes", nodes, "", "of a plan" if nodes > 1 else "slices and single layers cannot be spread")
        return self._refusal(what, needed, self.budget, "bytes", "usable", remedy, most)

    def _refusal(
        self, what: str, needed: float, have: float, unit: str, name: str, remedy: str, *more: Step
    ) -> Refusal:
        return Refusal(
            model=self.profile.name,
            machine=self.machine.name,
            what=what,
            needed=Step("needed", needed, unit, what),
            have=Step(name, have, unit, what),
            remedy=remedy,
            steps=(*self.inputs().done(), *more),
        )


def _add_speed(ledger: Ledger, machine: Machine, fast: Speed) -> None:
    add, load = ledger.add, f"{fast.requests} requests of {fast.context:,} tokens at once"
    add("bandwidth of one GPU", round((machine.gpu_bandwidth or 0) / 1e9), "GB/s", "of its data sheet")
    add("arithmetic of one GPU", round((machine.gpu_flops or 0) / 1e12), "TFLOP/s", "dense, 16 bits, of its data sheet")
    add("tokens read in a second", round(fast.prefill), "", "at most, by all copies: bound by arithmetic")
    add("tokens written in a second", round(fast.decode), "", f"at most, by all copies, with {load}")
    add("written for one request", round(fast.decode_alone), "", "at most, alone: bound by memory")
