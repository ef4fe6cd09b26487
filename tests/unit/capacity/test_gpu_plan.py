"""Plans for GPUs: sums done by hand, and each of the original's mistakes. test_v012 has the release's own numbers."""

import dataclasses
import math

import pytest

from kaito.capacity.gpu_plan import plan_gpus, utilization
from kaito.capacity.machines import GIB, Machine, by_instance_type, mig_slice
from kaito.capacity.plan import Plan, Refusal, Wishes
from kaito.capacity.spread import tensor_parallel
from kaito.capacity.start import startup_seconds
from kaito.models.catalogue import entries, lookup
from kaito.models.profile import Attention, ModelProfile
from tests.unit.layouts import flat_layout, overhead

PLAIN = Wishes()
BY_NAME = {entry.served_name: entry.profile() for entry in entries() if entry.folder is None}
A10 = by_instance_type("Standard_NV36ads_A10_v5")
A100 = by_instance_type("Standard_NC24ads_A100_v4")


def model(gib: float, kv: int = 0, kv_heads: int = 8, **more: object) -> ModelProfile:
    """32 layers that keep ``kv`` bytes of each token together."""
    plain = ModelProfile(
        name="m",
        architectures=(),
        weight_bytes=int(gib * GIB),
        cache=flat_layout(kv, layers=32, kv_heads=kv_heads),
        attention=Attention.GQA,
        context_length=131072,
        layers=32,
        dtype=None,
        quantization=None,
        quantization_bits=None,
        has_tokenizer=True,
        has_chat_template=True,
        heads=32,
        kv_heads=kv_heads,
    )
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


def fits(profile: ModelProfile, machine: Machine, wishes: Wishes = PLAIN, max_nodes: int = 64) -> Plan:
    made = plan_gpus(profile, machine, wishes, max_nodes=max_nodes)
    assert isinstance(made, Plan), str(made)
    return made


def refused(profile: ModelProfile, machine: Machine, wishes: Wishes = PLAIN, max_nodes: int = 16) -> Refusal:
    made = plan_gpus(profile, machine, wishes, max_nodes=max_nodes)
    assert isinstance(made, Refusal)
    return made


def test_one_plan_by_hand() -> None:
    """Phi-4-mini on one A100: 7.15 x 1.02 = 7.293; 80 x 0.84 = 67.2; room 67.2 - 7.293 x 1.05 - 2.3 = 57.24235 GiB."""
    made = fits(lookup("phi-4-mini-instruct").profile(), A100)
    assert (made.nodes, made.tensor_parallel, made.data_parallel) == (1, 1, 1)
    assert made.memory.weights / GIB == pytest.approx(7.293, abs=1e-6)
    assert overhead(made.memory) / GIB == pytest.approx(2.3 + 0.05 * 7.293, abs=1e-6)
    assert made.memory.kv_cache / GIB == pytest.approx(57.24235, abs=1e-5)
    tokens = next(step for step in made.steps if step.name == "tokens in the cache")
    assert tokens.value == pytest.approx(57.24235 * 8192, abs=16)  # 131072 bytes a token: 8192 tokens in a GiB
    assert made.max_model_len == 131072
    assert (made.utilization, made.dtype, made.startup_seconds) == (0.84, "bfloat16", 1800)


def test_every_number_that_a_plan_used_is_a_step() -> None:
    steps = {step.name: step.shown() for step in fits(lookup("phi-4-mini-instruct").profile(), A100).steps}
    assert steps == {
        "weights on disk": "7.15 GiB",
        "weights in memory": "7.29 GiB",
        "memory of one GPU": "80.00 GiB",
        "usable share": "0.84",
        "usable memory of one GPU": "67.20 GiB",
        "overhead of one GPU": "2.30 GiB",
        "context": "2,048 tokens",
        "cache of one token": "0.12 MiB",
        "nodes": "1",
        "GPUs for one copy": "1",
        "copies": "1",
        "weights of one GPU": "7.29 GiB",
        "needed on one GPU": "10.21 GiB",
        "cache of one GPU": "57.24 GiB",
        "cache of one context": "0.25 GiB",
        "tokens in the cache": "468,928 tokens",
        "bandwidth of one GPU": "1,935 GB/s",
        "arithmetic of one GPU": "312 TFLOP/s",
        "tokens read in a second": "20,320",
        "tokens written in a second": "4,484",
        "written for one request": "170",
    }


@pytest.mark.parametrize(
    ("weights", "gpus", "gib", "copies", "width"),
    [
        pytest.param(8, 4, 40, 4, 1, id="a copy on each GPU"),
        pytest.param(20, 4, 40, 1, 4, id="exactly half of a GPU is too much for copies"),
        pytest.param(30, 4, 40, 1, 4, id="more than half"),
        pytest.param(8, 1, 80, 1, 1, id="one GPU"),
        pytest.param(8, 4, 80, 4, 1, id="small on four"),
        pytest.param(64, 4, 80, 1, 4, id="large on four"),
    ],
)
def test_small_models_are_copied_and_large_ones_divided(
    weights: int, gpus: int, gib: int, copies: int, width: int
) -> None:
    made = fits(model(weights), Machine("n", gpus, gib * GIB))
    assert (made.data_parallel, made.tensor_parallel, made.nodes) == (copies, width, 1)


