"""Texts of ConfigMaps that want to keep the operator busy."""

import time

import pytest

from kaito.api.validation import inference_config, tuning_config
from kaito.api.validation.documents import load_yaml
from kaito.api.validation.facts import NOTHING_KNOWN
from kaito.capacity.wishes import wishes


def references(first: str, line: str, times: int = 12) -> str:
    """Lines each of which names the one before ten times; the last is ``l<times>``."""
    lines = [f"l0: &l0 {first}"]
    lines += [f"l{n}: &l{n} " + line.format(", ".join([f"*l{n - 1}"] * 10), n=n) for n in range(1, times + 1)]
    return "\n".join(lines) + "\n"


BOMB = references("[x]", "[{0}]")
MERGES = references("{k0: 1}", "{{<<: [{0}], k{n}: 1}}")
LONG_TEXT = "a: &a " + "x" * 50_000 + "\nb: [" + "*a, " * 2000 + "]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(BOMB, "too large once its references", id="references to references"),
        pytest.param(MERGES, "too large once its references", id="merged maps of merged maps"),
        pytest.param(LONG_TEXT, "too large once its references", id="a long text, often"),
        pytest.param("&a [*a]", "holds itself", id="a list in itself"),
        pytest.param("&a {<<: *a}", "holds itself", id="a map merged into itself"),
        pytest.param("[" * 50_000, "nested too deeply", id="deep"),
        pytest.param("# " + "x" * 200_000, "at most 65536 are read", id="long"),
        pytest.param("vllm: 2026-99-99", "cannot be read", id="no date"),
    ],
)
def test_a_hostile_document_is_refused_at_once(text: str, says: str) -> None:
    before = time.process_time()
    with pytest.raises(ValueError, match=says):
        load_yaml(text)
    assert time.process_time() - before < 1


def test_references_as_people_use_them_are_read() -> None:
    text = "base: &base {a: 1}\nvllm: {<<: *base, b: *base}"
    assert load_yaml(text) == {"base": {"a": 1}, "vllm": {"a": 1, "b": {"a": 1}}}


NUMBER = "0x" + "f" * 5000


@pytest.mark.parametrize("text", [NUMBER, f"vllm: {NUMBER}", f"vllm: {{max-model-len: {NUMBER}}}"])
def test_a_number_that_cannot_be_written_is_named(text: str) -> None:
    (error,) = inference_config.text_errors(text, NOTHING_KNOWN)
    assert "a number of 20000 bits" in str(error)


def test_a_folder_that_is_such_a_number_is_named() -> None:
    (error,) = tuning_config.text_errors(f"training_config: {{TrainingArguments: {{output_dir: {NUMBER}}}}}", "lora")
    assert "a number of 20000 bits" in str(error)


@pytest.mark.parametrize(
    "option",
    [
        f"max-model-len: {NUMBER}",
        f"max-model-len: {'9' * 4000}k",
        f"tensor-parallel-size: {NUMBER}",
        f"gpu-memory-utilization: {NUMBER}",
        f"kv-cache-dtype: {NUMBER}",
        "kv-cache-dtype: [a]",
        "tensor-parallel-size: [1]",
    ],
)
def test_the_planner_names_the_option(option: str) -> None:
    with pytest.raises(ValueError, match=r"inference_config.yaml: vllm\." + option.split(":")[0]):
        wishes(f"vllm: {{{option}}}")


@pytest.mark.parametrize("text", [BOMB, MERGES, "[" * 5000])
def test_the_planner_refuses_a_hostile_document(text: str) -> None:
    with pytest.raises(ValueError, match="is not valid YAML"):
        wishes(text)
