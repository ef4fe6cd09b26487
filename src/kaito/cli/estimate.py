"""What `kaito plan` says of one model on one machine: a verdict, the change that would make it fit, and the numbers.

Pure. The planner's answer is taken as it is; this module compares, asks again with one thing changed, and counts.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kaito.capacity import machines
from kaito.capacity.gpu_plan import MAX_NODES
from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, Plan, Refusal, Step, Wishes
from kaito.capacity.planner import plan
from kaito.capacity.wishes import completed
from kaito.cli.find import Found
from kaito.cli.machine import Chosen
from kaito.models.engine import engine_options

ROUND: Final = 256
"""Tokens: a shorter context is proposed in round numbers."""
FP8_CACHE: Final = 8.9
"""The compute capability from which GPUs work with 8-bit numbers themselves."""
TOKENS: Final = "tokens in the cache"
TOKEN: Final = "cache of one token"
KNOWN: Final = {
    "model", "machine", "nodes", "gpus", "tensor_parallel", "pipeline_parallel", "data_parallel", "utilization",
    "max_model_len", "kv_cache_bytes", "weights_bytes", "overhead_bytes", "memory_bytes", "cpu_cores", "dtype",
    "startup_seconds", "steps",
}  # fmt: skip
"""The parts of a Plan that have a place of their own here; others are shown under their names."""


class Verdict(StrEnum):
    """Whether a model runs on a machine as asked, after the named change, or not at all."""

    FIT = "FIT"
    CHANGES = "FIT-WITH-CHANGES"
    NO = "NO"


@dataclass(frozen=True, slots=True)
class Ask:
    """What the person asked for: tokens of context, and the most nodes; None where the planner decides."""

    context: int | None = None
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do differently: the option of `kaito plan` or the field, its value, and why in a sentence."""

    option: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Memory:
    """One GPU's memory, or the whole machine's without GPUs, in bytes; the parts add up to ``total``.

    ``in_use`` is what other programs hold now, where it is known; ``free`` is what this plan leaves alone.
    """

    per: str
    total: int
    weights: int
    overhead: int
    kv_cache: int
    in_use: int
    free: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer for one machine. With verdict NO there is no plan, and ``reason`` says which number fails."""

    found: Found
    machine: Machine
    instance_type: str | None
    verdict: Verdict
    made: Plan | None
    memory: Memory | None
    kv_tokens: int | None
    steps: tuple[Step, ...]
    reason: str | None = None
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    context: int | None = field(default=None)

    @property
    def window(self) -> int | None:
        """Tokens of a request for which requests are counted: what was asked for, else what fits."""
        return self.context or (self.made.max_model_len if self.made else None)

    def requests(self, context: int | None = None) -> int | None:
        """How many requests of that many tokens the cache holds at once, over all copies; None when not known."""
        wanted = context or self.window
        if self.made is None or self.kv_tokens is None or not wanted:
            return None
        copies = max(1, self.made.data_parallel)
        return copies * (self.kv_tokens // copies // wanted)


def estimate(found: Found, chosen: Chosen, ask: Ask, others: Sequence[Chosen] = ()) -> Estimate:
    """The answer for one machine; where it is NO, the best of ``others`` is proposed instead."""
    one = _estimate(found, chosen, ask, others)
    if one.made is None or one.made.nodes == 1:
        return one
    return dataclasses.replace(one, warnings=(*one.warnings, *_unservable(found, one.made)))


def _estimate(found: Found, chosen: Chosen, ask: Ask, others: Sequence[Chosen]) -> Estimate:
    machine = chosen.machine
    asked = _asked(found, Wishes(context=ask.context))
    limit = ask.nodes or MAX_NODES
    made = plan(found.profile, machine, asked, max_nodes=limit)
    if isinstance(made, Plan):
        return _fits(found, chosen, ask, made, ())
    for change, wishes, where, nodes in _changed(found, machine, asked, made, limit):
        again = plan(found.profile, where, wishes, max_nodes=nodes)
        if isinstance(again, Plan):
            shown = dataclasses.replace(ask, context=wishes.context)
            why = _fits(found, dataclasses.replace(chosen, machine=where), shown, again, (change,))
            return dataclasses.replace(why, machine=machine, reason=str(made))
    return _refused(found, chosen, ask, made, others)


def _asked(found: Found, wishes: Wishes) -> Wishes:
    return completed(wishes, engine_options(found.id, found.profile.architectures, weight_format=found.weight_format))


def _changed(
    found: Found, machine: Machine, asked: Wishes, refusal: Refusal, limit: int
) -> Iterator[tuple[Change, Wishes, Machine, int]]:
    """Each single thing that may be changed, the least painful first, with what is to be planned then."""
    longest = found.profile.context_length
    if asked.context and asked.context > longest:
        why = f"the model reads at most {longest:,} tokens"
        yield (
            Change("--context-length", str(longest), why),
            dataclasses.replace(asked, context=longest),
            machine,
            limit,
        )
    if machine.gpus and (machine.compute_capability or 0) >= FP8_CACHE and asked.kv_cache_dtype is None:
        change = Change("inference.config: vllm.kv-cache-dtype", "fp8", "a cache of 8 bits holds twice the tokens")
        yield change, dataclasses.replace(asked, kv_cache_dtype="fp8"), machine, limit
    if asked.context:
        free = plan(found.profile, machine, dataclasses.replace(asked, context=None), max_nodes=limit)
        if isinstance(free, Plan) and free.max_model_len:
            tokens = free.max_model_len // ROUND * ROUND or free.max_model_len
            change = Change("--context-length", str(tokens), f"{tokens:,} tokens fit")
            yield change, dataclasses.replace(asked, context=tokens), machine, limit
    if machine.gpus and limit < MAX_NODES:
        wider = plan(found.profile, machine, asked)
        if isinstance(wider, Plan):
            why = f"{wider.nodes} nodes hold it"
            yield Change("--nodes", str(wider.nodes), why), asked, machine, wider.nodes
    if machine.available is not None:
        missing = max(0, int(refusal.needed.value - refusal.have.value)) if refusal.needed.unit == "bytes" else 0
        why = f"stop other programs: {missing / GIB:.1f} GiB more must be free"
        change = Change("free memory", f"{missing / GIB:.1f} GiB", why)
        yield change, asked, dataclasses.replace(machine, available=None), limit


def _fits(found: Found, chosen: Chosen, ask: Ask, made: Plan, changes: tuple[Change, ...]) -> Estimate:
    machine, steps = chosen.machine, {step.name: step for step in made.steps}
    per_token = steps[TOKEN].value if TOKEN in steps else 0
    tokens = int(steps[TOKENS].value) if TOKENS in steps else None
    if tokens is None and per_token:
        tokens = int(made.kv_cache_bytes // per_token)
    return Estimate(
        found=found,
        machine=machine,
        instance_type=chosen.instance_type,
        verdict=Verdict.CHANGES if changes else Verdict.FIT,
        made=made,
        memory=memory_of(made, machine),
        kv_tokens=tokens * max(1, made.data_parallel) if tokens is not None else None,
        steps=made.steps,
        changes=changes,
        warnings=(*chosen.warnings, *_warnings(found, machine, ask, made)),
        context=ask.context,
    )


def memory_of(made: Plan, machine: Machine) -> Memory:
    """Where the memory of one GPU goes, or of the machine where the plan uses no GPU."""
    if made.gpus:
        usable = int(machine.gpu_memory * (made.utilization or 1))
        overhead = max(0, usable - made.weights_bytes - made.kv_cache_bytes)
        free = machine.gpu_memory - usable
        return Memory("gpu", machine.gpu_memory, made.weights_bytes, overhead, made.kv_cache_bytes, 0, free)
    total = machine.memory or made.memory_bytes or 0
    needed = made.weights_bytes + made.overhead_bytes + made.kv_cache_bytes
    in_use = min(max(0, total - (total if machine.available is None else machine.available)), max(0, total - needed))
    free = max(0, total - needed - in_use)
    return Memory("machine", total, made.weights_bytes, made.overhead_bytes, made.kv_cache_bytes, in_use, free)


def _refused(found: Found, chosen: Chosen, ask: Ask, refusal: Refusal, others: Sequence[Chosen]) -> Estimate:
    best = next((one for one in compare(found, others, ask) if one.verdict is Verdict.FIT), None)
    changes: tuple[Change, ...] = ()
    if best is not None and best.made is not None:
        count = (
            f"{best.made.nodes} such machines hold it" if best.made.nodes > 1 else "the smallest known that holds it"
        )
        changes = (Change("--instance-type", best.machine.name, count),)
    return Estimate(
        found=found,
        machine=chosen.machine,
        instance_type=chosen.instance_type,
        verdict=Verdict.NO,
        made=None,
        memory=None,
        kv_tokens=None,
        steps=refusal.steps,
        reason=str(refusal),
        changes=changes,
        warnings=(*chosen.warnings, *_of_model(found)),
        context=ask.context,
    )


def _warnings(found: Found, machine: Machine, ask: Ask, made: Plan) -> Iterable[str]:
    longest, fits = found.profile.context_length, made.max_model_len
    if ask.context is None and fits is not None and fits < longest:
        yield f"the model reads {longest:,} tokens and {fits:,} fit here; --context-length says what you need"
    if fits is None:
        yield "the model's configuration does not say how large its cache is: the context is not checked"
    busy = made.tensor_parallel * max(1, made.data_parallel)
    if made.gpus > busy:
        idle = made.gpus - busy
        yield f"{idle} of {made.gpus} GPUs {'stays' if idle == 1 else 'stay'} idle: the model cannot be cut that way"
    if ask.nodes and made.nodes < ask.nodes:
        yield f"{made.nodes} of {ask.nodes} nodes {'is' if made.nodes == 1 else 'are'} enough"
    yield from _of_model(found)


def _of_model(found: Found) -> Iterable[str]:
    if found.gated:
        yield (
            "gated: accept its licence on the hub, and name a Secret with your token in "
            "inference.preset.presetOptions.modelAccessSecret"
        )
    if not found.profile.has_chat_template:
        yield "a base model: it completes text and does not chat"


def _unservable(found: Found, made: Plan) -> Iterable[str]:
    """What the operator's own builder says of this many nodes, so that a plan never promises more than it does."""
    from kaito.workloads.inference import Serving, UnservableError, WorkloadSettings, inference_objects

    ws = {"metadata": {"name": "plan", "namespace": "default", "uid": ""}, "inference": {"preset": {"name": found.id}}}
    serving = Serving(found.name, found.id, nodes=made.nodes, gpus=made.gpus, tensor_parallel=made.tensor_parallel)
    try:
        inference_objects(ws, serving, WorkloadSettings(image="plan"), replicas=made.nodes, revision="1")
    except UnservableError as exc:
        yield f"not served by this release: {exc}"


