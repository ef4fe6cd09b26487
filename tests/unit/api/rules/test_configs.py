"""IC and TC rules; ids carry the row of the v0.12 contract (sections 10.5 and 10.7)."""

from typing import Any, NamedTuple

import pytest

from kaito.api.validation import AdmissionFacts, ModelFacts
from kaito.api.validation.facts import ModelAbsent
from kaito.api.validation.tuning_config import is_below_mount
from tests.unit.api.rules.judged import judge_changed, judge_created
from tests.unit.api.rules.objects import (
    Changed,
    Created,
    accepted,
    annotated,
    change_accepted,
    change_refused,
    preset,
    refused,
    tuning,
)

FIELD = "inference.config: inference_config.yaml"
LENGTH = f"{FIELD}: vllm.max-model-len"
CONFIG = preset(config="mine")
TRAIN = "tuning.config: training_config.yaml"
QUANTIZATION = f"{TRAIN}: training_config.QuantizationConfig"
ARGUMENTS = f"{TRAIN}: training_config.TrainingArguments"


def config(text: str | None, limit: int | None = None, **more: Any) -> AdmissionFacts:
    """A ConfigMap ``team/mine`` with this inference configuration; None: with another key."""
    data = {"other": ""} if text is None else {"inference_config.yaml": text}
    facts = {"model": ModelFacts(context_length=limit)} | more
    return AdmissionFacts(config_maps={("team", "mine"): data}, **facts)


def length(value: str, limit: int | None = 8192) -> AdmissionFacts:
    return config(f"vllm:\n  max-model-len: {value}\n", limit)


ABSENT = AdmissionFacts(config_maps={("team", "mine"): None})


@pytest.mark.parametrize(
    "case",
    [
        refused("IC1-absent", CONFIG, "inference.config", "no ConfigMap in namespace team: create it", ABSENT),
        accepted("IC2-not-looked-up", CONFIG),
        accepted("IC1-only-vllm-reads-it", CONFIG | annotated(runtime="transformers"), ABSENT),
        refused("IC3-no-key", CONFIG, "inference.config", "has no key inference_config.yaml", config(None)),
        refused("IC4-no-yaml", CONFIG, FIELD, "is not valid YAML", config("vllm: [")),
        refused("IC4-no-map", CONFIG, FIELD, "is not a map", config("- vllm")),
        refused("IC4-vllm-no-map", CONFIG, f"{FIELD}: vllm", "is not a map", config("vllm: 3")),
        refused("IC4-too-deep", CONFIG, FIELD, "nested too deeply", config("[" * 20000)),
        refused("IC4-no-date", CONFIG, FIELD, "cannot be read", config("vllm: 2026-99-99")),
        accepted("IC4-empty", CONFIG, config("")),
        accepted("IC4-other-keys", CONFIG, config("max_probe_steps: 6\nkv_cache_cpu_memory_utilization: 0.5\n")),
        accepted("ODDITY-IC4-nested-values", CONFIG, config("vllm:\n  speculative-config: {method: ngram}\n")),
        refused(
            "IC5-model-absent",
            CONFIG,
            "inference.preset.name",
            "did you mean",
            config("vllm: {max-model-len: 8}", model=ModelAbsent("did you mean phi-4?")),
        ),
        refused("IC6-no-integer", CONFIG, LENGTH, "a number of tokens such as 8192", length("long")),
        refused("IC6-fraction", CONFIG, LENGTH, "is no length", length("10.5")),
        refused("ODDITY-IC6-zero", CONFIG, LENGTH, "is no length", length("0")),
        refused("ODDITY-IC6-negative", CONFIG, LENGTH, "is no length", length("-2")),
        accepted("ODDITY-IC6-auto", CONFIG, length("auto")),
        accepted("ODDITY-IC6-minus-one", CONFIG, length("-1")),
        accepted("ODDITY-IC6-suffix", CONFIG, length("8K")),
        accepted("IC6-quoted", CONFIG, length("'8192'")),
        accepted("IC6-blank", CONFIG, length("")),
        refused("IC7-above-the-limit", CONFIG, LENGTH, "more than the model's 8192 tokens", length("8193")),
        refused("IC7-above-with-suffix", CONFIG, LENGTH, "more than the model's 8192 tokens", length("9k")),
        refused("IC7-underscores", CONFIG, LENGTH, "more than", config("vllm: {max_model_len: 9000}", 8192)),
        accepted("IC7-at-the-limit", CONFIG, length("8192")),
        accepted("IC7-limit-unknown", CONFIG, length("99999", None)),
    ],
)
def test_an_inference_configuration(case: Created) -> None:
    judge_created(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("ODDITY-IC-named-on-update", preset(), CONFIG, "inference.config", "no ConfigMap", ABSENT),
        change_accepted("ODDITY-IC-gone-and-unchanged", CONFIG, CONFIG | annotated(a="b"), ABSENT),
        change_accepted("IC-removed-on-update", CONFIG, preset(), ABSENT),
    ],
)
def test_a_changed_inference_configuration(case: Changed) -> None:
    judge_changed(case)


