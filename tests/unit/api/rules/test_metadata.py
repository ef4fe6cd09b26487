"""W rules and what holds for all of them; ids carry the row of the v0.12 contract (sections 10.1 and 10.10)."""

from typing import Any

import pytest

from kaito.api.validation import AdmissionFacts, validate_create, validate_update
from kaito.controllers.judges import judge
from tests.unit.api.rules.judged import judge_changed, judge_created
from tests.unit.api.rules.objects import (
    A100,
    NOTHING,
    Changed,
    Created,
    accepted,
    annotated,
    body,
    byo,
    change_accepted,
    change_refused,
    nap,
    refused,
    tuning,
    workspace,
)

FAMILY = 'metadata.annotations["kaito.sh/node-image-family"]'
MODE = 'metadata.annotations["kaito.sh/performance-mode"]'
WEIGHTS = 'metadata.annotations["kaito.sh/use-local-weights"]'
CLASS = 'metadata.annotations["kaito.sh/node-class-name"]'
BYPASS = 'metadata.annotations["kaito.sh/bypass-resource-checks"]'
STREAMING = 'metadata.annotations["kaito.sh/model-streaming"]'
KARPENTER = nap(provisioner="karpenter", node_classes=frozenset({"gpu", "fast"}))
STREAMS = AdmissionFacts(gates={"ModelStreaming": True})
LOCAL = AdmissionFacts(provisioner="local")


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "team"}}


@pytest.mark.parametrize(
    "case",
    [
        refused("W1-upper-case", named("Demo"), "metadata.name", "lower-case"),
        refused("W1-newline", named("demo\n"), "metadata.name", "lower-case"),
        refused("W1-ends-with-dash", named("demo-"), "metadata.name", "lower-case"),
        refused("W1-no-name", named(""), "metadata.name", "lower-case"),
        refused("W1-64-characters", named("x" * 64), "metadata.name", "room for 52"),
        refused("ODDITY-W1-53-characters-cannot-be-served", named("x" * 53), "metadata.name", "room for 52"),
        accepted("ODDITY-W1-52-characters-can", named("x" * 52)),
        accepted("ODDITY-W1-a-tuning-job-has-room-for-63", named("x" * 63) | tuning()),
        refused("W1-64-characters-of-tuning", named("x" * 64) | tuning(), "metadata.name", "64 characters"),
        refused("W1-generated-name", {"metadata": {"generateName": "x" * 48}}, "metadata.name", "53 characters"),
        refused("W2-neither", {"inference": None}, "inference", "set either inference or tuning"),
        refused("W3-both", {"tuning": tuning()["tuning"]}, "tuning", "cannot stand beside inference"),
        refused("W4-instance-type-on-brought-nodes", A100, "resource.instanceType", "nodes are brought", byo()),
        refused("W5-no-instance-type", {}, "resource.instanceType", "is required", nap()),
        accepted("W4-local-takes-an-instance-type", A100, LOCAL),
        accepted("W5-local-takes-none", {}, LOCAL),
        accepted("W4-unknown-provisioner-takes-one", A100),
        refused("W6-bad-image-family", annotated(node_image_family="arch"), FAMILY, "'ubuntu' or 'azurelinux'"),
        accepted("W6-trimmed-and-lower-cased", annotated(node_image_family=" Ubuntu ")),
        refused("W7-bad-performance-mode", annotated(performance_mode="fast"), MODE, "'balanced' or"),
        refused("W8-bad-local-weights", annotated(use_local_weights="yes"), WEIGHTS, "'true' or 'false'"),
        refused("W8-upper-case", annotated(use_local_weights="True"), WEIGHTS, "'true' or 'false'"),
        refused("W9-undeclared-class", annotated(node_class_name="slow") | A100, CLASS, "fast or gpu", KARPENTER),
        accepted("W9-declared-class", annotated(node_class_name="gpu") | A100, KARPENTER),
        accepted("W9-empty", annotated(node_class_name="") | A100, KARPENTER),
        accepted("W9-inert-for-other-provisioners", annotated(node_class_name="slow") | A100, nap()),
        accepted("W9-classes-unknown", annotated(node_class_name="slow") | A100, nap(provisioner="karpenter")),
        refused("ODDITY-R16-bypass-false", annotated(bypass_resource_checks="false"), BYPASS, "use 'true'"),
        refused("ODDITY-R16-bypass-yes", annotated(bypass_resource_checks="yes"), BYPASS, "use 'true'"),
        accepted("ODDITY-R16-bypass-true", annotated(bypass_resource_checks="true")),
        accepted("ODDITY-R16-bypass-empty", annotated(bypass_resource_checks="")),
    ],
)
def test_a_new_workspace(case: Created) -> None:
    judge_created(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("W9-class-changed", A100, annotated(node_class_name="slow") | A100, CLASS, "fast", KARPENTER),
        change_accepted(
            "W9-class-unchanged",
            annotated(node_class_name="slow") | A100,
            annotated(node_class_name="slow", performance_mode="balanced") | A100,
            KARPENTER,
        ),
        change_refused(
            "W10-inference-removed", {"tuning": tuning()["tuning"]}, tuning(), "inference", "cannot be added or removed"
        ),
        change_refused("W11-tuning-added", {}, {"tuning": tuning()["tuning"]}, "tuning", "cannot be added or removed"),
        change_refused("ODDITY-W6-on-update", {}, annotated(node_image_family="arch"), FAMILY, "'ubuntu'"),
        change_refused("ODDITY-W7-on-update", {}, annotated(performance_mode="fast"), MODE, "'balanced'"),
        change_refused("ODDITY-W8-on-update", {}, annotated(use_local_weights="1"), WEIGHTS, "'true'"),
        change_accepted(
            "ODDITY-W7-unchanged", annotated(performance_mode="fast"), annotated(performance_mode="fast", x="y")
        ),
        change_refused(
            "W12-streaming-changed", {}, annotated(model_streaming="disabled"), STREAMING, "cannot be changed", STREAMS
        ),
        change_accepted("W12-absent-equals-empty", {}, annotated(model_streaming=""), STREAMS),
        change_accepted("W12-gate-unknown", {}, annotated(model_streaming="disabled")),
        change_accepted("W1-a-stored-name-is-not-judged", named("x" * 60), named("x" * 60) | {"tuning": None}),
    ],
)
def test_a_change(case: Changed) -> None:
    judge_changed(case)


