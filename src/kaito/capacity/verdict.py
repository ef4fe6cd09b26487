"""Whether a model runs on a machine as asked, after a named change, or not: the plan, and what stands in its way. Pure.

Changes are tried in the order of what they take from the person who asks, and each is planned before it is named: with
it, the model fits.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from kaito.capacity.gpu_plan import FP8_CACHE, MAX_NODES
from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, SERVED_NODES, Plan, Refusal, Step, Wishes
from kaito.capacity.planner import plan
from kaito.models.profile import ModelProfile

ROUND: Final = 256
"""Tokens: a shorter context is proposed in round numbers."""
HIGH_UTILIZATION: Final = 0.9
"""The share that engines take of a GPU by themselves; above it, the first peak may fail."""
CONFIG: Final = "inference.config: vllm."


class Verdict(StrEnum):
    """Whether a model runs on a machine as asked, after the named changes, or not at all."""

    FIT = "FIT"
    CHANGES = "FIT-WITH-CHANGES"
    NO = "NO"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do differently: the option of `kaito plan` or the field, its value, and why in a sentence."""

    option: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict on one machine; ``plan`` is the one after the changes, None for NO.

    ``reason`` says which number fails as asked. ``context`` is the request's length that was planned for, None where
    the planner chose. ``replicas``: so many such servers side by side hold the requests that were asked for.
    """

    machine: Machine
    verdict: Verdict
    plan: Plan | None
    steps: tuple[Step, ...]
    context: int | None = None
    reason: str | None = None
    changes: tuple[Change, ...] = ()
    replicas: int = 1

    @property
    def window(self) -> int | None:
        """Tokens of a request for which requests are counted: what was asked for, else what fits."""
        return self.context or (self.plan.max_model_len if self.plan else None)

    def requests(self, context: int | None = None) -> int | None:
        """How many requests of that many tokens all servers hold at once; None when it is not known."""
        wanted = context or self.window
        found = self.plan.requests(wanted) if self.plan is not None and wanted else None
        return None if found is None else found * self.replicas

    @property
    def price_per_hour(self) -> float | None:
        """US dollars, of all servers."""
        price = self.plan.price_per_hour if self.plan is not None else None
        return None if price is None else price * self.replicas


@dataclass(frozen=True, slots=True)
class _Try:
    """Something to plan instead: what is asked then, of which machine, on how many nodes at most."""

    change: Change
    wishes: Wishes
    machine: Machine
    limit: int


def judge(
    profile: ModelProfile, machine: Machine, wishes: Wishes, *, limit: int | None = None, others: Sequence[Machine] = ()
) -> Answer:
    """The verdict on machines like ``machine``, at most ``limit`` of them; the best of ``others`` is named instead."""
    most = limit or MAX_NODES
    made = plan(profile, machine, wishes, max_nodes=most)
    if isinstance(made, Refusal):
        found = _changed(profile, _tries(profile, machine, wishes, made, most), str(made))
        return found or _no(machine, wishes, str(made), made.steps, instead(profile, wishes, limit, others))
    if made.nodes > SERVED_NODES:
        return _too_wide(profile, machine, wishes, made, others)
    return _enough(profile, machine, wishes, Answer(machine, Verdict.FIT, made, made.steps, wishes.context))


def compare(
    profile: ModelProfile, machines: Sequence[Machine], wishes: Wishes, *, limit: int | None = None, by: str = "price"
) -> list[Answer]:
    """Every machine's answer, the best first; see ``rank``."""
    ranked = sorted(_judged(profile, tuple(machines), wishes, limit), key=lambda one: rank(one, by))
    best = _best(ranked)
    return [dataclasses.replace(one, changes=best) if _is_wide(one) and not one.changes else one for one in ranked]


@lru_cache(maxsize=4)
def _judged(
    profile: ModelProfile, machines: tuple[Machine, ...], wishes: Wishes, limit: int | None
) -> tuple[Answer, ...]:
    """Kept for a moment: who is told of a machine instead is often shown all of them next."""
    return tuple(judge(profile, one, wishes, limit=limit) for one in machines)


