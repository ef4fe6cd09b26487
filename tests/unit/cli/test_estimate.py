"""What `kaito plan` says beside the planner's answer: the known machines, what to mind, and the documented schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kaito.capacity.machines import GIB, Machine
from kaito.capacity.plan import Wishes
from kaito.capacity.verdict import Verdict
from kaito.cli import estimate, find, machine
from kaito.cli.estimate import Ask, Estimate

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[3] / "docs" / "plan.schema.json").read_text())
HOST = Machine("this host", 0, 0, cpu_cores=4, memory=24 * GIB, available=20 * GIB)
A100 = machine.by_type("Standard_NC24ads_A100_v4")


def answer(model: str, chosen: machine.Chosen, ask: Ask | None = None) -> Estimate:
    return estimate.estimate(find.model(model), chosen, ask or Ask(), estimate.known_machines())


def test_the_machine_that_is_proposed_instead_holds_the_model() -> None:
    for model in ("phi-4", "llama-3.3-70b-instruct", "qwen2.5-coder-32b-instruct"):
        refused = answer(model, machine.Chosen(HOST)).answer
        assert refused.changes[0].option == "--instance-type"
        assert answer(model, machine.by_type(refused.changes[0].value)).verdict is Verdict.FIT


def test_machine_types_with_the_same_gpus_are_one_row_and_the_cheapest_stands_for_them() -> None:
    shown = [one.machine.name for one in estimate.known_machines()]
    assert len(shown) == len(set(shown))
    g6 = machine.by_type("g6.xlarge").machine
    alike = estimate.same_hardware(g6)
    assert {"g6.xlarge", "g6.16xlarge", "gr6.8xlarge"} <= set(alike)
    assert set(shown) & set(alike) == {"g6.xlarge"}
    assert g6.price == min(machine.by_type(name).machine.price or 0 for name in alike)


@pytest.mark.parametrize(
    ("model", "chosen", "ask", "says"),
    [
        ("llama-3.1-8b-instruct", A100, Ask(), "gated: accept its licence"),
        ("mistral-7b", A100, Ask(), "a base model: it completes text and does not chat"),
        ("phi-4", machine.by_type("Standard_NV72ads_A10_v5"), Ask(nodes=3), "1 of 3 nodes is enough"),
        ("qwen2.5-coder-32b-instruct", machine.by_gpu("L4:4"), Ask(), "32,768 tokens and 24,864 fit here"),
        ("phi-4", machine.by_gpu("A10:3"), Ask(Wishes(tensor_parallel=2)), "1 of 3 GPUs stays idle"),
        ("phi-4", machine.by_gpu("A10:2"), Ask(), "the GPUs of this machine have no NVLink"),
        ("phi-4", A100, Ask(Wishes(kv_cache_dtype="fp8")), "a cache of 8 bits on a GPU of compute capability 8"),
        ("phi-4", machine.by_gpu("H100-NVL"), Ask(Wishes(utilization=1.0)), "a share of 1 is more than that"),
        ("phi-4", machine.by_gpu("MyCard-48GB"), Ask(), "no speed is estimated: the bandwidth of"),
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


def test_what_the_engine_needs_for_a_model_is_planned_for() -> None:
    """GLM 5.2 keeps its cache in 8 bits: the engine is told so, and so is the planner."""
    one = answer("zai-org/GLM-5.2-FP8", machine.by_type("Standard_ND96isr_H200_v5"))
    assert one.plan is not None
    assert one.plan.kv_cache_dtype == "fp8"


ANSWERS = [
    pytest.param("phi-4", A100, Ask(), id="FIT"),
    pytest.param("phi-4", A100, Ask(Wishes(context=20000, concurrency=40)), id="FIT-WITH-CHANGES"),
    pytest.param("phi-4", machine.Chosen(HOST), Ask(), id="NO"),
    pytest.param("kaito-demo", machine.Chosen(HOST), Ask(), id="processors"),
    pytest.param("llama-3.3-70b-instruct", A100, Ask(), id="several nodes"),
    pytest.param("phi-4", machine.by_gpu("MyCard-48GB"), Ask(), id="no speed and no price"),
]


@pytest.mark.parametrize(("model", "chosen", "ask"), ANSWERS)
def test_every_answer_has_the_documented_schema(model: str, chosen: machine.Chosen, ask: Ask) -> None:
    value = json.loads(json.dumps(estimate.as_json(answer(model, chosen, ask))))
    jsonschema.Draft202012Validator(SCHEMA).validate(value)
    assert set(value) == set(SCHEMA["required"]), "every key, whatever the verdict"


def test_the_schema_is_valid_describes_every_key_and_allows_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema"]["const"] == estimate.SCHEMA
    assert set(SCHEMA["properties"]) - set(SCHEMA["required"]) == {"steps", "comparison"}
    assert SCHEMA["additionalProperties"] is False
    nested = [part for part in SCHEMA["$defs"].values() if part.get("type") == "object"]
    for part in [SCHEMA, *nested]:
        for name, described in part["properties"].items():
            assert described.get("description") or "$ref" in described, name


def test_numbers_of_a_program_are_those_of_the_plan() -> None:
    one = answer("phi-4", A100)
    made, value = one.plan, estimate.as_json(one)
    assert made is not None
    assert made.speed is not None
    assert value["price_per_hour"] == A100.machine.price
    assert value["tokens_per_second"]["decode"] == pytest.approx(made.speed.decode, abs=0.1)
    dollars = value["price_per_hour"] / (made.speed.decode * 3600 / 1e6)
    assert value["price_per_million_tokens"]["output"] == pytest.approx(dollars, abs=1e-4)
    memory = value["memory"]
    assert sum(part for key, part in memory.items() if key not in ("per", "total_bytes")) == memory["total_bytes"]