def test_w10_and_w11_together_name_both_parts() -> None:
    found = validate_update(workspace(), workspace(**tuning()))
    assert [error.field for error in found] == ["inference", "tuning"]


WRONG = annotated(performance_mode="fast", bypass_resource_checks="no") | {
    "inference": {"preset": {"name": "a/b/c"}, "adapters": [{"source": None}], "config": "gone"},
    "resource": {"count": 2, "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
}
WRONG_TUNING = tuning(method="full", preset=None, input={"urls": ["http://169.254.169.254/"]}, output={})


@pytest.mark.parametrize("wrong", [WRONG, WRONG_TUNING], ids=["inference", "tuning"])
@pytest.mark.parametrize("facts", [NOTHING, nap(), byo()], ids=["nothing-known", "nap", "byo"])
def test_oddity_what_did_not_change_is_never_judged(wrong: dict[str, Any], facts: AdmissionFacts) -> None:
    """ODDITY of section 9: a full validation on every write made objects that nobody could delete."""
    old = workspace(**wrong)
    meta = {**old.metadata, "finalizers": [], "labels": {"a": "b"}}
    assert validate_create(old, facts)
    assert validate_update(old, workspace(**{**wrong, "metadata": meta}), facts) == []


def test_oddity_an_object_that_is_being_deleted_can_always_change() -> None:
    gone = workspace(metadata={"name": "demo", "deletionTimestamp": "2026-01-01T00:00:00Z"}, inference=None)
    assert validate_update(workspace(), gone) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, None, id="V1-ODDITY-the-rules-of-v1beta1"),
        pytest.param({"inference": {}}, "inference.preset: is missing", id="V1-ODDITY-refused-alike"),
        pytest.param(A100, "resource.instanceType", id="V1-W4-applies"),
    ],
)
def test_the_old_version(changes: dict[str, Any], said: str | None) -> None:
    """ODDITY of 10.10: v1alpha1 had rules of its own and crashed on valid presets."""
    obj = {"apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", **body(**changes)}
    found = judge("Workspace", {"uid": "u", "operation": "CREATE", "object": obj}, byo())
    if said is None:
        assert found.refusal is None
        assert "apiVersion: kaito.sh/v1alpha1 is deprecated: use kaito.sh/v1beta1" in found.warnings
    else:
        assert said in (found.refusal or "")
