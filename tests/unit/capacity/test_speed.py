"""The roofline, the disk and the start, by hand; and that nothing is claimed where a number is missing."""

import dataclasses

import pytest

from kaito.capacity.gpu_plan import plan_gpus
from kaito.capacity.machines import GIB, Machine, by_instance_type
from kaito.capacity.plan import Plan, Speed, Wishes
from kaito.capacity.start import startup_estimate
from kaito.models.catalogue import lookup
from kaito.models.experts import active_share
from kaito.models.profile import ModelProfile
from tests.unit.capacity.test_gpu_plan import model

CARD = Machine("n", 1, 80 * GIB, "NVIDIA X", 9.0, gpu_bandwidth=2e12, gpu_flops=4e14, gpu_flops_8bit=8e14, price=3.6)
DENSE = model(10, 1 << 17, name="dense-5b")


def planned(profile: ModelProfile, machine: Machine = CARD, wishes: Wishes | None = None) -> Plan:
    made = plan_gpus(profile, machine, wishes or Wishes())
    assert isinstance(made, Plan), str(made)
    return made


def speed(profile: ModelProfile, machine: Machine = CARD, wishes: Wishes | None = None) -> Speed:
    fast = planned(profile, machine, wishes).speed
    assert fast is not None
    return fast


def test_one_card_by_hand() -> None:
    """Prefill 4e14 x 0.5 / (2 x 5e9) = 20,000. A step of ten requests of 2048 tokens reads 10 GiB of weights and
    10 x 0.25 GiB of cache at 2e12 x 0.7 bytes a second: 9.587 ms."""
    fast = speed(DENSE, wishes=Wishes(context=2048, concurrency=10))
    assert fast.prefill == pytest.approx(20_000)
    assert (fast.requests, fast.context) == (10, 2048)
    assert fast.decode == pytest.approx(10 / (12.5 * GIB / 1.4e12))
    assert fast.decode_alone == pytest.approx(1 / (10.25 * GIB / 1.4e12))


def test_arithmetic_bounds_many_requests() -> None:
    """256 requests of 16 tokens: reading takes 8 ms, computing 256 x 2 x 5e9 / 2e14 = 12.8 ms."""
    fast = speed(DENSE, wishes=Wishes(context=16, concurrency=256))
    assert fast.decode == pytest.approx(256 / 0.0128)


def test_copies_add_up_and_a_wider_copy_reads_its_parts_at_once() -> None:
    four = dataclasses.replace(CARD, gpus=4)
    one, copies = speed(DENSE, wishes=Wishes(concurrency=4)), speed(DENSE, four, Wishes(concurrency=16))
    assert copies.decode == pytest.approx(4 * one.decode)
    assert copies.prefill == pytest.approx(4 * one.prefill)
    assert copies.decode_alone == pytest.approx(one.decode_alone)
    wide = speed(DENSE, four, Wishes(tensor_parallel=4, concurrency=4))
    assert wide.decode_alone == pytest.approx(4 * one.decode_alone)


def test_stages_write_no_faster_for_one_request() -> None:
    two = dataclasses.replace(CARD, gpus=2)
    alone = speed(DENSE, wishes=Wishes(concurrency=1)).decode_alone
    staged = speed(DENSE, two, Wishes(tensor_parallel=1, pipeline_parallel=2, concurrency=1))
    assert staged.decode_alone == pytest.approx(alone)


def test_eight_bit_weights_compute_in_eight_bits_where_the_gpu_can() -> None:
    fp8 = dataclasses.replace(DENSE, quantization="fp8")
    assert speed(fp8).prefill == pytest.approx(2 * speed(DENSE).prefill)
    assert speed(fp8, dataclasses.replace(CARD, compute_capability=8.0)).prefill == pytest.approx(speed(DENSE).prefill)


