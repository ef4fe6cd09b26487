"""A model on machines with GPUs: how many, and how it is spread over them. Pure.

One GPU holds its share of the weights and of the key-value cache, and a fixed overhead, within the part of its memory
that the engine may use. Constants are those of KAITO v0.12.
"""

import math
import re
from typing import Final

from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, Ledger, Plan, Refusal, Step, Wishes
from kaito.models.profile import Attention, ModelProfile

UTILIZATION: Final = 0.84
A10_UTILIZATION: Final = 0.82
EXPANSION: Final = 1.02
"""Weights in memory over weights on disk."""
GROWTH: Final = 1.05
"""Activations and graphs grow with the weights on a GPU."""
OVERHEAD: Final = int(2.3 * GIB)
"""Of each GPU: 0.6 GiB outside PyTorch, 1.7 GiB for activations and graphs."""
DEFAULT_CONTEXT: Final = 2048
MAX_NODES: Final = 16
"""More stages than this are slower than any user waits, and would rent a fleet for a typing error."""


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


def startup_seconds(weight_bytes: int, *, cap: int = 180 * 60) -> int:
    """How long a download and a load may take: 15 minutes and 18 s for each GiB, from 30 minutes to ``cap`` seconds."""
    return min(max(15 * 60 + math.ceil(weight_bytes * 18 / GIB), 30 * 60), cap)


def kv_bytes(profile: ModelProfile, wishes: Wishes) -> int:
    """Key-value bytes of one token over all layers, in the cache's own type."""
    eight_bit = (wishes.kv_cache_dtype or "auto").startswith(("fp8", "int8"))
    return profile.kv_bytes_per_token // 2 if eight_bit else profile.kv_bytes_per_token


def kv_shares(profile: ModelProfile, tensor_parallel: int) -> int:
    """Into how many parts the GPUs of one node divide the cache; the others hold copies."""
    if profile.attention is Attention.MLA:
        return 1
    return min(tensor_parallel, profile.kv_heads) if profile.kv_heads else tensor_parallel


def tensor_parallel(profile: ModelProfile, gpus: int) -> int:
    """The most GPUs of a node among which the attention heads divide evenly."""
    if not profile.heads:
        return gpus
    return max(width for width in range(1, gpus + 1) if gpus % width == 0 and profile.heads % width == 0)


def plan_gpus(profile: ModelProfile, machine: Machine, wishes: Wishes, *, max_nodes: int = MAX_NODES) -> Plan | Refusal:
    """The fewest nodes that hold the model with the context asked for (2048 tokens when none is)."""
    made = _Sums(profile, machine, wishes, 1 if machine.is_mig else max_nodes)
    refused = made.refuse_wishes()
    if refused is not None:
        return refused
    width = wishes.tensor_parallel or tensor_parallel(profile, machine.gpus)
    single = wishes.tensor_parallel is None and machine.gpus > 1
    if single and 2 * profile.weight_bytes < machine.gpu_memory and made.needed(1, 1) <= made.budget:
        return made.plan(nodes=1, width=1, replicas=machine.gpus)
    for nodes in range(1, made.most_nodes + 1):
        if made.needed(nodes, width) <= made.budget:
            replicas = machine.gpus // width if nodes == 1 else 1
            return made.plan(nodes=nodes, width=width, replicas=replicas)
    return made.refuse_memory(width)


