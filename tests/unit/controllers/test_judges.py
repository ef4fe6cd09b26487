"""Who judges which kind, and what is said of a deletion."""

from typing import Any

import pytest

from kaito.api.kinds import KINDS
from kaito.controllers.judges import JUDGES, judge

Object = dict[str, Any]
META = {"name": "one", "namespace": "default"}
GOOD: dict[str, Object] = {
    "Workspace": {
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": META,
        "resource": {"labelSelector": {"matchLabels": {"apps": "one"}}},
        "inference": {"preset": {"name": "kaito-demo"}},
    },
    "InferenceSet": {
        "apiVersion": "kaito.sh/v1beta1", "kind": "InferenceSet", "metadata": META,
        "spec": {
            "replicas": 1,
            "labelSelector": {"matchLabels": {"apps": "one"}},
            "template": {
                "resource": {"instanceType": "Standard_NC24ads_A100_v4"},
                "inference": {"preset": {"name": "kaito-demo"}},
            },
        },
    },
    "RAGEngine": {
        "apiVersion": "kaito.sh/v1beta1", "kind": "RAGEngine", "metadata": META,
        "spec": {"embedding": {"local": {"modelID": "BAAI/bge-small-en-v1.5"}},
                 "inferenceService": {"url": "http://one/v1/completions", "contextWindowSize": 4096}},
    },
    "MultiRoleInference": {
        "apiVersion": "kaito.sh/v1alpha1", "kind": "MultiRoleInference", "metadata": META,
        "spec": {
            "labelSelector": {"matchLabels": {"apps": "one"}},
            "model": {"name": "kaito-demo"},
            "roles": [{"type": "prefill", "replicas": 1, "instanceType": "Standard_NC24ads_A100_v4"},
                      {"type": "decode", "replicas": 1, "instanceType": "Standard_NC24ads_A100_v4"}],
        },
    },
    "ModelMirror": {
        "apiVersion": "kaito.sh/v1alpha1", "kind": "ModelMirror", "metadata": {"name": "one"},
        "spec": {"source": {"modelID": "org/model", "registry": "huggingface"},
                 "storage": {"size": "10Gi", "storageClassName": "fast"},
                 "jobNamespace": "team"},
    },
}  # fmt: skip


def asked(obj: Object, operation: str = "CREATE", **more: Any) -> Object:
    return {"uid": "u", "operation": operation, "object": obj, **more}


def test_every_kind_has_a_judge() -> None:
    assert set(JUDGES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_the_type_does_not_know_is_named(kind: str) -> None:
    said = judge(kind, asked({**GOOD[kind], "inferense": {}}))
    assert said.refusal is not None
    assert said.refusal.startswith("decoding request failed: ")
    assert "inferense" in said.refusal


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_right_passes(kind: str) -> None:
    assert judge(kind, asked(GOOD[kind])).refusal is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"subResource": "status"}, id="status"),
        pytest.param({"oldObject": None, "operation": "DELETE", "object": None}, id="deletion of nothing readable"),
        pytest.param({"object": {"spec": 1, "metadata": {"deletionTimestamp": "t"}}}, id="on its way out"),
    ],
)
def test_what_its_author_cannot_repair_passes(kind: str, more: Object) -> None:
    broken = {**GOOD[kind], "inferense": {}}
    assert judge(kind, asked(broken, "UPDATE") | more).refusal is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "old",
    [
        {"spec": "?"},
        {"metadata": None},
        {"metadata": {"ownerReferences": [{"controller": True}]}},
        "text",
        None,
        {"metadata": {"ownerReferences": {"a": 1}}},
        {"metadata": {"ownerReferences": ["a"]}},
        {"metadata": []},
    ],
    ids=["no-spec", "no-metadata", "half-an-owner", "no-object", "nothing", "owners-in-a-map", "owner-is-text", "list"],
)
def test_a_broken_object_can_be_deleted(kind: str, old: Any) -> None:
    said = judge(kind, asked({}, "DELETE", oldObject=old) | {"object": None})
    assert (said.refusal, list(said.warnings)) == (None, [])


def owned(**more: Any) -> Object:
    owner = {"apiVersion": "kaito.sh/v1beta1", "kind": "InferenceSet", "name": "all", "controller": True, "uid": "u"}
    return {**GOOD["Workspace"], "metadata": META | {"ownerReferences": [owner]} | more}


WARNING = (
    "Workspace one belongs to InferenceSet all, which makes another in its place: scale or delete the InferenceSet "
    "instead"
)


@pytest.mark.parametrize(
    ("old", "user", "warnings"),
    [
        pytest.param(owned(), "ann", [WARNING], id="by a person"),
        pytest.param(owned(), "system:serviceaccount:kube-system:generic-garbage-collector", [], id="by a controller"),
        pytest.param(owned(deletionTimestamp="t"), "ann", [], id="again"),
        pytest.param(GOOD["Workspace"], "ann", [], id="nobody's"),
        pytest.param(
            owned(ownerReferences=[{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "controller": True}]),
            "ann", [], id="somebody else's",
        ),
    ],
)  # fmt: skip
def test_a_deletion_warns_of_what_its_owner_makes_anew(old: Object, user: str, warnings: list[str]) -> None:
    said = judge("Workspace", asked({}, "DELETE", oldObject=old, userInfo={"username": user}) | {"object": None})
    assert (said.refusal, list(said.warnings)) == (None, warnings)