def rank(one: Answer, by: str = "price") -> tuple[float | str, ...]:
    """Smaller is better: the verdict, one node, then ``by`` a known and low "price" an hour, "speed", or "tokens".

    The last is the price of tokens that are written. Ties: price, speed, little memory, the name.
    """
    made = one.plan
    price = math.inf if one.price_per_hour is None else one.price_per_hour
    fast = made.speed.decode * one.replicas if made is not None and made.speed is not None else 0.0
    memory = (made.nodes if made else 1) * one.machine.gpus * one.machine.gpu_memory * one.replicas
    first = {"price": price, "speed": -fast, "tokens": price / fast if fast else math.inf}[by]
    order = list(Verdict).index(one.verdict)
    return (order, _is_wide(one), first, price, -fast, memory, one.machine.name)


def instead(profile: ModelProfile, wishes: Wishes, limit: int | None, others: Sequence[Machine]) -> tuple[Change, ...]:
    """The best of ``others`` on which the model runs as asked, if there is one."""
    return _best(compare(profile, others, wishes, limit=limit))


def _is_wide(one: Answer) -> bool:
    return one.plan is not None and one.plan.nodes > SERVED_NODES


def _best(ranked: Sequence[Answer]) -> tuple[Change, ...]:
    """The first that fits as asked, else the first that fits after changes of its own, which are named too."""
    fitting = (one for verdict in (Verdict.FIT, Verdict.CHANGES) for one in ranked if one.verdict is verdict)
    best = next((one for one in fitting if not _is_wide(one)), None)
    if best is None:
        return ()
    which = "smallest" if best.price_per_hour is None else "cheapest"
    return (Change("--instance-type", best.machine.name, f"the {which} known that holds it"), *best.changes)


def _no(machine: Machine, wishes: Wishes, reason: str, steps: tuple[Step, ...], changes: tuple[Change, ...]) -> Answer:
    return Answer(machine, Verdict.NO, None, steps, wishes.context, reason, changes)


def _too_wide(profile: ModelProfile, machine: Machine, wishes: Wishes, made: Plan, others: Sequence[Machine]) -> Answer:
    """It fits on more nodes than a server may span: a change that makes it fit on fewer, or another machine."""
    reason = (
        f"{profile.name} needs {made.nodes} nodes like {machine.name}, and a server of this release runs on "
        f"{SERVED_NODES}"
    )
    narrow = plan(profile, machine, wishes, max_nodes=SERVED_NODES)
    assert isinstance(narrow, Refusal)
    found = _changed(profile, _tries(profile, machine, wishes, narrow, SERVED_NODES, wider=False), reason)
    if found is not None:
        return found
    changes = instead(profile, wishes, SERVED_NODES, others)
    if others and not changes:
        return _no(machine, wishes, f"{reason}; no known machine type holds it on one", made.steps, ())
    return Answer(machine, Verdict.CHANGES, made, made.steps, wishes.context, reason, changes)


def _changed(profile: ModelProfile, tries: Iterator[_Try], reason: str) -> Answer | None:
    """The first change with which it fits."""
    for one in tries:
        made = plan(profile, one.machine, one.wishes, max_nodes=one.limit)
        if isinstance(made, Plan):
            context = one.wishes.context
            fits = Answer(one.machine, Verdict.CHANGES, made, made.steps, context, reason, (one.change,))
            return _enough(profile, one.machine, one.wishes, fits)
    return None


