"""The verdict on a machine, the change that makes it fit, and the order of machines."""

import dataclasses
from typing import NamedTuple

import pytest

from kaito.capacity import machines
from kaito.capacity.machines import GIB, Machine, by_instance_type
from kaito.capacity.plan import SERVED_NODES, Wishes
from kaito.capacity.verdict import Answer, Verdict, compare, judge, rank
from kaito.models.catalogue import lookup
from kaito.models.profile import ModelProfile

HOST = Machine("this host", 0, 0, cpu_cores=4, memory=24 * GIB, available=20 * GIB)
KNOWN = [by_instance_type(name) for name in machines.instance_types()]
A10, A100, H100x8 = (
    by_instance_type(f"Standard_{name}") for name in ("NV36ads_A10_v5", "NC24ads_A100_v4", "ND96isr_H100_v5")
)
L4, L4x4, A10G = (by_instance_type(name) for name in ("g6.xlarge", "g6.12xlarge", "g5.xlarge"))


def model(name: str) -> ModelProfile:
    return lookup(name).profile()


class Case(NamedTuple):
    id: str
    model: str
    machine: Machine
    wishes: Wishes
    limit: int | None
    verdict: Verdict
    changes: list[tuple[str, str]]


CASES = [
    Case("what fits needs no change", "phi-4", A100, Wishes(), None, Verdict.FIT, []),
    Case("a context that the model has", "phi-4", A100, Wishes(context=16384), None, Verdict.FIT, []),
    Case(
        "a longer one than the model reads",
        "phi-4",
        A100,
        Wishes(context=16385),
        None,
        Verdict.CHANGES,
        [("--context-length", "16384")],
    ),
    Case(
        "a cache of 8 bits keeps the context where the GPU works with them",
        "llama-3.1-8b-instruct",
        L4,
        Wishes(context=16384),
        1,
        Verdict.CHANGES,
        [("inference.config: vllm.kv-cache-dtype", "fp8")],
    ),
    Case(
        "more of the GPU, where that is enough",
        "ibm-granite/granite-4.1-8b",
        A10,
        Wishes(),
        None,
        Verdict.CHANGES,
        [("inference.config: vllm.gpu-memory-utilization", "0.9")],
    ),
    Case(
        "older GPUs need a shorter context",
        "llama-3.1-8b-instruct",
        A10G,
        Wishes(context=32768),
        1,
        Verdict.CHANGES,
        [("--context-length", "11008")],
    ),
    Case(
        "a division that the heads do not allow is left to the planner",
        "phi-4",
        L4x4,
        Wishes(tensor_parallel=3),
        None,
        Verdict.CHANGES,
        [("inference.config: vllm.tensor-parallel-size", "left out")],
    ),
    Case(
        "several nodes are not served: the cheapest machine that holds it on one",
        "deepseek-r1-0528",
        H100x8,
        Wishes(),
        None,
        Verdict.CHANGES,
        [("--instance-type", "p5en.48xlarge")],
    ),
    Case(
        "several nodes, and requests that no machine holds as asked: the cheapest that does with a change, and which",
        "llama-3.3-70b-instruct",
        A100,
        Wishes(concurrency=32),
        None,
        Verdict.CHANGES,
        [("--instance-type", "p5en.48xlarge"), ("inference.config: vllm.kv-cache-dtype", "fp8")],
    ),
    Case(
        "several nodes for a context that one holds in 8 bits",
        "llama-3.1-8b-instruct",
        L4,
        Wishes(context=16384),
        None,
        Verdict.CHANGES,
        [("inference.config: vllm.kv-cache-dtype", "fp8")],
    ),
    Case(
        "other programs hold the memory",
        "kaito-demo",
        dataclasses.replace(HOST, available=GIB),
        Wishes(),
        None,
        Verdict.CHANGES,
        [("free memory", "2.0 GiB")],
    ),
    Case(
        "no machine like this at all", "phi-4", HOST, Wishes(), None, Verdict.NO, [("--instance-type", "g6e.xlarge")]
    ),
    Case("more requests than one server holds", "phi-4", A100, Wishes(context=16384, concurrency=30), None,
         Verdict.CHANGES, [("replicas", "3")]),
    Case("as many requests as fit", "phi-4", A100, Wishes(context=16384, concurrency=11), None, Verdict.FIT, []),
    Case("more requests, in a cache of 8 bits", "llama-3.1-8b-instruct", L4, Wishes(context=2048, concurrency=12), None,
         Verdict.CHANGES, [("inference.config: vllm.kv-cache-dtype", "fp8")]),
    Case("more requests, in one copy over all GPUs", "phi-4-mini-instruct",
         dataclasses.replace(L4x4, compute_capability=8.0), Wishes(context=65536, concurrency=6), None,
         Verdict.CHANGES, [("inference.config: vllm.tensor-parallel-size", "4")]),
    Case("a shorter context and more servers", "llama-3.1-8b-instruct", A10G, Wishes(context=32768, concurrency=4), 1,
         Verdict.CHANGES, [("--context-length", "11008"), ("replicas", "4")]),
]  # fmt: skip


