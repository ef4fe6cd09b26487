"""kaito machines: what is listed, and what is said of one."""

import json

import pytest
from typer.testing import CliRunner

from kaito.cli.errors import NOT_FOUND, CliError
from kaito.cli.main import app


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["machines", *words])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_the_list_is_one_clouds_or_all() -> None:
    all_of_them, arc = run("list"), run("list", "--cloud", "arc")
    assert len(arc.splitlines()) == 1 + 8 + 3
    assert all(name in all_of_them for name in ("g6.xlarge", "a3-highgpu-8g", "Standard_NC4_A2", "p5.48xlarge"))
    assert "Standard_NV36ads_A10_v5    azure  1 × A10    24 GiB   600 GB/s  125 TFLOPS    3.20" in run(
        "list", "--cloud", "azure"
    )
    assert "trn1" not in all_of_them


def test_a_wide_terminal_has_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert "NVLINK  CORES     MEMORY" in run("list", "--cloud", "azure")


def test_every_key_is_always_there_for_programs() -> None:
    rows = json.loads(run("list", "-o", "json"))
    assert len({frozenset(row) for row in rows}) == 1
    one = json.loads(run("describe", "P5E.48xlarge", "-o", "json"))
    assert (one["name"], one["gpus"], one["gpu_memory_driver_bytes"]) == ("p5e.48xlarge", 8, 143771 << 20)
    assert (one["price_usd_per_hour"], one["nvlink"], one["gpu_flops_8bit"]) == (None, 900e9, 1979e12)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("p5.48xlarge", "$55.04 an hour on demand (AWS price list, us-east-1, 2026-07-20)"),
        ("A10", "22.5 GiB by its driver"),
        ("H100:2", "989 TFLOPS, dense"),
        ("H100-PCIE-80GB", "none: PCIe"),
        ("MyGPU-48GB", "48 GiB as advertised"),
    ],
)
def test_a_machine_or_gpus_are_described(name: str, says: str) -> None:
    assert says in run("describe", name)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("list", "--cloud", "oracle"), "--cloud: cloud 'oracle' is not supported; use azure, aws, gcp, arc"),
        (("describe", "g6.xlage"), "did you mean g6.xlarge"),
        (("describe", "A100"), "is the name of several GPUs"),
        (("describe", "trn1.2xlarge"), "AWS Trainium accelerators cannot be used"),
        (("describe", "MI300X"), "no ROCm"),
    ],
)
def test_what_is_not_known_is_said(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(CliError, match=says) as caught:
        run(*words)
    assert caught.value.code == NOT_FOUND