def known_machines() -> list[Chosen]:
    """One machine type for each kind of hardware, the alphabet's first, in no order of merit."""
    found: dict[tuple[Any, ...], Chosen] = {}
    for name in machines.instance_types():
        one = machines.by_instance_type(name)
        found.setdefault(hardware(one), Chosen(one, name))
    return list(found.values())


def same_hardware(machine: Machine) -> tuple[str, ...]:
    """The machine types whose GPUs are the same, this one among them."""
    alike = [machines.by_instance_type(name) for name in machines.instance_types()]
    return tuple(one.name for one in alike if hardware(one) == hardware(machine))


def hardware(machine: Machine) -> tuple[Any, ...]:
    """What a plan depends on."""
    return machine.gpu_model, machine.gpus, machine.gpu_memory, machine.compute_capability


def compare(found: Found, chosen: Sequence[Chosen], ask: Ask) -> list[Estimate]:
    """Every machine's answer, the best first: those that fit, on the fewest nodes, with the least GPU memory."""
    made = [_estimate(found, one, ask, ()) for one in chosen]
    return sorted(made, key=_rank)


def _rank(one: Estimate) -> tuple[Any, ...]:
    order = list(Verdict).index(one.verdict)
    nodes = one.made.nodes if one.made else 0
    price = extras(one).get("price_per_hour") or 0
    return (order, nodes > 1, price, nodes * one.machine.gpus * one.machine.gpu_memory, nodes, one.machine.name)