class Text(NamedTuple):
    """The text of a tuning configuration, and the method that reads it."""

    text: str | None
    method: str = "lora"


def train(text: str | None, *, namespace: str = "team", name: str = "mine") -> AdmissionFacts:
    data = {"other": ""} if text is None else {"training_config.yaml": text}
    return AdmissionFacts(config_maps={(namespace, name): data})


def sections(text: str) -> AdmissionFacts:
    return train(f"training_config: {text}\n")


LORA = tuning(config="mine")
QLORA = tuning(config="mine", method="QLoRA")
DEFAULT = AdmissionFacts(release_namespace="kaito", config_maps={("kaito", "lora-params-template"): None})


@pytest.mark.parametrize(
    "case",
    [
        refused("TC1-absent", LORA, "tuning.config", "no ConfigMap in namespace team: create it", ABSENT),
        accepted("TC1-not-looked-up", LORA),
        refused("TC2-no-key", LORA, "tuning.config", "has no key training_config.yaml", train(None)),
        refused("TC3-no-yaml", LORA, TRAIN, "is not valid YAML", train("training_config: [")),
        refused("TC4-no-root", LORA, TRAIN, "has no map training_config", train("LoraConfig: {}")),
        refused("TC4-root-no-map", LORA, TRAIN, "has no map training_config", train("training_config: 3")),
        refused("TC4-no-map-at-all", LORA, TRAIN, "has no map training_config", train("- a")),
        refused("TC5-unknown-section", LORA, f"{TRAIN}: training_config", "use ModelConfig,", sections("{Lora: {}}")),
        refused("TC5-no-text", LORA, f"{TRAIN}: training_config", "use ModelConfig,", sections("{1: {}}")),
        accepted("TC5-all-sections", LORA, sections(
            "{ModelConfig: {}, QuantizationConfig: {}, LoraConfig: {}, TrainingArguments: {}, DatasetConfig: {}, "
            "DataCollator: {}}"
        )),
        refused("TC6-no-map", LORA, QUANTIZATION, "is not a map", sections("{QuantizationConfig: 4}")),
        refused("TC6-no-boolean", LORA, f"{QUANTIZATION}.load_in_4bit", "must be true or false",
                sections("{QuantizationConfig: {load_in_4bit: 'true'}}")),
        refused("TC6-no-boolean-8bit", LORA, f"{QUANTIZATION}.load_in_8bit", "must be true or false",
                sections("{QuantizationConfig: {load_in_8bit: 1}}")),
        accepted("TC6-null", LORA, sections("{QuantizationConfig: {load_in_4bit: null}}")),
        refused("TC7-both", QLORA, QUANTIZATION, "keep one of them",
                sections("{QuantizationConfig: {load_in_4bit: true, load_in_8bit: true}}")),
        refused("TC8-lora-4bit", LORA, f"{QUANTIZATION}.load_in_4bit", "use method qlora",
                sections("{QuantizationConfig: {load_in_4bit: true}}")),
        refused("TC8-lora-8bit", LORA, f"{QUANTIZATION}.load_in_8bit", "use method qlora",
                sections("{QuantizationConfig: {load_in_8bit: true}}")),
        refused("TC9-qlora-neither", QLORA, QUANTIZATION, "must set load_in_4bit",
                sections("{QuantizationConfig: {load_in_4bit: false}}")),
        refused("TC9-qlora-no-section", QLORA, QUANTIZATION, "must set load_in_4bit", sections("{ModelConfig: {}}")),
        accepted("TC9-qlora-8bit", QLORA, sections("{QuantizationConfig: {load_in_8bit: true}}")),
        refused("TC10-no-map", LORA, ARGUMENTS, "is not a map", sections("{TrainingArguments: 4}")),
        refused("TC10-no-text", LORA, f"{ARGUMENTS}.output_dir", "must be text",
                sections("{TrainingArguments: {output_dir: 4}}")),
        refused("TC11-outside", LORA, f"{ARGUMENTS}.output_dir", "below /mnt",
                sections("{TrainingArguments: {output_dir: ../tmp}}")),
        accepted("TC11-below", LORA, sections("{TrainingArguments: {output_dir: results}}")),
        accepted("T2-default-and-namespace-unknown", tuning()),
        refused("ODDITY-TC1-names-the-default-that-was-looked-up", tuning(), "tuning.config",
                "no ConfigMap in namespace kaito", DEFAULT),
        refused("T3-default-of-the-installation", tuning(), TRAIN, "has no map",
                AdmissionFacts(release_namespace="kaito",
                               config_maps={("kaito", "lora-params-template"): {"training_config.yaml": ""}})),
    ],
)  # fmt: skip
def test_a_tuning_configuration(case: Created) -> None:
    judge_created(case)


