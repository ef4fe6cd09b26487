"""Which machine the options mean."""

import pytest

from kaito.capacity.machines import GIB
from kaito.cli import machine
from kaito.cli.errors import NOT_FOUND, USAGE, CliError


@pytest.mark.parametrize(
    ("text", "gpus", "gib", "compute"),
    [
        ("H100:2", 2, 80, 9.0),
        ("h100-94gb", 1, 94, 9.0),
        ("A100-80GiB:8", 8, 80, 8.0),
        ("RTX4090-24GB:4", 4, 24, 8.9),
        ("MyGPU-24GB:4", 4, 24, None),
        (" L4 ", 1, 24, 8.9),
    ],
)
def test_a_gpu_and_how_many(text: str, gpus: int, gib: int, compute: float | None) -> None:
    found = machine.by_gpu(text).machine
    assert (found.gpus, found.gpu_memory, found.compute_capability) == (gpus, gib * GIB, compute)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("H100:0", USAGE, "'H100:0' cannot be read; write it as H100"),
        ("H100:17", USAGE, "1 to 16 GPUs"),
        ("", USAGE, "cannot be read"),
        ("H100-0GB", USAGE, "has no memory"),
        ("A100", USAGE, "'A100' is the name of several GPUs; write A100-PCIE-40GB or"),
        ("MI300X:8", USAGE, "MI300X: AMD Instinct MI300X cannot be used: .* no ROCm.*; use NVIDIA GPUs"),
        (
            "MyGPU",
            NOT_FOUND,
            "'MyGPU' is not a GPU that KAITO knows (A10, A100, .*say its memory, as in MyGPU-48GB",
        ),
    ],
)
def test_a_gpu_that_is_none_is_refused(text: str, code: int, says: str) -> None:
    with pytest.raises(CliError, match=says.replace("(", r"\(")) as caught:
        machine.by_gpu(text)
    assert caught.value.code == code


def test_an_unknown_machine_type_names_the_closest() -> None:
    with pytest.raises(CliError, match="did you mean Standard_NC24ads_A100_v4") as caught:
        machine.by_type("Standard_NC24ads_A100_v5")
    assert caught.value.code == NOT_FOUND


def node(name: str, *, ready: bool = True, capacity: dict[str, str], **labels: str) -> dict[str, object]:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}], "allocatable": capacity}
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def test_nodes_are_planned_for_as_the_operator_does() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100", "nvidia.com/gpu.memory": "81920"}
    big = node("big", capacity={"nvidia.com/gpu": "8"}, **labels, **{"nvidia.com/gpu.count": "8"})
    small = node("small", capacity={"nvidia.com/gpu": "2"}, **labels, **{"nvidia.com/gpu.count": "2"})
    assert machine.of_nodes("a=b", [big, small]).machine.name == "small"
    lost = node("lost", ready=False, capacity={})
    with pytest.raises(CliError, match="no ready node has the labels a=b"):
        machine.of_nodes("a=b", [lost])
    unlabelled = node("bare", capacity={"nvidia.com/gpu": "1"})
    with pytest.raises(CliError, match="node bare: has no label nvidia"):
        machine.of_nodes("a=b", [unlabelled])


def test_nodes_without_gpus_count_by_their_processors() -> None:
    found = machine.of_nodes("a=b", [node("cpu", capacity={"cpu": "7500m", "memory": "16Gi"})])
    assert (found.machine.cpu_cores, found.machine.memory, found.machine.gpus) == (7.5, 16 * GIB, 0)
    assert found.warnings == ("node cpu has no GPU: planned for its processors and memory",)


def test_a_selector_that_is_none_is_refused() -> None:
    with pytest.raises(CliError, match="write it as key=value"):
        machine.by_selector("gpu", None)
