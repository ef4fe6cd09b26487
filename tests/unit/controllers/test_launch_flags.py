"""The launcher is told what the planner decided: KAITO v0.12's rows of commands, and the author's own sizes."""

import dataclasses

import pytest

from kaito.capacity.machines import GIB, Machine, mig_slice
from kaito.capacity.planner import Plan, Wishes, plan
from kaito.controllers.resolver import Model, serving
from kaito.models.profile import ModelProfile
from kaito.workloads.inference import WorkloadSettings, vllm_flags
from tests.unit.capacity.test_gpu_plan import model

OFFLOAD = "kaito-kv-cache-cpu-memory-utilization"
TENSOR, PIPELINE, DATA = (f"{size}-parallel-size" for size in ("tensor", "pipeline", "data"))
EXECUTOR = "distributed-executor-backend"


def flags(profile: ModelProfile, machine: Machine, wishes: Wishes | None = None) -> dict[str, str]:
    """The flags of the serving program that a plan leads to."""
    asked = wishes or Wishes()
    made = plan(profile, machine, asked)
    assert isinstance(made, Plan), str(made)
    served = serving(Model(profile.name, "org/m", profile), machine, made, asked)
    ws = {"metadata": {"name": "w", "namespace": "default", "uid": "u"}, "inference": {"preset": {"name": "org/m"}}}
    return vllm_flags(ws, served, WorkloadSettings(image="i"))


def gpus(count: int, gib: int, name: str | None = None) -> Machine:
    return Machine("node", count, gib * GIB, name)


@pytest.mark.parametrize(
    ("profile", "machine", "expected"),
    [
        pytest.param(model(8), gpus(4, 80), {DATA: "4", TENSOR: "1", OFFLOAD: "0"}, id="row 28"),
        pytest.param(model(64), gpus(4, 80), {DATA: None, TENSOR: "4", PIPELINE: None, OFFLOAD: None}, id="row 29"),
        pytest.param(model(256), gpus(4, 48), {TENSOR: "4", PIPELINE: "2", EXECUTOR: "ray", OFFLOAD: "0"}, id="row 30"),
        pytest.param(model(0), gpus(2, 80), {TENSOR: "2", DATA: None}, id="row 32"),
        pytest.param(model(8), mig_slice("2g.24gb"), {OFFLOAD: "0", TENSOR: "1"}, id="row 33"),
        pytest.param(
            model(64, architectures=("NemotronHForCausalLM",)), gpus(2, 80), {OFFLOAD: "0", TENSOR: "2"}, id="row 34"
        ),
        pytest.param(model(64, architectures=("LlamaForCausalLM",)), gpus(2, 80), {OFFLOAD: None}, id="row 35"),
        pytest.param(model(8), gpus(1, 24, "NVIDIA A10"), {"gpu-memory-utilization": "0.82"}, id="row 36"),
        pytest.param(model(8), gpus(1, 80, "NVIDIA A100"), {"gpu-memory-utilization": "0.84"}, id="row 37"),
    ],
)
def test_the_commands_of_the_release(profile: ModelProfile, machine: Machine, expected: dict[str, str | None]) -> None:
    """Row 31, 8 GiB on two nodes, has no like here: the planner takes one node, where copies fit."""
    found = flags(profile, machine)
    assert {name: found.get(name) for name in expected} == expected


def test_stages_on_one_node_need_no_ray() -> None:
    """71 heads divide among no GPUs: the four GPUs of one node are four stages."""
    found = flags(model(230, heads=71, kv_heads=1), gpus(4, 80))
    assert (found[PIPELINE], found[TENSOR], found.get(EXECUTOR)) == ("4", "1", None)


def test_the_authors_sizes_reach_the_engine_as_planned() -> None:
    wishes = Wishes(tensor_parallel=2, pipeline_parallel=2, utilization=0.9, context=4096)
    found = flags(model(64), gpus(8, 80), wishes)
    sizes = (found[TENSOR], found[PIPELINE], found[DATA])
    assert sizes == ("2", "2", "2")
    assert (found["gpu-memory-utilization"], found["max-model-len"]) == ("0.9", "4096")


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("gib", [1, 30, 100, 300])
def test_every_flag_is_the_plans_number(count: int, gib: int) -> None:
    profile, machine = model(gib), gpus(count, 80)
    made = plan(profile, machine)
    assert isinstance(made, Plan)
    found = flags(profile, machine)
    assert found[TENSOR] == str(made.tensor_parallel)
    assert found.get(PIPELINE, "1") == str(made.pipeline_parallel)
    assert found.get(DATA, "1") == str(made.data_parallel)
    assert found["gpu-memory-utilization"] == f"{made.utilization:g}"
    assert dataclasses.asdict(made.memory)["total"] == machine.gpu_memory