def _tries(
    profile: ModelProfile, machine: Machine, asked: Wishes, refusal: Refusal, limit: int, *, wider: bool = True
) -> Iterator[_Try]:
    """Each single thing that may be changed, the least painful first."""

    def wish(change: Change, **other: object) -> _Try:
        return _Try(change, dataclasses.replace(asked, **other), machine, limit)  # type: ignore[arg-type]

    longest = profile.context_length
    if asked.context and asked.context > longest:
        why = f"the model reads at most {longest:,} tokens"
        yield wish(Change("--context-length", str(longest), why), context=longest)
    for size in ("tensor", "pipeline", "data"):
        if getattr(asked, f"{size}_parallel"):
            change = Change(f"{CONFIG}{size}-parallel-size", "left out", "the planner's own choice fits")
            yield wish(change, **{f"{size}_parallel": None})
    if machine.gpus and (machine.compute_capability or 0) >= FP8_CACHE and asked.kv_cache_dtype is None:
        change = Change(f"{CONFIG}kv-cache-dtype", "fp8", "a cache of 8 bits holds twice the tokens")
        yield wish(change, kv_cache_dtype="fp8")
    if machine.gpus and (asked.utilization is None or not 0 < asked.utilization <= 1):
        why = "the engine may take more of each GPU; a peak may then fail"
        change = Change(f"{CONFIG}gpu-memory-utilization", f"{HIGH_UTILIZATION:g}", why)
        yield wish(change, utilization=HIGH_UTILIZATION)
    if asked.context:
        free = plan(profile, machine, dataclasses.replace(asked, context=None), max_nodes=limit)
        if isinstance(free, Plan) and free.max_model_len:
            tokens = free.max_model_len // ROUND * ROUND or free.max_model_len
            yield wish(Change("--context-length", str(tokens), f"{tokens:,} tokens fit"), context=tokens)
    yield from _elsewhere(profile, machine, asked, refusal, limit if wider else MAX_NODES)


def _elsewhere(profile: ModelProfile, machine: Machine, asked: Wishes, refusal: Refusal, limit: int) -> Iterator[_Try]:
    """More of the same machine, or more of its memory."""
    if machine.gpus and limit < MAX_NODES:
        wider = plan(profile, machine, asked)
        if isinstance(wider, Plan) and wider.nodes <= SERVED_NODES:
            change = Change("--nodes", str(wider.nodes), f"{wider.nodes} nodes hold it")
            yield _Try(change, asked, machine, wider.nodes)
    if machine.available is not None:
        missing = max(0, int(refusal.needed.value - refusal.have.value)) if refusal.needed.unit == "bytes" else 0
        why = f"stop other programs: {missing / GIB:.1f} GiB more must be free"
        change = Change("free memory", f"{missing / GIB:.1f} GiB", why)
        yield _Try(change, asked, dataclasses.replace(machine, available=None), limit)


def _enough(profile: ModelProfile, machine: Machine, wishes: Wishes, one: Answer) -> Answer:
    """The same answer where its caches hold the requests asked for; else with a larger cache, or with more servers."""
    wanted, held = wishes.concurrency, one.requests()
    if not wanted or held is None or held >= wanted or one.plan is None or not one.window:
        return one
    length = one.window
    reason = one.reason or f"{wanted:,} requests of {length:,} tokens at once are asked for, and {held:,} fit"
    for change, other in _larger(machine, wishes, one.plan):
        made = plan(profile, machine, other, max_nodes=one.plan.nodes)
        if isinstance(made, Plan) and (made.requests(length) or 0) >= wanted:
            return dataclasses.replace(
                one, verdict=Verdict.CHANGES, plan=made, steps=made.steps, reason=reason, changes=(*one.changes, change)
            )
    if not held:
        return one
    count = math.ceil(wanted / held)
    change = Change("replicas", str(count), f"so many servers like this hold {count * held:,} requests at once")
    return dataclasses.replace(
        one, verdict=Verdict.CHANGES, reason=reason, changes=(*one.changes, change), replicas=count
    )


def _larger(machine: Machine, wishes: Wishes, made: Plan) -> Iterator[tuple[Change, Wishes]]:
    """What gives the same GPUs a larger cache."""
    if made.data_parallel > 1 and wishes.tensor_parallel is None and wishes.data_parallel is None:
        size = made.data_parallel * made.tensor_parallel
        change = Change(f"{CONFIG}tensor-parallel-size", str(size), "one copy over all GPUs leaves more for the cache")
        yield change, dataclasses.replace(wishes, tensor_parallel=size)
    if machine.gpus and (machine.compute_capability or 0) >= FP8_CACHE and wishes.kv_cache_dtype is None:
        change = Change(f"{CONFIG}kv-cache-dtype", "fp8", "a cache of 8 bits holds twice the tokens")
        yield change, dataclasses.replace(wishes, kv_cache_dtype="fp8")
