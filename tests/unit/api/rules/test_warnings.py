"""What is said of a Workspace that is accepted all the same."""

from typing import Any

import pytest

from kaito.api.validation import AdmissionFacts, warnings
from tests.unit.api.rules.objects import LABELS, NOTHING, annotated, tuning, workspace

SECRET = {"inference": {"preset": {"name": "m", "presetOptions": {"modelAccessSecret": "hf"}}}}
OLD_OPTIONS = {"image": "i", "imagePullSecrets": ["s"]}
OLD_PRESET = {"inference": {"preset": {"name": "m", "accessMode": "private", "presetOptions": OLD_OPTIONS}}}
RESERVED = {"resource": {"labelSelector": {"matchLabels": {"apps": "a", "kaito.sh/workspace": "x"}}}}


@pytest.mark.parametrize(
    ("changes", "facts", "said"),
    [
        pytest.param({}, NOTHING, [], id="nothing"),
        pytest.param(
            {"metadata": {"name": "x" * 53}, **tuning()},
            NOTHING,
            ["metadata.name: has 53 characters, too many to serve the result under: keep to 52"],
            id="ODDITY-W1-warning-above-52",
        ),
        pytest.param(
            annotated(runtime="tgi"),
            NOTHING,
            [
                "metadata.annotations[\"kaito.sh/runtime\"]: 'tgi' is not known and vllm is used: "
                "write vllm or transformers"
            ],
            id="unknown-runtime",
        ),
        pytest.param(
            {"resource": {"count": 2, "labelSelector": LABELS, "preferredNodes": ["a"]}},
            NOTHING,
            [
                "resource.count: is deprecated: the planner decides how many nodes the model needs",
                "resource.preferredNodes: is deprecated and ignored: choose nodes by resource.labelSelector",
            ],
            id="deprecated-resource-fields",
        ),
        pytest.param(
            OLD_PRESET,
            NOTHING,
            [
                "inference.preset.accessMode: is deprecated and ignored: a gated model needs "
                "presetOptions.modelAccessSecret",
                "inference.preset.presetOptions.image: is deprecated and ignored: remove it",
                "inference.preset.presetOptions.imagePullSecrets: is deprecated and ignored: remove it",
            ],
            id="deprecated-preset-fields",
        ),
        pytest.param(
            RESERVED,
            NOTHING,
            ["resource.labelSelector: kaito.sh/workspace is ignored: KAITO sets it itself"],
            id="R4-reserved-key",
        ),
        pytest.param(SECRET, NOTHING, [], id="secret-not-looked-up"),
        pytest.param(
            SECRET,
            AdmissionFacts(secrets={("team", "hf"): None}),
            ["inference.preset.presetOptions.modelAccessSecret: there is no Secret 'hf' in namespace team: create it"],
            id="I8-missing-secret",
        ),
        pytest.param(
            SECRET,
            AdmissionFacts(secrets={("team", "hf"): frozenset({"token"})}),
            ["inference.preset.presetOptions.modelAccessSecret: Secret 'hf' has no key HF_TOKEN: put it there"],
            id="I8-secret-without-key",
        ),
        pytest.param(
            SECRET, AdmissionFacts(secrets={("team", "hf"): frozenset({"HF_TOKEN"})}), [], id="I8-secret-with-key"
        ),
        pytest.param(
            tuning(output={"image": "r.example/a:1", "imagePushSecret": "push"}),
            AdmissionFacts(secrets={("team", "push"): None}),
            ["tuning.output.imagePushSecret: there is no Secret 'push' in namespace team: create it"],
            id="D8-missing-push-secret",
        ),
    ],
)
def test_warnings(changes: dict[str, Any], facts: AdmissionFacts, said: list[str]) -> None:
    assert warnings(workspace(**changes), facts) == said


def test_a_change_repeats_no_warning() -> None:
    old = {"resource": {"count": 2, "labelSelector": LABELS}}
    found = warnings(workspace(**old, **annotated(runtime="tgi")), old=workspace(**old))
    assert [one.partition(":")[0] for one in found] == ['metadata.annotations["kaito.sh/runtime"]']


def test_v1_the_old_version_is_named_at_every_write() -> None:
    said = "apiVersion: kaito.sh/v1alpha1 is deprecated: use kaito.sh/v1beta1"
    assert warnings(workspace(), version="v1alpha1") == [said]
    assert warnings(workspace(), old=workspace(), version="v1alpha1") == [said]
