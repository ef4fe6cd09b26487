"""I and A rules, and names of models; ids carry the row of the v0.12 contract (sections 10.4 and 10.8)."""

from typing import Any

import pytest

from kaito.api.names import preset_name_problem
from kaito.api.validation import AdmissionFacts, ModelFacts
from kaito.api.validation.facts import ModelAbsent
from kaito.models import catalogue
from tests.unit.api.rules.judged import judge_changed, judge_created
from tests.unit.api.rules.objects import (
    Changed,
    Created,
    accepted,
    adapter,
    adapters,
    annotated,
    change_accepted,
    change_refused,
    preset,
    refused,
)

NAME = "inference.preset.name"
SECRET = "inference.preset.presetOptions.modelAccessSecret"
RUNTIME = 'metadata.annotations["kaito.sh/runtime"]'
FIRST = "inference.adapters[0]"
TRANSFORMERS = annotated(runtime="transformers")


def about(**facts: Any) -> AdmissionFacts:
    return AdmissionFacts(model=ModelFacts(**facts))


def with_secret(name: str) -> dict[str, Any]:
    return {"inference": {"preset": {"name": name, "presetOptions": {"modelAccessSecret": "hf"}}}}


ELEVEN = adapters(*(adapter(f"a{number}") for number in range(11)))
TWINS = adapters(adapter("a"), adapter("a", image="r.example/b:2"))
LLAMA = AdmissionFacts(
    model=ModelFacts(architectures=("LlamaForCausalLM",)), architectures=frozenset({"LlamaForCausalLM"})
)
OTHER = AdmissionFacts(model=ModelFacts(architectures=("BertModel",)), architectures=frozenset({"LlamaForCausalLM"}))


@pytest.mark.parametrize(
    "case",
    [
        refused("I1-neither", {"inference": {}}, "inference.preset", "either preset or template"),
        refused("I2-both", preset(template={}), "inference.template", "remove one of them"),
        refused("I3-invalid-name", preset("a/"), NAME, "org/model"),
        refused("I4-not-registered", preset("phi4"), NAME, "did you mean phi-4?",
                AdmissionFacts(model=ModelAbsent("did you mean phi-4?"))),
        refused("I4-unsupported-architecture", preset("a/b"), NAME, "is a BertModel", OTHER),
        accepted("I4-supported-architecture", preset("a/b"), LLAMA),
        accepted("I4-a-hub-that-was-not-asked", preset("a/b")),
        refused("I5-no-transformers", TRANSFORMERS | preset("m"), RUNTIME, "cannot serve m", about(transformers=False)),
        accepted("I5-vllm", preset("m"), about(transformers=False)),
        refused("I6-no-lora", adapters(adapter()), "inference.adapters", "remove them", about(lora=False)),
        accepted("I6-without-adapters", {}, about(lora=False)),
        refused("I7-strength-with-vllm", adapters(adapter(strength="0.5")), f"{FIRST}.strength", "vllm runtime"),
        accepted("I7-strength-with-transformers", TRANSFORMERS | adapters(adapter(strength="0.5"))),
        accepted("ODDITY-I7-strength-one-is-none", adapters(adapter(strength="1.0"))),
        accepted("ODDITY-I7-strength-one-in-another-spelling", adapters(adapter(strength="1"))),
        refused("I8-gated-without-secret", preset("m"), SECRET, "HF_TOKEN", about(gated=True, downloads=True)),
        accepted("I8-gated-with-secret", with_secret("m"), about(gated=True, downloads=True)),
        accepted("I8-not-known-to-be-gated", preset("m"), about(downloads=True)),
        refused("I9-secret-without-download", with_secret("m"), SECRET, "remove it", about(downloads=False)),
        refused("I10-eleven-adapters", ELEVEN, "inference.adapters", "holds 11 and at most 10"),
        refused("I11-duplicate-name", TWINS, "inference.adapters[1].source.name", "is there twice"),
        refused("A1-no-source", adapters({"source": None}), f"{FIRST}.source", "is required"),
        refused("ODDITY-A1-null-source-crashes-nothing", adapters({"source": None}, adapter()), f"{FIRST}.source",
                "is required"),
        refused("A2-two-sources", adapters(adapter(image="r.example/a:1", volumeSource={"emptyDir": {}})),
                f"{FIRST}.source", "found volumeSource and image"),
        refused("A2-bad-image", adapters(adapter(image="UPPER")), f"{FIRST}.source.image", "registry/name:tag"),
        refused("A3-no-name", adapters(adapter("")), f"{FIRST}.source.name", "is required"),
        refused("A4-name", adapters(adapter("A_")), f"{FIRST}.source.name", "must be a DNS name"),
        refused("A4-long-name", adapters(adapter("a" * 254)), f"{FIRST}.source.name", "must be a DNS name"),
        accepted("A4-subdomain", adapters(adapter("a.b-c"))),
        refused("A5-neither-image-nor-volume", adapters({"source": {"name": "a"}}), f"{FIRST}.source", "found none"),
        refused("A6-urls", adapters(adapter(urls=["https://example.com/a"])), f"{FIRST}.source.urls", "use image"),
        refused("A7-strength-no-number", adapters(adapter(strength="much")), f"{FIRST}.strength", "from 0 to 1"),
        accepted("A7-null-counts-as-one", adapters(adapter(strength=None))),
        refused("A8-strength-negative", TRANSFORMERS | adapters(adapter(strength="-0.1")), f"{FIRST}.strength", "0 to"),
        refused("A8-strength-above-one", TRANSFORMERS | adapters(adapter(strength="1.1")), f"{FIRST}.strength", "0 to"),
        refused("ODDITY-A8-not-a-number", TRANSFORMERS | adapters(adapter(strength="NaN")), f"{FIRST}.strength", "0 t"),
        refused("ODDITY-A8-infinite", TRANSFORMERS | adapters(adapter(strength="inf")), f"{FIRST}.strength", "0 to"),
    ],
)  # fmt: skip
def test_a_new_workspace(case: Created) -> None:
    judge_created(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("I12-preset", preset("a/b"), preset("a/c"), "inference.preset", "cannot be changed"),
        change_refused("I12-preset-options", preset("m"), with_secret("m"), "inference.preset", "cannot be changed"),
        change_refused(
            "I13-template-added", preset(), preset(template={}), "inference.template", "cannot be added or removed"
        ),
        change_accepted(
            "I13-template-content", {"inference": {"template": {}}}, {"inference": {"template": {"spec": {}}}}
        ),
        change_refused("I11-duplicate-on-update", preset(), TWINS, "inference.adapters[1].source.name", "twice"),
        change_refused("I14-adapter-on-update", preset(), adapters(adapter("")), f"{FIRST}.source.name", "required"),
        change_refused("ODDITY-A-ten-adapters-on-update", preset(), ELEVEN, "inference.adapters", "at most 10"),
        change_accepted("ODDITY-A-unchanged-adapters", ELEVEN, ELEVEN | annotated(performance_mode="balanced")),
        change_refused(
            "I7-runtime-changed-to-vllm",
            TRANSFORMERS | adapters(adapter(strength="0.5")),
            adapters(adapter(strength="0.5")),
            f"{FIRST}.strength",
            "vllm runtime",
        ),
        change_refused(
            "I5-runtime-changed", preset("m"), TRANSFORMERS | preset("m"), RUNTIME, "cannot", about(transformers=False)
        ),
        change_accepted("I14-adapters-may-change", preset(), adapters(adapter(), adapter("b"))),
    ],
)
def test_a_change(case: Changed) -> None:
    judge_changed(case)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        pytest.param("kaito-demo", True, id="N1-registered"),
        pytest.param("PHI-4", True, id="N2-alias-in-any-case"),
        pytest.param("microsoft/phi-4", True, id="N3-hugging-face-id"),
        pytest.param("Qwen/Qwen2.5-0.5B_x", True, id="N3-dots-and-underscores"),
        pytest.param("/srv/models/phi", True, id="N-folder"),
        pytest.param("a/", False, id="N3-no-model"),
        pytest.param("/", False, id="N3-no-organisation"),
        pytest.param("a/b/c", False, id="ODDITY-N3-three-parts"),
        pytest.param("-a/b", False, id="ODDITY-N3-leading-dash"),
        pytest.param("a/..", False, id="ODDITY-N3-dots-only"),
        pytest.param("a/b\n", False, id="ODDITY-N3-newline"),
        pytest.param("a b", False, id="N1-space"),
        pytest.param("", False, id="N1-empty"),
        pytest.param("/srv/../etc", False, id="N-folder-with-dots"),
    ],
)
def test_names_of_models(name: str, valid: bool) -> None:
    assert (preset_name_problem(name) is None) is valid