def test_oddity_copies_that_could_not_hold_one_context_are_not_made() -> None:
    """ODDITY: the original looks at the weights alone. 120,000 x 0.5 MiB = 58.6 GiB do not fit beside 8 GiB on 40."""
    profile = model(8, kv=1 << 19)
    assert fits(profile, Machine("n", 4, 40 * GIB)).data_parallel == 4
    made = fits(profile, Machine("n", 4, 40 * GIB), Wishes(context=120_000))
    assert (made.data_parallel, made.tensor_parallel) == (1, 4)


@pytest.mark.parametrize(
    ("name", "machine", "context", "nodes"),
    [
        ("phi-4-mini-instruct", A10, 131072, 2),  # the original: 5
        ("llama-3.1-8b-instruct", A10, 131072, 2),  # 9
        ("gemma-3-27b-it", A100, 131072, 2),  # 19
        ("qwen3.6-27b", A100, 262144, 2),  # 62
        ("llama-3.1-8b-instruct", A10, 32768, 2),
        ("deepseek-r1-0528", by_instance_type("Standard_ND96isr_H100_v5"), 163840, 2),
    ],
)
def test_oddity_a_long_context_is_divided_among_nodes(name: str, machine: Machine, context: int, nodes: int) -> None:
    """ODDITY: in the original the cache of a GPU never shrinks with the nodes, so that long contexts explode."""
    made = fits(BY_NAME[name], machine, Wishes(context=context))
    assert made.nodes == nodes
    assert made.max_model_len == context


def test_oddity_an_exact_fit_takes_no_gpu_more() -> None:
    """ODDITY: the original counts one GPU more when the division comes out even."""
    weights = 10 * GIB
    needed = math.ceil(math.ceil(weights * 1.02) * 1.05) + int(2.3 * GIB)
    profile = model(10)
    assert fits(profile, Machine("n", 1, needed), Wishes(utilization=1.0)).nodes == 1
    assert fits(profile, Machine("n", 1, needed - 1), Wishes(utilization=1.0)).nodes == 2


def test_oddity_latent_attention_is_copied_to_each_gpu() -> None:
    """ODDITY: the original divides DeepSeek's cache among the GPUs of a node, which each hold all of it."""
    deepseek = BY_NAME["deepseek-r1-0528"]
    made = fits(deepseek, by_instance_type("Standard_ND96isr_H200_v5"))
    # 8 x 141 GiB: room 118.44 - 641.30 x 1.02 / 8 x 1.05 - 2.3 = 30.28596 GiB, at 70272 bytes a token.
    assert made.memory.kv_cache / GIB == pytest.approx(30.28596, abs=1e-4)
    tokens = next(step.value for step in made.steps if step.name == "tokens in the cache")
    assert tokens == pytest.approx(30.28596 * GIB / 70272, abs=16), "in blocks of 16 tokens"


def test_oddity_key_value_heads_are_divided_no_further_than_there_are() -> None:
    """ODDITY: the original divides the cache by eight GPUs where two heads can only be divided by two."""
    machine = Machine("n", 8, 80 * GIB)
    two, eight = (fits(model(100, kv=1 << 17, kv_heads=heads), machine) for heads in (2, 8))
    tokens = [next(s.value for s in made.steps if s.name == "tokens in the cache") for made in (two, eight)]
    assert tokens[1] == pytest.approx(4 * tokens[0], rel=1e-4)


@pytest.mark.parametrize(
    ("heads", "gpus", "width"), [(32, 8, 8), (40, 16, 8), (24, 16, 8), (71, 4, 1), (12, 8, 4), (0, 8, 8), (40, 1, 1)]
)
def test_oddity_heads_divide_evenly_among_gpus(heads: int, gpus: int, width: int) -> None:
    """ODDITY: the original asks the engine for divisions that it refuses."""
    assert tensor_parallel(model(1, heads=heads), gpus) == width


def test_gpus_that_heads_leave_over_hold_a_copy() -> None:
    made = fits(model(100, heads=40), Machine("n", 16, 80 * GIB))
    assert (made.tensor_parallel, made.data_parallel) == (8, 2)


@pytest.mark.parametrize(
    ("gpu", "gib", "share"),
    [
        ("NVIDIA A10", 24, 0.82),
        ("NVIDIA-A10", 22, 0.82),
        ("NVIDIA A10G", 24, 0.82),
        ("A10G", 22, 0.82),
        ("NVIDIA A100", 80, 0.84),
        ("NVIDIA-A100-SXM4-80GB", 80, 0.84),
        ("NVIDIA L4", 24, 0.84),
        (None, 24, 0.84),
    ],
)
def test_oddity_one_usable_share_for_every_spelling_of_a_gpu(gpu: str | None, gib: int, share: float) -> None:
    """ODDITY: the original knows one spelling of the A10."""
    assert utilization(Machine("n", 1, gib * GIB, gpu)) == share


