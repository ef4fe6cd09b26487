"""Every number that KAITO v0.12 gives for planning: ours is equal, or differs on purpose, with the reason."""

import math
from typing import NamedTuple

import pytest

from kaito.capacity.gpu_plan import OVERHEAD, plan_gpus
from kaito.capacity.machines import GIB, Machine, MachineError, by_instance_type, mig_slice, share
from kaito.capacity.plan import Plan, Refusal, Wishes
from kaito.capacity.start import disk_bytes
from kaito.models.catalogue import lookup
from tests.unit.capacity import v012
from tests.unit.capacity.test_gpu_plan import model
from tests.unit.capacity.v012 import BY_NAME, CELLS, FACTS, MACHINES

MOST = 64
DIFFERENCES = {
    (name, machine): (theirs, ours, reason) for name, machine, theirs, ours, reason in v012.rows("v012_differences.txt")
}
BY_MACHINE = {machine.name: machine for machine in MACHINES}


def cell(made: Plan | Refusal) -> str:
    """A plan as the tables write it."""
    if isinstance(made, Refusal):
        return "none"
    tensor, copies = made.tensor_parallel, made.data_parallel
    copied = f"d{copies}" if copies > 1 else ""
    return f"{made.nodes}n{copied if copied and tensor == 1 else f't{tensor}{copied}'}"


@pytest.mark.parametrize("name", list(FACTS))
def test_the_catalogue_is_planned_as_by_the_release_but_for_the_named_differences(name: str) -> None:
    for machine in MACHINES:
        made = plan_gpus(BY_NAME[name], machine, Wishes(), max_nodes=MOST)
        theirs = CELLS[name, machine.name]
        expected = DIFFERENCES.get((name, machine.name), (theirs, theirs, ""))
        assert (theirs, cell(made)) == expected[:2], machine.name
        assert isinstance(made, Refusal) or made.pipeline_parallel == made.nodes


def test_the_table_is_whole_and_is_what_the_releases_formula_gives() -> None:
    assert set(FACTS) == set(BY_NAME)
    assert len(CELLS) == 60 * len(MACHINES)
    assert {key: v012.cell(FACTS[key[0]], BY_MACHINE[key[1]]) for key in CELLS} == CELLS


@pytest.mark.parametrize(("name", "machine"), DIFFERENCES, ids=lambda value: value)
def test_each_difference_has_the_reason_that_it_names(name: str, machine: str) -> None:
    """By sums of its own: bytes on the fullest GPU of v0.12's spread, and of one with a node less than its."""
    theirs, ours, reason = DIFFERENCES[name, machine]
    profile, kind, facts = BY_NAME[name], BY_MACHINE[machine], FACTS[name]
    nodes, budget = int(theirs.partition("n")[0]), kind.gpu_memory * 0.84

    def fullest(nodes: int) -> float:
        part = math.ceil(profile.layers / nodes) / profile.layers
        return part * (facts.weights * 1.02 * 1.05 + 2048 * facts.token) / kind.gpus + OVERHEAD

    match reason:
        case "key-value-heads":
            assert profile.kv_heads % kind.gpus
            assert kind.gpus % profile.kv_heads
        case "whole-layers":
            assert fullest(nodes) > budget
        case "stages-share-cache":
            assert fullest(nodes - 1) <= budget
        case _:
            raise AssertionError(reason)
    assert ours != theirs


class Long(NamedTuple):
    """A context that the ConfigMap asks for: v0.12's number of nodes, None for its error, and ours."""

    model: str
    machine: str
    context: int
    theirs: int | None
    ours: int


A10, A100, A100x2, A100x4 = (
    f"Standard_{name}" for name in ("NV36ads_A10_v5", "NC24ads_A100_v4", "NC48ads_A100_v4", "NC96ads_A100_v4")
)
H100x8, H200x8 = "Standard_ND96isr_H100_v5", "Standard_ND96isr_H200_v5"
CONTEXTS = [
    Long("phi-4-mini-instruct", A10, 2048, 1, 1),
    Long("phi-4-mini-instruct", A10, 65536, 1, 1),
    Long("phi-4-mini-instruct", A10, 131072, 5, 2),
    Long("llama-3.1-8b-instruct", A10, 2048, 1, 1),
    Long("llama-3.1-8b-instruct", A10, 8192, 1, 1),
    Long("llama-3.1-8b-instruct", A10, 32768, 2, 2),
    Long("llama-3.1-8b-instruct", A10, 131072, 9, 2),
    Long("llama-3.1-8b-instruct", A100, 131072, 1, 1),
    Long("llama-3.3-70b-instruct", A100x2, 2048, 2, 2),
    Long("llama-3.3-70b-instruct", A100x2, 32768, 2, 2),
    Long("llama-3.3-70b-instruct", A100x2, 131072, 2, 2),
    Long("llama-3.3-70b-instruct", A100x4, 131072, 1, 1),
    Long("deepseek-r1-0528", H200x8, 2048, 1, 1),
    Long("deepseek-r1-0528", H200x8, 131072, 1, 1),
    Long("deepseek-r1-0528", H200x8, 163840, 1, 1),
    Long("deepseek-r1-0528", H100x8, 2048, 2, 2),
    Long("deepseek-r1-0528", H100x8, 163840, 2, 2),
    Long("gemma-3-27b-it", A100, 2048, 1, 1),
    Long("gemma-3-27b-it", A100, 16384, 1, 1),
    Long("gemma-3-27b-it", A100, 131072, 19, 2),
    Long("phi-3-mini-128k-instruct", A10, 2048, 1, 1),
    Long("phi-3-mini-128k-instruct", A10, 32768, 2, 2),
    Long("phi-3-mini-128k-instruct", A10, 131072, None, 4),
    Long("qwen3.6-27b", A100, 2048, 1, 1),
    Long("qwen3.6-27b", A100, 32768, 1, 1),
    Long("qwen3.6-27b", A100, 262144, 62, 2),
]


