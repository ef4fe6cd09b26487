"""A model on a machine without GPUs: one process, and a key-value cache that memory allows. Pure.

The engine keeps weights in 16 bits, takes its cache in whole GiB, and needs working memory of its own.
"""

import math
from typing import Final

from kaito.capacity.gpu_plan import DEFAULT_CONTEXT, EXPANSION, GROWTH, kv_bytes, startup_seconds
from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, Ledger, Plan, Refusal, Step, Wishes
from kaito.models.profile import ModelProfile

ENGINE: Final = 2 * GIB
"""What vLLM holds on a CPU besides weights and cache. Measured: 1.4 to 1.9 GiB."""
USABLE: Final = 0.9
"""Of the memory in all: the rest is for the system and for KAITO itself."""
REQUESTS: Final = 8
"""Requests of full length that the cache should hold, where memory allows."""
BLOCK: Final = 128
"""Tokens in a block of the cache; a context shorter by one always fits."""
CORES_SHARE: Final = 4
"""A pod is promised this part of the processors, so that several fit; it may use all of them."""


def plan_cpu(profile: ModelProfile, machine: Machine, wishes: Wishes) -> Plan | Refusal:
    """One process on the CPU with the model's whole context, or as much of it as memory allows.

    Fits when it does so in nine tenths of the machine's memory and, where ``machine.available`` is known, in what is
    free now. Leave it None to plan anew for a model that runs already and whose memory comes free.
    """
    sums = _Sums(profile, machine, wishes)
    return sums.refuse() or sums.plan()


class _Sums:
    def __init__(self, profile: ModelProfile, machine: Machine, wishes: Wishes) -> None:
        self.profile, self.machine, self.wishes = profile, machine, wishes
        self.weights = math.ceil(profile.weight_bytes * EXPANSION)
        self.work = ENGINE + math.ceil(self.weights * (GROWTH - 1))
        self.usable = int((machine.memory or 0) * USABLE)
        self.free = self.usable if machine.available is None else min(self.usable, machine.available)
        self.kv = kv_bytes(profile, wishes)
        self.least = wishes.context or min(DEFAULT_CONTEXT, profile.context_length)
        self.longest = wishes.context or profile.context_length
        self.room = self.free - self.weights - self.work
        self.ledger = Ledger()
        add = self.ledger.add
        add("weights on disk", profile.weight_bytes, "bytes", "the sum of the model's tensors")
        add("weights in memory", self.weights, "bytes", f"{EXPANSION} times the size on disk")
        add("engine", self.work, "bytes", "PyTorch, tokenizer and activations, which grow with the weights")
        add("memory of the machine", machine.memory or 0, "bytes", machine.name)
        add("usable memory", self.usable, "bytes", f"{USABLE} of the memory of the machine")
        if machine.available is not None:
            add("free memory", machine.available, "bytes", "what other programs leave now")
        add("cache of one token", self.kv, "bytes", "keys and values of all layers")
        add("least context", self.least, "tokens", "asked for" if wishes.context else "a plan gives at least this")

    @property
    def needed(self) -> int:
        """Bytes without which it does not run: weights, engine, and a cache for one least context."""
        return self.weights + self.work + _whole(self.kv * self.least)

    def plan(self) -> Plan:
        cache = max(_whole(self.kv * self.least), min(_whole(self.kv * self.longest * REQUESTS), self._share()))
        context = self.longest
        if self.kv and self.kv * self.longest > cache:
            context = max(self.least, cache // self.kv - BLOCK)
        memory = self.weights + self.work + cache
        cores = self.machine.cpu_cores or 1.0
        add = self.ledger.add
        add("cache", cache, "bytes", f"whole GiB: for {REQUESTS} full contexts, or as much as memory allows")
        add(
            "context",
            context,
            "tokens",
            "asked for" if self.wishes.context else "of the model, as far as the cache goes",
        )
        add("memory", memory, "bytes", "weights, engine and cache")
        add("processors", cores, "", "of the machine; the engine uses all of them")
        return Plan(
            model=self.profile.name,
            machine=self.machine.name,
            nodes=1,
            gpus=0,
            tensor_parallel=1,
            pipeline_parallel=1,
            data_parallel=1,
            utilization=None,
            max_model_len=context if self.kv else self.wishes.context,
            kv_cache_bytes=cache,
            weights_bytes=self.weights,
            overhead_bytes=self.work,
            memory_bytes=memory,
            cpu_cores=max(0.25, cores / CORES_SHARE),
            dtype="auto" if self.profile.quantization else "bfloat16",
            startup_seconds=startup_seconds(self.profile.weight_bytes),
            steps=self.ledger.done(),
        )

    def _share(self) -> int:
        """Half of the room beside weights and engine, in whole GiB; another model may want the other half."""
        whole = self.room // 2 // GIB * GIB
        return whole if whole >= _whole(self.kv * self.longest) else self.room // GIB * GIB

    def refuse(self) -> Refusal | None:
        longest = self.profile.context_length
        if self.least > longest:
            have = Step("the model reads", longest, "tokens", "")
            return self._refusal("context", self.least, "tokens", have, f"set max-model-len to at most {longest}")
        if (self.wishes.tensor_parallel or 1) > 1:
            remedy = "leave tensor-parallel-size out"
            have = Step("is all that a machine without GPUs takes", 1, "", "")
            return self._refusal("tensor-parallel-size", self.wishes.tensor_parallel or 1, "", have, remedy)
        if self.needed > self.usable:
            have = Step("usable", self.usable, "bytes", "")
            remedy = "ask for a shorter context, choose a smaller model, or a machine with more memory"
            return self._refusal("memory", self.needed, "bytes", have, remedy)
        if self.needed > self.free:
            have = Step("free now", self.free, "bytes", "")
            remedy = "stop other programs, ask for a shorter context, or choose a smaller model"
            return self._refusal("memory", self.needed, "bytes", have, remedy)
        return None

    def _refusal(self, what: str, needed: float, unit: str, have: Step, remedy: str) -> Refusal:
        needs = Step("needed", needed, unit, what)
        return Refusal(self.profile.name, self.machine.name, what, needs, have, remedy, self.ledger.done())


def _whole(size: int) -> int:
    """``size`` in whole GiB, at least one: the engine takes its cache so."""
    return max(1, math.ceil(size / GIB)) * GIB