def test_oddity_a_borderline_a10_is_planned_with_the_share_that_it_starts_with() -> None:
    """ODDITY: the original plans an A10 with 0.84 and starts the engine with 0.82.

    Granite: 16.38 x 1.02 x 1.05 + 2.3 + 0.3125 = 20.15 GiB; 24 x 0.84 = 20.16 and 24 x 0.82 = 19.68.
    """
    granite = BY_NAME["granite-4.1-8b"]
    assert fits(granite, Machine("n", 1, 24 * GIB)).nodes == 1
    made = fits(granite, A10)
    assert (made.nodes, made.utilization) == (2, 0.82)


def test_oddity_what_the_author_fixed_counts() -> None:
    """ODDITY: the original's planner ignores the author's own share, parallelism and cache type."""
    granite = BY_NAME["granite-4.1-8b"]
    assert fits(granite, A10, Wishes(utilization=0.9)).nodes == 1
    assert fits(model(8), Machine("n", 4, 80 * GIB), Wishes(tensor_parallel=2)).tensor_parallel == 2
    profile, machine = model(8, kv=1 << 20), Machine("n", 1, 80 * GIB)
    plain, eight_bit = fits(profile, machine), fits(profile, machine, Wishes(kv_cache_dtype="fp8"))
    assert plain.max_model_len is not None
    assert eight_bit.max_model_len == pytest.approx(2 * plain.max_model_len, abs=16)


@pytest.mark.parametrize(
    ("capability", "quantization", "dtype"),
    [(8.0, None, "bfloat16"), (None, None, "bfloat16"), (7.5, None, "float16"), (7.5, "awq", "auto")],
)
def test_oddity_older_gpus_compute_in_float16(capability: float | None, quantization: str | None, dtype: str) -> None:
    """ODDITY: the original gives bfloat16 to GPUs that have none."""
    machine = Machine("n", 1, 16 * GIB, "T4", capability)
    assert fits(model(3, quantization=quantization), machine).dtype == dtype


@pytest.mark.parametrize(("profile", "nodes"), [("2g.24gb", 1), ("3g.47gb", 1), ("1g.24gb", 1)])
def test_a_slice_that_is_large_enough(profile: str, nodes: int) -> None:
    assert fits(model(8), mig_slice(profile)).nodes == nodes


def test_a_slice_is_never_joined_with_another() -> None:
    made = refused(model(8), mig_slice("1g.10gb"))
    assert str(made) == (
        "m does not run on MIG 1g.10gb: memory on the GPU: 10.87 GiB needed, 8.40 GiB usable; choose GPUs with more "
        "memory, or a smaller or quantised model"
    )


def test_a_model_beyond_the_most_nodes_is_refused_with_the_numbers() -> None:
    """16 stages of 61 layers: the largest has 4. 641.30 x 1.02 x 1.05 x 4 / 61 + 2.3 + 0.009 = 47.35 GiB."""
    made = refused(BY_NAME["deepseek-r1-0528"], A10)
    assert (made.what, made.needed.shown(), made.have.shown()) == (
        "memory on each GPU of 16 nodes",
        "47.35 GiB",
        "19.68 GiB",
    )
    assert "choose GPUs with more memory" in made.remedy
    assert {step.name for step in made.steps} >= {"weights on disk", "usable memory of one GPU", "most nodes"}


def test_a_cache_that_never_fits_says_to_ask_for_less() -> None:
    made = refused(model(1, kv=1 << 24, layers=2), Machine("n", 1, 24 * GIB), Wishes(context=131072))
    assert made.what == "overhead and cache on each GPU of 2 nodes"
    assert made.needed.value / GIB == pytest.approx(1.02 * 1.05 / 2 + 2.3 + 1024.125, abs=0.01)
    assert "ask for a shorter context" in made.remedy


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        (
            Wishes(context=200_000),
            "context: 200,000 tokens needed, 131,072 tokens the model reads; set max-model-len to",
        ),
        (Wishes(tensor_parallel=8), "tensor-parallel-size: 8 GPUs needed, 4 GPUs there; set tensor-parallel-size to"),
        (Wishes(tensor_parallel=3), "tensor-parallel-size: 3 needed, 32 attention heads; the heads must divide evenly"),
    ],
)
def test_a_wish_that_cannot_be_met_is_named(wishes: Wishes, says: str) -> None:
    assert says in str(refused(model(1), Machine("n", 4, 80 * GIB), wishes))


@pytest.mark.parametrize(
    ("gib", "minutes"), [(641.30, 180), (554.32, 180), (150, 60), (100, 45), (60, 33), (7.15, 30), (0, 30)]
)
def test_the_time_to_start_grows_with_the_weights(gib: float, minutes: int) -> None:
    assert startup_seconds(int(gib * GIB)) == minutes * 60


def test_oddity_the_longest_start_can_be_raised() -> None:
    """ODDITY: the original's cap is reached at 550 GiB, and larger models may not download in time."""
    assert startup_seconds(641 * GIB, cap=6 * 3600) == 15 * 60 + 641 * 18