def test_few_requests_pass_few_experts_and_many_all_of_them() -> None:
    """3 of 30 billion: one request reads a tenth, ten read 1 - 0.9^10 = 65 %."""
    mixture = model(20, 1 << 17, name="mixture-30b-a3b")
    alone, ten = speed(mixture, wishes=Wishes(concurrency=1)), speed(mixture, wishes=Wishes(concurrency=10))
    assert alone.decode_alone == pytest.approx(1.4e12 / (2.25 * GIB))
    assert ten.decode == pytest.approx(10 * 1.4e12 / ((20 * (1 - 0.9**10) + 2.5) * GIB))


def test_a_longer_context_is_slower() -> None:
    speeds = [speed(DENSE, wishes=Wishes(context=length, concurrency=8)).decode for length in (512, 8192, 32768)]
    assert speeds == sorted(speeds, reverse=True)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("phi-4", 1.0),
        ("deepseek-r1-distill-llama-8b", 1.0),
        ("deepseek-v3-0324", 37 / 671),
        ("gpt-oss-20b", 3.6 / 20.9),
        ("Qwen/Qwen3.5-122B-A10B-GPTQ-Int4", 10 / 122),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", 12 / 120),
        ("google/gemma-4-26B-A4B-it", 4 / 26),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", 1.0),
        ("zai-org/GLM-5.2-FP8", None),
        ("mistralai/Mistral-Small-4-119B-2603", None),
        ("deepseek-ai/DeepSeek-V4-Pro", None),
    ],
)
def test_what_one_token_passes(name: str, share: float | None) -> None:
    assert active_share(lookup(name).profile()) == (None if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("profile", "machine", "says"),
    [
        (DENSE, dataclasses.replace(CARD, gpu_bandwidth=None), "no speed is estimated: the bandwidth of NVIDIA X"),
        (
            lookup("zai-org/GLM-5.2-FP8").profile(),
            dataclasses.replace(CARD, gpus=16),
            "how many of the model's experts",
        ),
    ],
    ids=["GPU", "experts"],
)
def test_no_speed_is_claimed_where_a_number_is_missing(profile: ModelProfile, machine: Machine, says: str) -> None:
    made = planned(profile, machine)
    assert made.speed is None
    assert any(says in note for note in made.notes), made.notes


def test_the_price_of_tokens_is_that_of_the_hour_over_the_tokens_of_an_hour() -> None:
    made = planned(DENSE)
    assert made.price_per_hour == 3.6
    assert made.price_per_million(1000) == pytest.approx(1.0)
    assert made.price_per_million(0) is None
    unpriced = planned(DENSE, dataclasses.replace(CARD, price=None))
    assert (unpriced.price_per_hour, unpriced.price_per_million(1000)) == (None, None)
    assert "no price is known for n" in unpriced.notes
    assert planned(model(150), CARD).price_per_hour == pytest.approx(3 * 3.6), "of all nodes"


def test_gpus_without_nvlink_are_said_to_be_slower_than_estimated() -> None:
    two = dataclasses.replace(CARD, gpus=2)
    assert any("no NVLink" in note for note in planned(model(100), two).notes)
    assert not any("no NVLink" in note for note in planned(model(100), dataclasses.replace(two, nvlink=9e11)).notes)
    assert not any("no NVLink" in note for note in planned(DENSE, two).notes), "copies do not talk to each other"


@pytest.mark.parametrize(("gib", "gpu", "seconds"), [(0, True, 90), (0, False, 20), (10, True, 186), (100, True, 1049)])
def test_a_start_downloads_loads_and_warms_up(gib: int, gpu: bool, seconds: int) -> None:
    """8.59 s and 1 s for each GiB."""
    assert startup_estimate(gib * GIB, gpu=gpu) == seconds


def test_no_estimate_exceeds_what_the_memory_moves() -> None:
    """Llama's 14.96 GiB at an A100's 1.935 TB/s: 120 tokens a second if nothing else took time."""
    fast = speed(lookup("llama-3.1-8b-instruct").profile(), by_instance_type("Standard_NC24ads_A100_v4"))
    assert 0.5 * 120 < fast.decode_alone < 0.7 * 120.5