@pytest.mark.parametrize("row", CONTEXTS, ids=lambda row: f"{row.model}-{row.machine}-{row.context}")
def test_a_context_of_the_config_map_is_planned_and_stages_share_its_cache(row: Long) -> None:
    """ODDITY: in the release the cache of a GPU never shrinks with the nodes: long contexts explode, or never fit."""
    machine = by_instance_type(row.machine)
    assert v012.nodes(FACTS[row.model], machine, row.context) == row.theirs
    made = plan_gpus(BY_NAME[row.model], machine, Wishes(context=row.context), max_nodes=MOST)
    assert isinstance(made, Plan), str(made)
    assert (made.nodes, made.max_model_len) == (row.ours, row.context)
    assert made.memory.kv_cache * made.pipeline_parallel >= row.context * FACTS[row.model].token / machine.gpus


NC96 = by_instance_type(A100x4)


@pytest.mark.parametrize(
    ("gib", "token", "machine", "wishes", "nodes"),
    [
        pytest.param(8, 0, NC96, Wishes(), 1, id="row 6"),
        pytest.param(8, 0, by_instance_type(A10), Wishes(), 1, id="rows 7 and 8"),
        pytest.param(8, 0, Machine("node", 4, 80 * GIB), Wishes(), 1, id="row 11"),
        pytest.param(13.44, 8192, by_instance_type(A10), Wishes(), 1, id="rows 13 and 14"),
        pytest.param(13.44, 8192, by_instance_type(A100), Wishes(), 1, id="row 15"),
        pytest.param(62.5, 163840, by_instance_type(A100), Wishes(), 2, id="row 16"),
        pytest.param(8, 0, mig_slice("2g.24gb"), Wishes(), 1, id="row 17"),
        pytest.param(8, 0, mig_slice("3g.47gb"), Wishes(), 1, id="row 18"),
        pytest.param(8, 0, mig_slice("1g.24gb"), Wishes(context=131072), 1, id="row 21"),
        pytest.param(256, 0, Machine("node", 4, 48 * GIB), Wishes(), 2, id="row 30: TP 4, PP 2"),
    ],
)
def test_the_planners_rows(gib: float, token: int, machine: Machine, wishes: Wishes, nodes: int) -> None:
    made = plan_gpus(model(gib, token), machine, wishes)
    assert isinstance(made, Plan), str(made)
    assert (made.nodes, made.pipeline_parallel) == (nodes, nodes)
    assert made.tensor_parallel * made.data_parallel == machine.gpus


def test_row_5_an_unknown_machine_type_is_named() -> None:
    with pytest.raises(MachineError, match="instance type 'Invalid_Instance_Type' is not a GPU machine type"):
        by_instance_type("Invalid_Instance_Type")


def test_row_19_a_slice_that_is_too_small_says_both_numbers() -> None:
    made = plan_gpus(model(8), mig_slice("1g.10gb"), Wishes())
    assert "10.87 GiB needed, 8.40 GiB usable" in str(made)


def test_row_20_what_is_no_slice_is_named() -> None:
    with pytest.raises(MachineError, match="MIG profile 'bogus' cannot be read"):
        mig_slice("bogus")


