"""What `kaito plan` knows beside the planner's answer: the model's name and licence, the machine's type, the schema."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from kaito.capacity import machines, verdict
from kaito.capacity.machines import Machine
from kaito.capacity.plan import Plan, Wishes
from kaito.capacity.verdict import Answer, Verdict
from kaito.capacity.wishes import completed
from kaito.cli.find import Found
from kaito.cli.machine import Chosen
from kaito.models.engine import engine_options

SCHEMA: Final = "kaito.sh/plan/v1"


@dataclass(frozen=True, slots=True)
class Ask:
    """What the person asked for: what the engine is told, and the most nodes; None where the planner decides."""

    wishes: Wishes = field(default_factory=Wishes)
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer for one machine, as chosen: ``chosen.machine`` is what was asked about, whatever the changes say."""

    found: Found
    chosen: Chosen
    answer: Answer
    warnings: tuple[str, ...] = ()

    @property
    def machine(self) -> Machine:
        return self.chosen.machine

    @property
    def verdict(self) -> Verdict:
        return self.answer.verdict

    @property
    def plan(self) -> Plan | None:
        return self.answer.plan


def estimate(found: Found, chosen: Chosen, ask: Ask, others: Sequence[Chosen] = ()) -> Estimate:
    """The answer for one machine; where it is not FIT, the best of ``others`` is proposed instead."""
    rest = [one.machine for one in others]
    answer = verdict.judge(found.profile, chosen.machine, _asked(found, ask), limit=ask.nodes, others=rest)
    return Estimate(found, chosen, answer, tuple(_warnings(found, chosen, ask, answer)))


def compare(found: Found, chosen: Sequence[Chosen], ask: Ask, *, by: str = "price") -> list[Estimate]:
    """Every machine's answer: those that fit first, then ``by`` price, speed or the price of tokens."""
    by_name = {one.machine.name: one for one in chosen}
    kinds = [one.machine for one in chosen]
    ranked = verdict.compare(found.profile, kinds, _asked(found, ask), limit=ask.nodes, by=by)
    return [
        Estimate(found, by_name[one.machine.name], one, tuple(_warnings(found, by_name[one.machine.name], ask, one)))
        for one in ranked
    ]


def _asked(found: Found, ask: Ask) -> Wishes:
    options = engine_options(found.id, found.profile.architectures, weight_format=found.weight_format)
    return completed(ask.wishes, options)


def _warnings(found: Found, chosen: Chosen, ask: Ask, answer: Answer) -> Iterable[str]:
    yield from chosen.warnings
    if answer.plan is not None:
        yield from answer.plan.notes
        if ask.nodes and answer.plan.nodes < ask.nodes:
            count = answer.plan.nodes
            yield f"{count} of {ask.nodes} nodes {'is' if count == 1 else 'are'} enough"
    if found.gated:
        yield (
            "gated: accept its licence on the hub, and name a Secret with your token in "
            "inference.preset.presetOptions.modelAccessSecret"
        )
    if not found.profile.has_chat_template:
        yield "a base model: it completes text and does not chat"


@cache
def known_machines() -> tuple[Chosen, ...]:
    """One machine type for each kind of hardware, the cheapest, then the alphabet's first; in no order of merit."""
    found: dict[tuple[Any, ...], Machine] = {}
    for one in _every_type():
        known = found.get(hardware(one))
        if known is None or (one.price is not None and (known.price is None or one.price < known.price)):
            found[hardware(one)] = one
    return tuple(Chosen(one, one.name) for one in found.values())


def same_hardware(machine: Machine) -> tuple[str, ...]:
    """The machine types whose GPUs are the same, this one among them."""
    return tuple(one.name for one in _every_type() if hardware(one) == hardware(machine))


@cache
def _every_type() -> tuple[Machine, ...]:
    return tuple(machines.by_instance_type(name) for name in machines.instance_types())


def hardware(machine: Machine) -> tuple[Any, ...]:
    """What a plan depends on."""
    return (
        machine.gpu_model, machine.gpus, machine.gpu_memory, machine.compute_capability, machine.gpu_bandwidth,
        machine.nvlink, machine.cloud,
    )  # fmt: skip


def as_json(one: Estimate) -> dict[str, Any]:
    """The documented schema (docs/plan.schema.json): every key is always there, null where there is no answer."""
    answer, made, machine = one.answer, one.plan, one.machine
    return {
        "schema": SCHEMA,
        "model": one.found.name,
        "model_id": one.found.id,
        "machine": machine.name,
        "instance_type": one.chosen.instance_type,
        "cloud": machine.cloud,
        "gpu": machine.gpu_model,
        "verdict": one.verdict.value,
        "reason": answer.reason,
        "changes": [dataclasses.asdict(change) for change in answer.changes],
        "nodes": made.nodes if made else None,
        "gpus_per_node": machine.gpus,
        "tensor_parallel": made.tensor_parallel if made else None,
        "pipeline_parallel": made.pipeline_parallel if made else None,
        "data_parallel": made.data_parallel if made else None,
        "replicas": answer.replicas if made else None,
        "max_model_len": made.max_model_len if made else None,
        "model_context_length": one.found.profile.context_length,
        "memory": _memory(made) if made else None,
        "kv_tokens": made.kv_tokens if made else None,
        "concurrent_requests": answer.requests(),
        "dtype": made.dtype if made else None,
        "kv_cache_dtype": made.kv_cache_dtype if made else None,
        "gpu_memory_utilization": made.utilization if made else None,
        "disk_bytes": made.disk_bytes if made else None,
        "startup_seconds": made.startup_seconds if made else None,
        "startup_estimate_seconds": made.startup_estimate if made else None,
        "tokens_per_second": _speed(made) if made else None,
        "price_per_hour": answer.price_per_hour,
        "price_per_million_tokens": _price(made) if made else None,
        "price_source": machine.price_source,
        "price_date": machine.price_date,
        "warnings": list(one.warnings),
    }


def _memory(made: Plan) -> dict[str, Any]:
    parts = dataclasses.asdict(made.memory)
    return {key if key == "per" else f"{key}_bytes": value for key, value in parts.items()}


def _speed(made: Plan) -> dict[str, Any] | None:
    if made.speed is None:
        return None
    fast = dataclasses.asdict(made.speed)
    return {key: round(value, 1) if isinstance(value, float) else value for key, value in fast.items()}


def _price(made: Plan) -> dict[str, float] | None:
    if made.speed is None or made.price_per_hour is None:
        return None
    speeds = {"input": made.speed.prefill, "output": made.speed.decode}
    return {name: round(made.price_per_million(value) or 0.0, 4) for name, value in speeds.items()}
