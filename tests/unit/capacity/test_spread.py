"""How heads, layers and the author's own sizes decide where a model's parts go."""

import pytest

from kaito.capacity.gpu_plan import plan_gpus
from kaito.capacity.machines import GIB, Machine, mig_slice
from kaito.capacity.plan import Plan, Refusal, Wishes
from kaito.capacity.spread import divides, tensor_parallel
from kaito.models.profile import Attention
from tests.unit.capacity.test_gpu_plan import model

EIGHT = Machine("n", 8, 80 * GIB)


def sizes(made: Plan | Refusal) -> tuple[int, int, int, int]:
    assert isinstance(made, Plan), str(made)
    return made.nodes, made.tensor_parallel, made.pipeline_parallel, made.data_parallel


@pytest.mark.parametrize(
    ("heads", "kv_heads", "attention", "width", "may"),
    [
        pytest.param(32, 8, Attention.GQA, 8, True, id="one key-value head each"),
        pytest.param(32, 8, Attention.GQA, 16, True, id="each key-value head on two GPUs"),
        pytest.param(40, 10, Attention.GQA, 8, False, id="10 key-value heads among 8 GPUs"),
        pytest.param(40, 10, Attention.GQA, 4, False, id="10 among 4"),
        pytest.param(40, 10, Attention.GQA, 2, True, id="10 among 2"),
        pytest.param(71, 1, Attention.MQA, 2, False, id="71 heads"),
        pytest.param(32, 1, Attention.MQA, 8, True, id="one key-value head on all"),
        pytest.param(128, 128, Attention.MLA, 8, True, id="latent attention: whole on each"),
        pytest.param(48, 5, Attention.MLA, 8, True, id="latent attention has no key-value heads to divide"),
        pytest.param(0, 0, Attention.UNKNOWN, 8, True, id="not known"),
    ],
)
def test_a_layer_divides_by_its_heads(heads: int, kv_heads: int, attention: Attention, width: int, may: bool) -> None:
    assert divides(model(1, heads=heads, kv_heads=kv_heads, attention=attention), width) is may


@pytest.mark.parametrize(
    ("profile", "machine", "expected"),
    [
        pytest.param(model(8), EIGHT, (1, 1, 1, 8), id="small: a copy on each GPU"),
        pytest.param(model(100), EIGHT, (1, 8, 1, 1), id="as wide as the node"),
        pytest.param(model(60, heads=12, kv_heads=4), EIGHT, (1, 4, 1, 2), id="12 heads: four wide, two copies"),
        pytest.param(model(300, heads=12, kv_heads=4), EIGHT, (1, 4, 2, 1), id="too large for copies: two stages"),
        pytest.param(model(120, heads=71, kv_heads=1), Machine("n", 4, 80 * GIB), (1, 1, 2, 2), id="71 heads: stages"),
        pytest.param(model(230, heads=71, kv_heads=1), Machine("n", 4, 80 * GIB), (1, 1, 4, 1), id="71 heads: four"),
        pytest.param(model(700, heads=12, kv_heads=4), EIGHT, (2, 4, 4, 1), id="two nodes, two stages on each"),
        pytest.param(model(900), EIGHT, (2, 8, 2, 1), id="two nodes, one stage on each"),
    ],
)
def test_what_the_planner_chooses(profile: object, machine: Machine, expected: tuple[int, int, int, int]) -> None:
    assert sizes(plan_gpus(profile, machine, Wishes())) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gib", "wishes", "expected"),
    [
        pytest.param(8, Wishes(tensor_parallel=2), (1, 2, 1, 4), id="copies on the GPUs that are left"),
        pytest.param(8, Wishes(tensor_parallel=2, data_parallel=1), (1, 2, 1, 1), id="one copy, as asked"),
        pytest.param(8, Wishes(data_parallel=2), (1, 4, 1, 2), id="two copies, each as wide as may be"),
        pytest.param(8, Wishes(data_parallel=1), (1, 8, 1, 1), id="no copies"),
        pytest.param(8, Wishes(pipeline_parallel=2), (1, 4, 2, 1), id="two stages on one node"),
        pytest.param(8, Wishes(pipeline_parallel=2, tensor_parallel=1), (1, 1, 2, 4), id="copies of two stages"),
        pytest.param(900, Wishes(pipeline_parallel=4), (2, 4, 4, 1), id="four stages on two nodes"),
        pytest.param(100, Wishes(tensor_parallel=1), (1, 1, 2, 4), id="narrow: stages on the other GPUs"),
    ],
)
def test_what_the_author_fixed_wins(gib: int, wishes: Wishes, expected: tuple[int, int, int, int]) -> None:
    assert sizes(plan_gpus(model(gib), EIGHT, wishes)) == expected


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        (Wishes(tensor_parallel=16), "tensor-parallel-size: 16 GPUs needed, 8 GPUs there"),
        (Wishes(tensor_parallel=3), "tensor-parallel-size: 3 needed, 32 attention heads; the heads must divide evenly"),
        (Wishes(pipeline_parallel=33), "pipeline-parallel-size: 33 needed, 32 layers; a stage has at least one layer"),
        (Wishes(data_parallel=9), "data-parallel-size: 9 GPUs needed, 8 GPUs there"),
        (
            Wishes(tensor_parallel=4, data_parallel=4),
            "tensor-parallel-size x pipeline-parallel-size x data-parallel-size: 16 GPUs needed, 8 GPUs there",
        ),
        (Wishes(tensor_parallel=8, pipeline_parallel=17), "136 GPUs needed, 128 GPUs there"),
        (Wishes(utilization=1.5), "gpu-memory-utilization: 1.5 needed, 1 is all of a GPU; set gpu-memory-utilization"),
        (Wishes(context=200_000), "context: 200,000 tokens needed, 131,072 tokens the model reads"),
        (Wishes(tensor_parallel=1, pipeline_parallel=1, data_parallel=1), "memory on each GPU: "),
    ],
)
def test_what_the_author_fixed_is_checked(wishes: Wishes, says: str) -> None:
    made = plan_gpus(model(100), EIGHT, wishes)
    assert isinstance(made, Refusal)
    assert says in str(made)


def test_key_value_heads_that_do_not_divide_are_named() -> None:
    made = plan_gpus(model(100, heads=40, kv_heads=10), EIGHT, Wishes(tensor_parallel=8))
    assert "tensor-parallel-size: 8 needed, 10 key-value heads; the heads must divide evenly: set tensor" in str(made)


def test_a_slice_takes_no_part_in_anything() -> None:
    assert sizes(plan_gpus(model(8), mig_slice("2g.24gb"), Wishes())) == (1, 1, 1, 1)
    assert "8 GPUs needed, 1 GPUs there" in str(plan_gpus(model(8), mig_slice("2g.24gb"), Wishes(tensor_parallel=8)))


@pytest.mark.parametrize(("gpus", "width"), [(1, 1), (2, 2), (6, 2), (8, 8), (16, 16)])
def test_the_widest_division_of_a_node(gpus: int, width: int) -> None:
    assert tensor_parallel(model(1), gpus) == width
