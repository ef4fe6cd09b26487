"""What the planner is asked and what it answers: wishes in; a Plan, or a Refusal, out. Sizes are bytes."""

from dataclasses import dataclass, field
from typing import Final

from kaito.capacity.cache import Cache

GIB: Final = 1 << 30
UNITS: Final = ((GIB, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
SERVED_NODES: Final = 1
"""Nodes that one server of this release may span. Plans know more; who needs more is told so."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the Workspace's author fixed; None where the planner decides.

    ``context`` is tokens of a request, ``concurrency`` such requests at once. ``kv_cache_dtype`` counts: eight-bit
    types halve the cache.
    """

    context: int | None = None
    concurrency: int | None = None
    utilization: float | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    data_parallel: int | None = None
    kv_cache_dtype: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One number that a plan used: its name, value and unit, and where it comes from."""

    name: str
    value: float
    unit: str
    why: str

    def shown(self) -> str:
        """The value for people, with its unit."""
        if self.unit == "bytes":
            size, unit = next((pair for pair in UNITS if self.value >= pair[0] / 10), UNITS[-1])
            return f"{self.value / size:.2f} {unit}"
        text = f"{self.value:,.0f}" if float(self.value).is_integer() else f"{self.value:g}"
        return f"{text} {self.unit}".rstrip()


@dataclass(slots=True)
class Ledger:
    """Collects steps while a plan is made."""

    steps: list[Step] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, why: str) -> None:
        self.steps.append(Step(name, value, unit, why))

    def done(self) -> tuple[Step, ...]:
        return tuple(self.steps)


@dataclass(frozen=True, slots=True)
class Memory:
    """Where the memory of one GPU goes, or of the machine where the model runs on its processors.

    ``per`` is "gpu" or "machine". The parts add up to ``total``: weights as loaded; the key-value cache; working memory
    of the largest step; recorded CUDA graphs; the engine's own (CUDA context, libraries); what the driver keeps of the
    advertised size, where it is known; what other programs hold now, where it is known; and what is left alone.
    """

    per: str
    total: int
    weights: int
    kv_cache: int
    activations: int
    cuda_graphs: int
    framework: int
    driver_reserve: int
    in_use: int
    unused: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens in a second, at most (see kaito.capacity.speed): of all copies together, and of one request alone.

    ``decode`` is while ``requests`` run at once, each ``context`` tokens long.
    """

    prefill: float
    decode: float
    decode_alone: float
    context: int
    requests: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How one model runs on one kind of machine.

    A copy of the model is ``pipeline_parallel`` stages of ``tensor_parallel`` GPUs, over ``nodes`` nodes; on one node
    ``data_parallel`` copies may stand side by side. ``context`` is the request that was planned for, ``max_model_len``
    the longest that fits, None when the model's cache is not known; ``kv_tokens``: what the caches of all copies hold.
    ``memory_bytes`` and ``cpu_cores`` are the pod's on a CPU, else None. ``disk_bytes`` is for each node.
    ``startup_seconds`` is how long a start may take, ``startup_estimate`` how long it should take. ``speed`` and
    ``price_per_hour`` (US dollars, of all nodes) are None where they are not known; ``notes`` say why.
    """

    model: str
    machine: str
    nodes: int
    gpus: int
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    utilization: float | None
    context: int
    max_model_len: int | None
    kv_tokens: int | None
    kv_cache_dtype: str | None
    cache: Cache
    memory: Memory
    memory_bytes: int | None
    cpu_cores: float | None
    dtype: str
    disk_bytes: int
    startup_seconds: int
    startup_estimate: int
    speed: Speed | None
    price_per_hour: float | None
    notes: tuple[str, ...]
    steps: tuple[Step, ...]

    def requests(self, context: int) -> int | None:
        """How many requests of that many tokens the caches hold at once, over all copies; None when not known."""
        of_copy = self.cache.requests(self.memory.kv_cache, context)
        return None if of_copy is None else self.data_parallel * of_copy

    def price_per_million(self, tokens_per_second: float) -> float | None:
        """US dollars for a million tokens at that speed; None where the price is not known."""
        if self.price_per_hour is None or tokens_per_second <= 0:
            return None
        return self.price_per_hour / (tokens_per_second * 3600) * 1e6


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a model does not run there: the number that fails (``what``), what it would need, what there is, the remedy.

    ``str()`` is the whole sentence.
    """

    model: str
    machine: str
    what: str
    needed: Step
    have: Step
    remedy: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return (
            f"{self.model} does not run on {self.machine}: {self.what}: {self.needed.shown()} needed, "
            f"{self.have.shown()} {self.have.name}; {self.remedy}"
        )