def judged(case: Case) -> Answer:
    return judge(model(case.model), case.machine, case.wishes, limit=case.limit, others=KNOWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_verdict_and_the_change_that_makes_it_fit(case: Case) -> None:
    one = judged(case)
    assert (one.verdict, [(change.option, change.value) for change in one.changes]) == (case.verdict, case.changes)
    assert (one.reason is None) == (case.verdict is Verdict.FIT)
    assert (one.plan is None) == (case.verdict is Verdict.NO)


FIELDS = {
    "--context-length": ("context", int),
    "inference.config: vllm.kv-cache-dtype": ("kv_cache_dtype", str),
    "inference.config: vllm.gpu-memory-utilization": ("utilization", float),
    "inference.config: vllm.tensor-parallel-size": (
        "tensor_parallel",
        lambda text: int(text) if text.isdigit() else None,
    ),
}


@pytest.mark.parametrize("case", [case for case in CASES if case.verdict is Verdict.CHANGES], ids=lambda case: case.id)
def test_the_change_really_makes_it_fit(case: Case) -> None:
    wishes, machine = case.wishes, case.machine
    for option, value in case.changes:
        if option in FIELDS:
            name, read = FIELDS[option]
            wishes = dataclasses.replace(wishes, **{name: read(value)})  # type: ignore[arg-type]
        elif option == "free memory":
            machine = dataclasses.replace(machine, available=3 * GIB + GIB // 10)
        elif option == "--instance-type":
            machine = by_instance_type(value)
        elif option == "replicas":
            wishes = dataclasses.replace(wishes, concurrency=-(-(wishes.concurrency or 0) // int(value)))
    assert judge(model(case.model), machine, wishes).verdict is Verdict.FIT


def test_a_server_that_spans_nodes_is_never_said_to_fit() -> None:
    """Whatever the machine: this release serves on one node, and a plan for more says what is missing."""
    for name in ("llama-3.3-70b-instruct", "deepseek-v3-0324", "phi-4"):
        for one in compare(model(name), KNOWN, Wishes()):
            if one.plan is not None and one.plan.nodes > SERVED_NODES:
                assert one.verdict is Verdict.CHANGES
                assert "and a server of this release runs on 1" in (one.reason or "")
                assert one.changes[0].option == "--instance-type"


def test_where_no_known_machine_holds_it_alone_the_answer_is_no() -> None:
    one = judge(model("deepseek-v3-0324"), H100x8, Wishes(), others=[A10, A100])
    assert one.verdict is Verdict.NO
    assert one.reason == (
        "deepseek-v3-0324 needs 2 nodes like Standard_ND96isr_H100_v5, and a server of this release runs on 1; no "
        "known machine type holds it on one"
    )


def test_servers_side_by_side_are_counted_and_paid_for() -> None:
    one = judge(model("phi-4"), A100, Wishes(context=16384, concurrency=30))
    assert one.plan is not None
    assert (one.replicas, one.requests(), one.plan.requests(16384)) == (3, 33, 11)
    assert one.price_per_hour == pytest.approx(3 * (A100.price or 0))
    assert one.reason == "30 requests of 16,384 tokens at once are asked for, and 11 fit"


def test_requests_at_once_are_counted_in_each_copy() -> None:
    one = judge(model("ministral-3-3b-instruct"), L4x4, Wishes(context=8192))
    assert one.plan is not None
    assert one.plan.kv_tokens is not None
    assert one.plan.data_parallel == 4
    assert one.requests() == 4 * (one.plan.kv_tokens // 4 // 8192)
    assert one.requests(one.plan.kv_tokens) == 0, "no copy holds what all of them hold together"


@pytest.mark.parametrize("name", ["phi-4", "llama-3.3-70b-instruct", "deepseek-r1-0528", "ministral-3-3b-instruct"])
def test_the_parts_of_the_memory_add_up_on_every_machine(name: str) -> None:
    plans = [one.plan for one in compare(model(name), KNOWN, Wishes()) if one.plan is not None]
    plans += [plan for plan in (judge(model("kaito-demo"), HOST, Wishes()).plan,) if plan is not None]
    assert len(plans) > 10
    for made in plans:
        parts = dataclasses.asdict(made.memory)
        per, total = parts.pop("per"), parts.pop("total")
        assert sum(parts.values()) == total, made.machine
        assert min(parts.values()) >= 0, made.machine
        assert per == ("gpu" if made.gpus else "machine")


def test_the_cheapest_comes_first_then_the_fastest_then_those_without_a_price() -> None:
    ranked = [one for one in compare(model("phi-4"), KNOWN, Wishes()) if one.verdict is Verdict.FIT]
    prices = [one.price_per_hour for one in ranked]
    known = [price for price in prices if price is not None]
    assert known == sorted(known)
    assert prices[: len(known)] == known, "those without a price come last"
    fast = compare(model("phi-4"), KNOWN, Wishes(), by="speed")
    speeds = [one.plan.speed.decode for one in fast if one.verdict is Verdict.FIT and one.plan and one.plan.speed]
    assert speeds == sorted(speeds, reverse=True)
    cheap = [one for one in compare(model("phi-4"), KNOWN, Wishes(), by="tokens") if one.price_per_hour is not None]
    of_tokens = [one.plan.price_per_million(one.plan.speed.decode) or 0 for one in cheap
                 if one.verdict is Verdict.FIT and one.plan and one.plan.speed]  # fmt: skip
    assert of_tokens == sorted(of_tokens)


def test_what_fits_comes_before_what_needs_a_change_and_several_nodes_come_last() -> None:
    ranked = compare(model("llama-3.3-70b-instruct"), KNOWN, Wishes())
    assert ranked == sorted(ranked, key=rank)
    order = [(list(Verdict).index(one.verdict), bool(one.plan and one.plan.nodes > SERVED_NODES)) for one in ranked]
    assert order == sorted(order)