class _Sums:
    """The arithmetic of one model on one machine, and its ledger."""

    def __init__(self, profile: ModelProfile, machine: Machine, wishes: Wishes, max_nodes: int) -> None:
        self.profile, self.machine, self.wishes = profile, machine, wishes
        self.most_nodes = min(max_nodes, profile.layers or max_nodes)
        self.share = wishes.utilization or utilization(machine)
        self.budget = int(machine.gpu_memory * self.share)
        self.context = wishes.context or min(DEFAULT_CONTEXT, profile.context_length)
        self.kv = kv_bytes(profile, wishes)
        self.weights = math.ceil(profile.weight_bytes * EXPANSION)
        self.ledger = Ledger()
        add = self.ledger.add
        add("weights on disk", profile.weight_bytes, "bytes", "the sum of the model's tensors")
        add("weights in memory", self.weights, "bytes", f"{EXPANSION} times the size on disk")
        add("memory of one GPU", machine.gpu_memory, "bytes", machine.gpu_model or machine.name)
        add("usable share", self.share, "", "asked for" if wishes.utilization else "what the engine may take of a GPU")
        add("usable memory of one GPU", self.budget, "bytes", "memory of one GPU times the usable share")
        add("overhead of one GPU", OVERHEAD, "bytes", "the engine's own memory, activations and graphs")
        add("context", self.context, "tokens", "asked for" if wishes.context else "the least that is planned for")
        add("cache of one token", self.kv, "bytes", "keys and values of all layers")

    def cache(self, nodes: int, width: int) -> int:
        """Bytes of one full context on one GPU: stages divide the layers, GPUs of a stage the key-value heads."""
        return math.ceil(self.context * self.kv / nodes / kv_shares(self.profile, width))

    def weights_of_gpu(self, nodes: int, width: int) -> int:
        return math.ceil(self.weights / (nodes * width))

    def needed(self, nodes: int, width: int) -> int:
        weights = math.ceil(self.weights_of_gpu(nodes, width) * GROWTH)
        return weights + OVERHEAD + self.cache(nodes, width)

    def plan(self, *, nodes: int, width: int, replicas: int) -> Plan:
        weights, shares = self.weights_of_gpu(nodes, width), kv_shares(self.profile, width)
        room = self.budget - math.ceil(weights * GROWTH) - OVERHEAD
        tokens = room * nodes * shares // self.kv if self.kv else None
        fits = None if tokens is None else min(tokens, self.profile.context_length)
        add = self.ledger.add
        add("nodes", nodes, "", "the fewest that hold weights, overhead and one full context")
        add("GPUs for one copy", width * nodes, "", f"{width} GPUs on each of {nodes} nodes")
        add("copies", replicas, "", "side by side on the GPUs of one node")
        add("weights of one GPU", weights, "bytes", "weights in memory over the GPUs for one copy")
        add("needed on one GPU", self.needed(nodes, width), "bytes", f"{GROWTH} times its weights, overhead, cache")
        add("cache of one GPU", room, "bytes", f"usable memory less {GROWTH} times its weights and the overhead")
        if tokens is not None:
            add("tokens in the cache", tokens, "tokens", "of all requests of one copy together")
        return Plan(
            model=self.profile.name,
            machine=self.machine.name,
            nodes=nodes,
            gpus=self.machine.gpus,
            tensor_parallel=width,
            pipeline_parallel=nodes,
            data_parallel=replicas,
            utilization=self.share,
            max_model_len=self.wishes.context or fits,
            kv_cache_bytes=room,
            weights_bytes=weights,
            overhead_bytes=OVERHEAD,
            memory_bytes=None,
            cpu_cores=None,
            dtype=dtype_of(self.profile, self.machine),
            startup_seconds=startup_seconds(self.profile.weight_bytes),
            steps=self.ledger.done(),
        )

    def refuse_wishes(self) -> Refusal | None:
        """What the author asked for and the model or the machine cannot do, whatever its memory."""
        longest = self.profile.context_length
        if self.context > longest:
            remedy = f"set max-model-len to at most {longest}"
            return self._refusal("context", self.context, longest, "tokens", "the model reads", remedy)
        width = self.wishes.tensor_parallel
        if width and width > self.machine.gpus:
            remedy = "set tensor-parallel-size to at most that, or choose a machine with more GPUs"
            return self._refusal("tensor-parallel-size", width, self.machine.gpus, "GPUs", "there", remedy)
        if width and self.profile.heads % width:
            best = tensor_parallel(self.profile, self.machine.gpus)
            remedy = f"the heads must divide evenly: set tensor-parallel-size to {best}, or leave it out"
            return self._refusal("tensor-parallel-size", width, self.profile.heads, "", "attention heads", remedy)
        return None

    def refuse_memory(self, width: int) -> Refusal:
        nodes = self.most_nodes
        self.ledger.add(
            "most nodes", nodes, "", "of a plan" if nodes > 1 else "slices and single layers cannot be spread"
        )
        needed, where = self.needed(nodes, width), f"on each GPU of {nodes} nodes" if nodes > 1 else "on the GPU"
        if OVERHEAD + self.cache(nodes, width) > self.budget:
            what, remedy = f"overhead and cache {where}", "ask for a shorter context, or choose GPUs with more memory"
        else:
            what, remedy = f"memory {where}", "choose GPUs with more memory, or a smaller or quantised model"
        return self._refusal(what, needed, self.budget, "bytes", "usable", remedy)

    def _refusal(self, what: str, needed: float, have: float, unit: str, name: str, remedy: str) -> Refusal:
        return Refusal(
            model=self.profile.name,
            machine=self.machine.name,
            what=what,
            needed=Step("needed", needed, unit, what),
            have=Step(name, have, unit, what),
            remedy=remedy,
            steps=self.ledger.done(),
        )
