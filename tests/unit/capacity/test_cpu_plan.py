"""Plans for machines without GPUs, by hand: 2 GiB of engine, weights x 1.02 x 1.05, a cache in whole GiB."""

import dataclasses

import pytest

from kaito.capacity.machines import GIB, Machine
from kaito.capacity.planner import Plan, Refusal, Wishes, plan
from kaito.models.cache import CacheLayout
from kaito.models.catalogue import lookup
from kaito.models.profile import Attention, ModelProfile
from tests.unit.layouts import flat_layout, overhead

DEMO = ModelProfile(
    name="kaito-demo",
    architectures=("LlamaForCausalLM",),
    weight_bytes=6_951_424,
    cache=flat_layout(2048, layers=4, kv_heads=2),
    attention=Attention.GQA,
    context_length=2048,
    layers=4,
    dtype="bfloat16",
    quantization=None,
    quantization_bits=None,
    has_tokenizer=True,
    has_chat_template=True,
    heads=4,
    kv_heads=2,
)
LLAMA = lookup("llama-3.1-8b-instruct").profile()  # 14.96 GiB, 131072 bytes a token


def host(gib: float, free: float | None = None, cores: float = 2.0) -> Machine:
    available = None if free is None else int(free * GIB)
    return Machine("this host", 0, 0, cpu_cores=cores, memory=int(gib * GIB), available=available)


def fits(profile: ModelProfile, machine: Machine, wishes: Wishes | None = None) -> Plan:
    made = plan(profile, machine, wishes)
    assert isinstance(made, Plan), str(made)
    return made


def refused(profile: ModelProfile, machine: Machine, wishes: Wishes | None = None) -> Refusal:
    made = plan(profile, machine, wishes)
    assert isinstance(made, Refusal)
    return made


@pytest.mark.parametrize("gib", [4, 8, 24, 512])
def test_a_small_model_gets_a_small_cache_on_any_machine(gib: int) -> None:
    """8 contexts of 2048 tokens at 2 KiB are 32 MiB: one GiB."""
    made = fits(DEMO, host(gib, gib * 0.9))
    assert made.memory.kv_cache == GIB
    assert made.max_model_len == 2048
    assert made.memory_bytes == made.memory.weights + overhead(made.memory) + GIB
    assert made.memory_bytes / GIB == pytest.approx(3.007, abs=0.001)
    assert (made.nodes, made.gpus, made.tensor_parallel, made.utilization) == (1, 0, 1, None)


@pytest.mark.parametrize(
    ("machine", "cache_gib", "context"),
    [
        # Room: 0.9 x memory, less 14.96 x 1.02 = 15.26, 5 % of that and 2: 18.02 GiB.
        pytest.param(host(256, 200), 90, 131072, id="half of the room, for several contexts"),
        pytest.param(host(512, 460), 128, 131072, id="eight full contexts are enough"),
        pytest.param(host(44, 40), 21, 131072, id="all of the room, where half is short of one context"),
        pytest.param(host(32, 28), 9, 9 * 8192 - 128, id="a shorter context, where the whole one does not fit"),
        pytest.param(host(32, 20), 1, 8192 - 128, id="what other programs leave decides"),
    ],
)
def test_the_cache_is_chosen_by_memory(machine: Machine, cache_gib: int, context: int) -> None:
    made = fits(LLAMA, machine)
    assert made.memory.kv_cache == cache_gib * GIB
    assert made.max_model_len == context
    assert made.memory_bytes is not None
    assert made.memory_bytes <= min(machine.available or 0, (machine.memory or 0) * 0.9)


def test_a_context_that_is_asked_for_is_given_or_refused() -> None:
    """32768 tokens at 128 KiB are 4 GiB, and the engine sets a block aside: 5 whole GiB; 18.02 + 5 = 23.02 GiB."""
    made = fits(LLAMA, host(32, 28), Wishes(context=32768))
    assert (made.max_model_len, made.memory.kv_cache) == (32768, 5 * GIB)
    said = refused(LLAMA, host(24, 24), Wishes(context=32768))
    assert (said.what, said.needed.shown(), said.have.shown()) == ("memory", "23.02 GiB", "21.60 GiB")


def test_a_machine_that_is_too_small_says_by_how_much() -> None:
    assert str(refused(LLAMA, host(16, 15))) == (
        "llama-3.1-8b-instruct does not run on this host: memory: 19.02 GiB needed, 14.40 GiB usable; ask for a "
        "shorter context, choose a smaller model, or a machine with more memory"
    )


def test_a_machine_that_is_busy_says_to_stop_other_programs() -> None:
    said = refused(DEMO, host(24, 2))
    assert (said.needed.shown(), said.have.shown()) == ("3.01 GiB", "2.00 GiB")
    assert str(said).endswith("free now; stop other programs, ask for a shorter context, or choose a smaller model")


def test_planning_anew_for_a_running_model_does_not_count_its_own_memory_as_taken() -> None:
    """Four GiB of which the model itself holds three: an edit of its Workspace must not be refused."""
    busy = host(4, 0.5)
    assert isinstance(plan(DEMO, busy), Refusal)
    assert fits(DEMO, dataclasses.replace(busy, available=None)).memory.kv_cache == GIB


@pytest.mark.parametrize(("cores", "promised"), [(2, 0.5), (0.25, 0.25), (64, 16)])
def test_several_models_fit_on_the_processors(cores: float, promised: float) -> None:
    assert fits(DEMO, host(24, cores=cores)).cpu_cores == promised


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        (
            Wishes(context=4096),
            "context: 4,096 tokens needed, 2,048 tokens the model reads; set max-model-len to at most",
        ),
        (
            Wishes(tensor_parallel=2),
            "tensor-parallel-size: 2 needed, 1 is all that a machine without GPUs takes; leave",
        ),
        (
            Wishes(data_parallel=2),
            "data-parallel-size: 2 needed, 1 is all that a machine without GPUs takes; leave data-parallel-size out",
        ),
    ],
)
def test_a_wish_that_cannot_be_met_is_named(wishes: Wishes, says: str) -> None:
    assert says in str(refused(DEMO, host(24), wishes))


def test_a_model_whose_cache_is_not_known_leaves_the_context_to_the_engine() -> None:
    unknown = dataclasses.replace(DEMO, cache=CacheLayout())
    assert fits(unknown, host(24)).max_model_len is None
    assert fits(unknown, host(24), Wishes(context=512)).max_model_len == 512


def test_no_speed_is_claimed_for_processors() -> None:
    made = fits(DEMO, host(24))
    assert made.speed is None
    assert made.price_per_hour is None
    assert any("no speed is estimated: the memory bandwidth of these processors" in note for note in made.notes)


def test_every_number_is_a_step() -> None:
    steps = {step.name: step.shown() for step in fits(DEMO, host(24, 22)).steps}
    assert steps == {
        "weights on disk": "6.63 MiB",
        "weights in memory": "6.76 MiB",
        "engine": "2.00 GiB",
        "memory of the machine": "24.00 GiB",
        "usable memory": "21.60 GiB",
        "free memory": "22.00 GiB",
        "cache of one token": "2.00 KiB",
        "least context": "2,048 tokens",
        "cache": "1.00 GiB",
        "context": "2,048 tokens",
        "memory": "3.01 GiB",
        "processors": "2",
    }


def test_a_machine_with_gpus_is_planned_by_its_gpus() -> None:
    made = fits(DEMO, dataclasses.replace(host(24), gpus=1, gpu_memory=24 * GIB))
    assert (made.gpus, made.memory_bytes, made.utilization) == (1, None, 0.84)
