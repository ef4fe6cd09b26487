"""The verdict of a plan, the change that makes it fit, and the numbers beside it."""

import dataclasses
from typing import NamedTuple

import pytest

from kaito.capacity.machines import GIB, Machine
from kaito.cli import estimate, find, machine
from kaito.cli.estimate import Ask, Estimate, Verdict

HOST = Machine("this host", 0, 0, cpu_cores=4, memory=24 * GIB, available=20 * GIB)


def answer(model: str, chosen: machine.Chosen, ask: Ask | None = None) -> Estimate:
    return estimate.estimate(find.model(model), chosen, ask or Ask(), estimate.known_machines())


class Case(NamedTuple):
    id: str
    model: str
    machine: machine.Chosen
    ask: Ask
    verdict: Verdict
    change: tuple[str, str] | None


A100 = machine.by_type("Standard_NC24ads_A100_v4")
CASES = [
    Case("what fits needs no change", "phi-4", A100, Ask(), Verdict.FIT, None),
    Case("a context that the model has", "phi-4", A100, Ask(16384), Verdict.FIT, None),
    Case(
        "a longer one than the model reads", "phi-4", A100, Ask(16385), Verdict.CHANGES, ("--context-length", "16384")
    ),
    Case(
        "a cache of 8 bits keeps the context where the GPU works with them",
        "llama-3.1-8b-instruct",
        machine.by_gpu("L4"),
        Ask(16384, 1),
        Verdict.CHANGES,
        ("inference.config: vllm.kv-cache-dtype", "fp8"),
    ),
    Case(
        "older GPUs need a shorter context",
        "llama-3.1-8b-instruct",
        machine.by_gpu("A10G"),
        Ask(32768, 1),
        Verdict.CHANGES,
        ("--context-length", "11008"),
    ),
    Case(
        "more machines than allowed",
        "deepseek-r1-0528",
        machine.by_type("Standard_ND96isr_H100_v5"),
        Ask(None, 1),
        Verdict.CHANGES,
        ("--nodes", "2"),
    ),
    Case(
        "other programs hold the memory",
        "kaito-demo",
        machine.Chosen(dataclasses.replace(HOST, available=GIB)),
        Ask(),
        Verdict.CHANGES,
        ("free memory", "2.0 GiB"),
    ),
    Case(
        "no machine like this at all",
        "phi-4",
        machine.Chosen(HOST),
        Ask(),
        Verdict.NO,
        ("--instance-type", "a2-highgpu-1g"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_verdict_and_the_change_that_makes_it_fit(case: Case) -> None:
    one = answer(case.model, case.machine, case.ask)
    assert one.verdict is case.verdict
    assert [(change.option, change.value) for change in one.changes] == ([case.change] if case.change else [])
    assert (one.reason is None) == (case.verdict is Verdict.FIT)
    assert (one.made is None) == (case.verdict is Verdict.NO)


@pytest.mark.parametrize("case", [case for case in CASES if case.verdict is Verdict.CHANGES], ids=lambda case: case.id)
def test_the_change_really_makes_it_fit(case: Case) -> None:
    option, value = case.change or ("", "")
    ask, chosen = case.ask, case.machine
    if option == "--context-length":
        ask = dataclasses.replace(ask, context=int(value))
    elif option == "--nodes":
        ask = dataclasses.replace(ask, nodes=int(value))
    elif option == "free memory":
        free = GIB + int(float(value.split()[0]) * GIB) + GIB // 10
        chosen = dataclasses.replace(chosen, machine=dataclasses.replace(chosen.machine, available=free))
    else:
        return
    assert answer(case.model, chosen, ask).verdict is Verdict.FIT


def test_the_machine_that_is_proposed_instead_holds_the_model() -> None:
    for model in ("phi-4", "llama-3.3-70b-instruct", "qwen2.5-coder-32b-instruct"):
        refused = answer(model, machine.Chosen(HOST))
        assert answer(model, machine.by_type(refused.changes[0].value)).verdict is Verdict.FIT


@pytest.mark.parametrize("model", ["phi-4", "llama-3.3-70b-instruct", "deepseek-r1-0528", "ministral-3-3b-instruct"])
def test_the_parts_of_the_memory_add_up_on_every_machine(model: str) -> None:
    ranked = estimate.compare(find.model(model), estimate.known_machines(), Ask())
    held = [one for one in ranked if one.memory is not None]
    assert held
    for one in held:
        assert one.memory is not None
        parts = dataclasses.asdict(one.memory)
        assert sum(value for key, value in parts.items() if key not in ("per", "total")) == one.memory.total
        assert min(value for key, value in parts.items() if key != "per") >= 0
    host = answer("kaito-demo", machine.Chosen(HOST)).memory
    assert host is not None
    assert (host.per, host.total, host.in_use) == ("machine", 24 * GIB, 4 * GIB)
    assert host.weights + host.overhead + host.kv_cache + host.in_use + host.free == host.total


def test_requests_at_once_are_counted_in_each_copy() -> None:
    one = answer("ministral-3-3b-instruct", machine.by_type("g6.12xlarge"), Ask(8192))
    assert one.made is not None
    assert one.kv_tokens is not None
    assert one.made.data_parallel == 4
    assert one.requests() == 4 * (one.kv_tokens // 4 // 8192)
    assert one.requests(one.kv_tokens) == 0, "no copy holds what all of them hold together"


def test_the_best_machine_comes_first() -> None:
    ranked = estimate.compare(find.model("phi-4"), estimate.known_machines(), Ask())
    assert ranked[0].machine.name == "a2-highgpu-1g"
    nodes = [one.made.nodes for one in ranked if one.made]
    assert nodes[0] == 1
    assert nodes == sorted(nodes, key=lambda count: count > 1), "those that need several machines come last"


def test_machine_types_with_the_same_gpus_are_one_row() -> None:
    shown = [one.machine.name for one in estimate.known_machines()]
    assert len(shown) == len(set(shown))
    g6 = machine.by_type("g6.xlarge").machine
    assert {"g6.xlarge", "g6.16xlarge", "gr6.8xlarge"} <= set(estimate.same_hardware(g6))
    assert len(set(shown) & set(estimate.same_hardware(g6))) == 1


@pytest.mark.parametrize(
    ("model", "chosen", "ask", "says"),
    [
        ("llama-3.1-8b-instruct", A100, Ask(), "gated: accept its licence"),
        ("mistral-7b", A100, Ask(), "a base model: it completes text and does not chat"),
        ("phi-4", machine.by_type("Standard_NV72ads_A10_v5"), Ask(None, 3), "1 of 3 nodes is enough"),
        ("qwen2.5-coder-32b-instruct", machine.by_gpu("L4:4"), Ask(), "32,768 tokens and 24,890 fit here"),
        ("phi-4", machine.by_gpu("A2:3"), Ask(), "2 of 3 GPUs stay idle"),
        (
            "phi-4",
            machine.by_gpu("H100"),
            Ask(),
            "H100 is taken as H100-SXM5-80GB; else write H100-NVL or H100-PCIE-80GB",
        ),
    ],
)
def test_what_to_mind_is_said(model: str, chosen: machine.Chosen, ask: Ask, says: str) -> None:
    one = answer(model, chosen, ask)
    assert any(says in warning for warning in one.warnings), one.warnings


KEYS = {
    "schema", "model", "model_id", "machine", "instance_type", "gpu", "verdict", "reason", "changes", "nodes",
    "gpus_per_node", "tensor_parallel", "pipeline_parallel", "data_parallel", "max_model_len", "model_context_length",
    "memory", "kv_tokens", "concurrent_requests", "dtype", "gpu_memory_utilization", "startup_seconds", "warnings",
}  # fmt: skip


@pytest.mark.parametrize("chosen", [A100, machine.Chosen(HOST)], ids=["fits", "does not"])
def test_the_schema_has_every_key_whatever_the_verdict(chosen: machine.Chosen) -> None:
    assert set(estimate.as_json(answer("phi-4", chosen))) >= KEYS


def test_a_number_that_the_planner_adds_later_is_shown_under_its_name() -> None:
    one = answer("phi-4", A100)
    assert one.made is not None
    fields = {part.name: getattr(one.made, part.name) for part in dataclasses.fields(one.made)}
    wider = dataclasses.make_dataclass("Plan", [*fields, "price_per_hour"])(**fields, price_per_hour=3.67)
    priced = dataclasses.replace(one, made=wider)
    assert estimate.as_json(priced)["price_per_hour"] == 3.67
    assert set(estimate.extras(one)).isdisjoint(KEYS)
