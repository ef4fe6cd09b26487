"""A model on a machine without GPUs: one process, and a key-value cache that memory allows. Pure.

The engine keeps weights in 16 bits, takes its cache in whole GiB, and needs working memory of its own.
"""

import math
from collections.abc import Iterator
from typing import Final

from kaito.capacity.cache import cpu_cache
from kaito.capacity.gpu_plan import DEFAULT_CONTEXT, EXPANSION, GROWTH
from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, Ledger, Memory, Plan, Refusal, Speed, Step, Wishes
from kaito.capacity.speed import Load, speed
from kaito.capacity.spread import Spread
from kaito.capacity.start import disk_bytes, startup_estimate, startup_seconds
from kaito.models.profile import ModelProfile

ENGINE: Final = 2 * GIB
"""What vLLM holds on a CPU besides weights and cache. Measured: 1.4 to 1.9 GiB."""
USABLE: Final = 0.9
"""Of the memory in all: the rest is for the system and for KAITO itself."""
REQUESTS: Final = 8
"""Requests of full length that the cache should hold, where memory allows."""
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
        self.growth = math.ceil(self.weights * (GROWTH - 1))
        self.work = ENGINE + self.growth
        self.usable = int((machine.memory or 0) * USABLE)
        self.free = self.usable if machine.available is None else min(self.usable, machine.available)
        self.cache = cpu_cache(profile, wishes.kv_cache_dtype)
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
        add("cache of one token", self.cache.token_bytes, "bytes", "keys and values of all layers")
        add("least context", self.least, "tokens", "asked for" if wishes.context else "a plan gives at least this")

    @property
    def needed(self) -> int:
        """Bytes without which it does not run: weights, engine, and a cache for one least context."""
        return self.weights + self.work + _whole(self.cache.needed(self.least))

    def plan(self) -> Plan:
        profile, machine, wishes, held = self.profile, self.machine, self.wishes, self.cache
        room = self._room()
        fits = held.longest(room, self.longest)
        context = self.longest if fits is None else max(self.least, fits)
        longest = context if fits is not None else wishes.context
        tokens = None if longest is None else held.tokens(room, longest)
        fast = speed(profile, machine, Spread(1, 1, 1, 1), Load(held, self.least, 1))
        cores = machine.cpu_cores or 1.0
        self._explain(room, context, cores)
        return Plan(
            model=profile.name,
            machine=machine.name,
            nodes=1,
            gpus=0,
            tensor_parallel=1,
            pipeline_parallel=1,
            data_parallel=1,
            utilization=None,
            context=self.least,
            max_model_len=longest,
            kv_tokens=tokens,
            kv_cache_dtype=wishes.kv_cache_dtype,
            cache=held,
            memory=self._memory(room),
            memory_bytes=self.weights + self.work + room,
            cpu_cores=max(0.25, cores / CORES_SHARE),
            dtype="auto" if profile.quantization else "bfloat16",
            disk_bytes=disk_bytes(profile.weight_bytes),
            startup_seconds=startup_seconds(profile.weight_bytes),
            startup_estimate=startup_estimate(profile.weight_bytes, gpu=False),
            speed=None if isinstance(fast, str) else fast,
            price_per_hour=machine.price,
            notes=tuple(self._notes(longest, fast)),
            steps=self.ledger.done(),
        )

    def _notes(self, longest: int | None, fast: Speed | str) -> Iterator[str]:
        reads = self.profile.context_length
        if longest is None:
            yield "the model's configuration does not say how large its cache is: the context is not checked"
        elif self.wishes.context is None and longest < reads:
            yield f"the model reads {reads:,} tokens and {longest:,} fit here; --context-length says what you need"
        if isinstance(fast, str):
            yield fast

    def _explain(self, room: int, context: int, cores: float) -> None:
        why = "asked for" if self.wishes.context else "of the model, as far as the cache goes"
        add = self.ledger.add
        add("cache", room, "bytes", f"whole GiB: for {REQUESTS} full contexts, or as much as memory allows")
        add("context", context, "tokens", why)
        add("memory", self.weights + self.work + room, "bytes", "weights, engine and cache")
        add("processors", cores, "", "of the machine; the engine uses all of them")

    def _memory(self, room: int) -> Memory:
        needed = self.weights + self.work + room
        total = self.machine.memory or needed
        held = total - (total if self.machine.available is None else self.machine.available)
        in_use = min(max(0, held), max(0, total - needed))
        return Memory(
            per="machine",
            total=total,
            weights=self.weights,
            kv_cache=room,
            activations=self.growth,
            cuda_graphs=0,
            framework=ENGINE,
            driver_reserve=0,
            in_use=in_use,
            unused=max(0, total - needed - in_use),
        )

    def _room(self) -> int:
        """Bytes for the cache: for REQUESTS full contexts where half of the room beside weights and engine allows."""
        least, full = self.cache.needed(self.least), self.cache.sequence(self.longest)
        half = self.room // 2 // GIB * GIB
        may = half if half >= _whole(full) else self.room // GIB * GIB
        return max(_whole(least), min(_whole(full * REQUESTS), may))

    def refuse(self) -> Refusal | None:
        longest = self.profile.context_length
        if self.least > longest:
            have = Step("the model reads", longest, "tokens", "")
            return self._refusal("context", self.least, "tokens", have, f"set max-model-len to at most {longest}")
        for name in ("tensor", "pipeline", "data"):
            size, option = getattr(self.wishes, f"{name}_parallel") or 1, f"{name}-parallel-size"
            if size > 1:
                have = Step("is all that a machine without GPUs takes", 1, "", "")
                return self._refusal(option, size, "", have, f"leave {option} out")
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