def extras(one: Estimate) -> Mapping[str, float]:
    """Numbers of the plan that this module gives no place of their own, by name: a price, a speed."""
    if one.made is None:
        return {}
    values = {part.name: getattr(one.made, part.name) for part in dataclasses.fields(one.made)}
    return {
        name: value
        for name, value in values.items()
        if name not in KNOWN and isinstance(value, int | float) and not isinstance(value, bool)
    }


def as_json(one: Estimate) -> dict[str, Any]:
    """The documented schema (docs/planning.md): every key is always there, null where there is no answer."""
    made = one.made
    parts = dataclasses.asdict(one.memory) if one.memory else None
    return {
        "schema": "kaito.sh/plan/v1",
        "model": one.found.name,
        "model_id": one.found.id,
        "machine": one.machine.name,
        "instance_type": one.instance_type,
        "gpu": one.machine.gpu_model,
        "verdict": one.verdict.value,
        "reason": one.reason,
        "changes": [dataclasses.asdict(change) for change in one.changes],
        "nodes": made.nodes if made else None,
        "gpus_per_node": one.machine.gpus,
        "tensor_parallel": made.tensor_parallel if made else None,
        "pipeline_parallel": made.pipeline_parallel if made else None,
        "data_parallel": made.data_parallel if made else None,
        "max_model_len": made.max_model_len if made else None,
        "model_context_length": one.found.profile.context_length,
        "memory": {key if key == "per" else f"{key}_bytes": value for key, value in parts.items()} if parts else None,
        "kv_tokens": one.kv_tokens,
        "concurrent_requests": one.requests(),
        "dtype": made.dtype if made else None,
        "gpu_memory_utilization": made.utilization if made else None,
        "startup_seconds": made.startup_seconds if made else None,
        "warnings": list(one.warnings),
        **extras(one),
    }