@pytest.mark.parametrize(
    ("gib", "machine", "copies"),
    [
        pytest.param(8, Machine("node", 4, 40 * GIB), 4, id="row 22"),
        pytest.param(20, Machine("node", 4, 40 * GIB), 1, id="row 23: exactly half"),
        pytest.param(30, Machine("node", 4, 40 * GIB), 1, id="row 24"),
        pytest.param(8, Machine("node", 1, 80 * GIB), 1, id="row 26"),
        pytest.param(0, Machine("node", 4, 40 * GIB), 1, id="row 27: size not known"),
        pytest.param(8, Machine("node", 4, 80 * GIB), 4, id="row 28"),
        pytest.param(64, Machine("node", 4, 80 * GIB), 1, id="row 29"),
        pytest.param(0, Machine("node", 2, 80 * GIB), 1, id="row 32"),
    ],
)
def test_small_models_are_copied(gib: float, machine: Machine, copies: int) -> None:
    """Row 25, without a GPU's numbers, has no like here: a plan is made for a machine."""
    made = plan_gpus(model(gib), machine, Wishes())
    assert isinstance(made, Plan)
    assert (made.nodes, made.data_parallel, made.tensor_parallel) == (1, copies, machine.gpus // copies)


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("phi-4-mini-instruct", 87),
        ("phi-4", 107),
        ("ministral-3-8b-instruct", 89),
        ("mistral-large-3-675b-instruct", 714),
        ("deepseek-v3-0324", 721),
        ("Qwen/Qwen3-8B-AWQ", 85),
        ("gemma-3-4b-instruct", 88),
        ("mistral-7b", 93),
    ],
)
def test_rows_43_to_55_the_disk_of_a_node(name: str, gib: int) -> None:
    assert disk_bytes(lookup(name).profile().weight_bytes) == gib * GIB


@pytest.mark.parametrize(
    ("name", "machine", "nodes"),
    [
        pytest.param("llama-3.1-8b-instruct", A10, 1, id="row 65"),
        pytest.param("gemma-3-27b-instruct", A100, 1, id="row 66"),
        *(pytest.param(name, A100, 1, id=f"row 67: {name}") for name in
          ("gpt-oss-20b", "google/gemma-4-26B-A4B-it", "phi-4-mini-instruct")),
        *(pytest.param(name, A10, 1, id=f"row 68: {name}") for name in
          ("ministral-3-3b-instruct", "Qwen/Qwen3-8B-AWQ", "Qwen/Qwen3.5-2B", "google/gemma-4-E2B-it",
           "gemma-3-4b-instruct")),
        pytest.param("llama-3.3-70b-instruct", A100x2, 2, id="row 69"),
    ],
)  # fmt: skip
def test_what_the_release_runs_end_to_end(name: str, machine: str, nodes: int) -> None:
    """Row 70 (qwen3-coder-30b) is a model of the hub: 56.87 GiB and 98304 bytes a token, below."""
    made = plan_gpus(lookup(name).profile(), by_instance_type(machine), Wishes())
    assert isinstance(made, Plan)
    assert made.nodes == nodes


def test_row_70_a_model_of_the_hub_on_two_nodes() -> None:
    made = plan_gpus(model(56.87, 98304, layers=48), by_instance_type("Standard_NV72ads_A10_v5"), Wishes())
    assert isinstance(made, Plan)
    assert (made.nodes, made.tensor_parallel) == (2, 2)


@pytest.mark.parametrize(
    ("profile", "gib"),
    [(f"{slices}g.{gib}gb", gib) for slices, gib in (
        (1, 5), (1, 10), (2, 20), (3, 40), (4, 40), (7, 80), (1, 6), (2, 12), (1, 12), (7, 94), (1, 18), (2, 35),
        (3, 71), (7, 141), (1, 23), (2, 45), (3, 90), (7, 180),
    )],
)  # fmt: skip
def test_slices_are_read_as_written(profile: str, gib: int) -> None:
    assert mig_slice(profile).gpu_memory == gib * GIB


@pytest.mark.parametrize(
    "profile",
    ["1g.10gb+me", "", "invalid", "1g", "10gb", "0g.10gb", "1g.0gb", "1g.10tb", " 1g.10gb ", "1G.10GB"],
)
def test_what_is_no_slice_cannot_be_read(profile: str) -> None:
    with pytest.raises(MachineError, match="cannot be read"):
        mig_slice(profile)


@pytest.mark.parametrize("profile", ["1g.16.5gb", "5g.50gb"])
def test_slices_of_no_gpu_are_refused(profile: str) -> None:
    """They can be read, and no GPU has them."""
    with pytest.raises(MachineError, match="is of no GPU that KAITO knows"):
        mig_slice(profile)


def test_a_part_of_a_nodes_gpus_scales_its_memory() -> None:
    """Section 3.2: of 8 GPUs of 80 GiB, 2 are 160 GiB; 9 are an error."""
    node = Machine("node", 8, 80 * GIB)
    assert share(node, 2).gpus * share(node, 2).gpu_memory == 160 * GIB
    assert share(node, 8).gpus == 8
    with pytest.raises(MachineError, match="9 GPUs are asked for and node node has 8"):
        share(node, 9)