def test_tc_all_groups_are_judged_at_once() -> None:
    from kaito.api.validation import validate_create
    from tests.unit.api.rules.objects import workspace

    facts = sections("{Lora: {}, QuantizationConfig: {load_in_4bit: true}, TrainingArguments: {output_dir: /}}")
    found = validate_create(workspace(**LORA), facts)
    assert [error.field for error in found] == [
        f"{TRAIN}: training_config",
        f"{QUANTIZATION}.load_in_4bit",
        f"{ARGUMENTS}.output_dir",
    ]


@pytest.mark.parametrize(
    "case",
    [
        change_refused("T3-config-named-on-update", tuning(), LORA, "tuning.config", "no ConfigMap", ABSENT),
        change_accepted("T3-config-gone-and-unchanged", LORA, LORA | annotated(a="b"), ABSENT),
    ],
)
def test_a_changed_tuning_configuration(case: Changed) -> None:
    judge_changed(case)


@pytest.mark.parametrize(
    ("folder", "below"),
    [
        pytest.param("results", True, id="TC11-relative"),
        pytest.param("/mnt/results", True, id="ODDITY-TC11-absolute-as-is"),
        pytest.param("/mnt/results/../other", True, id="TC11-dots-that-stay"),
        pytest.param("../mntx", False, id="ODDITY-TC11-by-component"),
        pytest.param("/mntx", False, id="ODDITY-TC11-absolute-by-component"),
        pytest.param("/mnt", False, id="TC11-the-mount-itself"),
        pytest.param("/mnt/", False, id="TC11-the-mount-with-slash"),
        pytest.param(".", False, id="TC11-dot"),
        pytest.param("", False, id="TC11-empty"),
        pytest.param("/mnt/..", False, id="TC11-above"),
        pytest.param("//mnt/results", False, id="TC11-two-slashes"),
        pytest.param("/etc", False, id="TC11-elsewhere"),
    ],
)
def test_tc11_results_stay_below_the_mount(folder: str, below: bool) -> None:
    assert is_below_mount(folder) is below
