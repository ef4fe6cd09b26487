"""What the planner is asked and what it answers: wishes in; a Plan, or a Refusal, out. Sizes are bytes."""

from dataclasses import dataclass, field
from typing import Final

GIB: Final = 1 << 30
UNITS: Final = ((GIB, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the Workspace's author fixed; None where the planner decides. ``context`` is tokens.

    ``kv_cache_dtype`` counts: eight-bit types halve the cache.
    """

    context: int | None = None
    utilization: float | None = None
    tensor_parallel: int | None = None
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
class Plan:
    """How one model runs on one kind of machine.

    Each of ``nodes`` nodes runs one stage of the pipeline on ``tensor_parallel`` GPUs; on one node ``data_parallel``
    replicas may stand side by side. ``weights_bytes``, ``overhead_bytes`` and ``kv_cache_bytes`` are of one GPU, or of
    the whole process on a CPU. ``max_model_len`` is the context that fits, None when the model's cache is not known.
    ``memory_bytes`` and ``cpu_cores`` are the pod's on a CPU, else None.
    """

    model: str
    machine: str
    nodes: int
    gpus: int
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    utilization: float | None
    max_model_len: int | None
    kv_cache_bytes: int
    weights_bytes: int
    overhead_bytes: int
    memory_bytes: int | None
    cpu_cores: float | None
    dtype: str
    startup_seconds: int
    steps: tuple[Step, ...]


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
