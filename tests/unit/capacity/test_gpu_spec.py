"""What GPUs are called, how many are meant, and what each can do."""

import pytest

from kaito.capacity.gpu_spec import assumed, gpu
from kaito.capacity.gpus import GIB, MIB, plain
from kaito.capacity.machine_file import BUILT_IN, load
from kaito.capacity.machines import MachineError, UnknownError

CATALOGUE = load(*BUILT_IN)


@pytest.mark.parametrize(
    ("text", "gpus", "gib", "bandwidth_gbs", "nvlink_gbs"),
    [
        ("H100:2", 2, 80, 3350, 900),
        ("h100 pcie", 1, 80, 2000, None),
        ("H100-94GB:2", 2, 94, 3900, None),
        ("A100-80GB", 1, 80, 2039, 600),
        ("A100-40g:8", 8, 40, 1555, 600),
        ("NVIDIA-A100-SXM4-80GB", 1, 80, 2039, 600),
        ("NVIDIA A100 80GB PCIe", 1, 80, 1935, None),
        ("L4", 1, 24, 300, None),
        ("L40S:4", 4, 48, 864, None),
        ("Tesla T4", 1, 16, 300, None),
        ("RTX4090", 1, 24, 1008, None),
        ("rtx 5090:2", 2, 32, 1792, None),
        ("RTX 6000 Ada", 1, 48, 960, None),
        ("H200", 1, 141, 4800, 900),
        ("GH200", 1, 96, 4000, 900),
        ("B200:8", 8, 180, 7700, 1800),
        ("GB200:4", 4, 186, 8000, 1800),
        ("B300", 1, 268, 8000, 1800),
    ],
)
def test_a_gpu_as_people_write_it(text: str, gpus: int, gib: int, bandwidth_gbs: int, nvlink_gbs: int | None) -> None:
    machine = gpu(text)
    assert (machine.gpus, machine.gpu_memory, machine.gpu_bandwidth) == (gpus, gib * GIB, bandwidth_gbs * 1e9)
    assert machine.nvlink == (nvlink_gbs * 1e9 if nvlink_gbs else None)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("A100", "A100-PCIE-40GB or A100-PCIE-80GB or A100-SXM4-40GB or A100-SXM4-80GB"),
        ("V100", "V100-PCIE-16GB or V100-SXM2-16GB or V100-SXM2-32GB"),
    ],
)
def test_a_name_of_several_gpus_lists_them(text: str, choices: str) -> None:
    with pytest.raises(MachineError, match=f"'{text}' is the name of several GPUs; write {choices}$"):
        gpu(text)


@pytest.mark.parametrize(
    ("text", "model", "lacks"),
    [
        ("MI300X:8", "AMD Instinct MI300X", "no ROCm"),
        ("AMD Instinct MI250X", "AMD Instinct MI250", "no ROCm"),
        ("V620", "AMD Radeon PRO V620", "no ROCm"),
        ("Gaudi3:8", "Intel Gaudi", "none of Intel's accelerator software"),
        ("trainium2", "AWS Trainium accelerators", "no Neuron compiler"),
        ("Inferentia2", "AWS Inferentia2 accelerators", "no Neuron compiler"),
        ("TPU-v5e:4", "Google TPU", "no XLA"),
    ],
)
def test_what_the_engine_cannot_use_is_refused_by_name(text: str, model: str, lacks: str) -> None:
    with pytest.raises(MachineError, match=f"{model} cannot be used: .*{lacks}.*; use NVIDIA GPUs"):
        gpu(text)


def test_a_gpu_that_is_not_known_needs_its_memory() -> None:
    with pytest.raises(UnknownError, match=r"'Foo' is not a GPU that KAITO knows .*say its memory, as in Foo-48GB"):
        gpu("Foo")
    machine = gpu("Foo-48GB:2")
    assert (machine.gpus, machine.gpu_memory, machine.compute_capability) == (2, 48 * GIB, None)
    assert (machine.gpu_memory_driver, machine.gpu_bandwidth, machine.price) == (int(48 * GIB * 0.93), None, None)


def test_a_part_of_a_known_gpu_has_its_capability() -> None:
    machine = gpu("A10-4GB")
    assert (machine.gpu_model, machine.gpu_memory, machine.compute_capability) == ("NVIDIA A10", 4 * GIB, 8.6)
    assert machine.gpu_bandwidth is None


@pytest.mark.parametrize("text", ["", "H100:0", "H100:17", ":2", "H100:two", "80GB"])
def test_what_is_no_gpu_is_refused(text: str) -> None:
    with pytest.raises(MachineError, match="cannot be read; write it as H100, A100-80GB or H100:2"):
        gpu(text)


@pytest.mark.parametrize("key", CATALOGUE.gpus)
def test_a_record_is_whole_and_its_numbers_are_dense(key: str) -> None:
    """A sparse figure slipped in would be twice the dense one, and break the ratios between the widths."""
    one = CATALOGUE.gpus[key]
    assert one.source
    assert one.driver_mib
    assert one.bits16
    eight = one.fp8 or one.int8
    assert eight is None or 1.9 < eight / one.bits16 < 4.1
    assert one.fp4 is None or one.fp4 <= 8.1 * one.bits16
    assert (one.compute or 0) >= 7.0
    assert one.fp8 is None or (one.compute or 0) >= 8.9


def test_no_two_records_have_a_name_in_common() -> None:
    names = [plain(name) for key, one in CATALOGUE.gpus.items() for name in {plain(key), *map(plain, one.names)}]
    names += [plain(name) for key, one in CATALOGUE.refused.items() for name in {plain(key), *map(plain, one.names)}]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("NVIDIA-H100-80GB-HBM3", "H100-SXM5-80GB"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", "H100-SXM5-80GB"),
        ("NVIDIA-H100-NVL", "H100-NVL"),
        ("NVIDIA-A100-PCIE-40GB", "A100-PCIE-40GB"),
        ("Tesla-T4", "T4"),
        ("Tesla-V100-SXM2-32GB", "V100-SXM2-32GB"),
        ("NVIDIA-A10G-SHARED", "A10G"),
        ("NVIDIA-GeForce-RTX-5090", "RTX-5090"),
        ("NVIDIA-RTX-6000-Ada-Generation", "RTX-6000-ADA"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "RTX-PRO-6000"),
        ("NVIDIA-GH200-480GB", "GH200"),
        ("NVIDIA-B300-SXM6-AC", "B300"),
        ("nvidia-h100-mega-80gb", "H100-SXM5-80GB"),
        ("NVIDIA-GeForce-GT-710", None),
    ],
)
def test_a_label_is_recognised(label: str, key: str | None) -> None:
    assert CATALOGUE.gpu(label) == (CATALOGUE.gpus[key] if key else None)


@pytest.mark.parametrize("key", CATALOGUE.gpus)
def test_a_drivers_memory_that_is_not_known_is_not_guessed_too_high(key: str) -> None:
    one = CATALOGUE.gpus[key]
    guessed = one.model_copy(update={"driver_mib": None}).driver_bytes
    assert guessed <= one.driver_bytes <= one.gib * GIB * 1.003
    assert one.driver_bytes == (one.driver_mib or 0) * MIB


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("H100:2", "H100 is taken as H100-SXM5-80GB; else write H100-NVL or H100-PCIE-80GB"),
        ("H200", "H200 is taken as H200; else write H200-NVL"),
        ("H100-NVL", None),
        ("L4", None),
        ("Foo-48GB", None),
    ],
)
def test_what_is_assumed_of_a_name_is_said(text: str, says: str | None) -> None:
    assert assumed(text) == says