ALIASES = {
    "phi-4": "microsoft/phi-4",
    "phi-4-mini-instruct": "microsoft/phi-4-mini-instruct",
    "llama-3.1-8b-instruct": "meta-llama/llama-3.1-8b-instruct",
    "llama-3.3-70b-instruct": "meta-llama/llama-3.3-70b-instruct",
    "deepseek-r1-distill-llama-8b": "deepseek-ai/deepseek-r1-distill-llama-8b",
    "deepseek-r1-distill-qwen-14b": "deepseek-ai/deepseek-r1-distill-qwen-14b",
    "deepseek-r1-0528": "deepseek-ai/deepseek-r1-0528",
    "deepseek-v3-0324": "deepseek-ai/deepseek-v3-0324",
    "phi-3-mini-4k-instruct": "microsoft/phi-3-mini-4k-instruct",
    "phi-3-mini-128k-instruct": "microsoft/phi-3-mini-128k-instruct",
    "phi-3-medium-4k-instruct": "microsoft/phi-3-medium-4k-instruct",
    "phi-3-medium-128k-instruct": "microsoft/phi-3-medium-128k-instruct",
    "phi-3.5-mini-instruct": "microsoft/phi-3.5-mini-instruct",
    "qwen2.5-coder-7b-instruct": "qwen/qwen2.5-coder-7b-instruct",
    "qwen2.5-coder-32b-instruct": "qwen/qwen2.5-coder-32b-instruct",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gemma-3-4b-instruct": "google/gemma-3-4b-it",
    "gemma-3-27b-instruct": "google/gemma-3-27b-it",
    "mistral-7b": "mistralai/mistral-7b-v0.3",
    "mistral-7b-instruct": "mistralai/mistral-7b-instruct-v0.3",
    "ministral-3-3b-instruct": "mistralai/ministral-3-3b-instruct-2512",
    "ministral-3-8b-instruct": "mistralai/ministral-3-8b-instruct-2512",
    "ministral-3-14b-instruct": "mistralai/ministral-3-14b-instruct-2512",
    "mistral-large-3-675b-instruct": "mistralai/mistral-large-3-675b-instruct-2512",
}


@pytest.mark.parametrize("alias", ALIASES, ids=lambda alias: f"N2-{alias}")
def test_every_alias_names_its_model(alias: str) -> None:
    assert catalogue.lookup(alias.upper()).id.lower() == ALIASES[alias]
