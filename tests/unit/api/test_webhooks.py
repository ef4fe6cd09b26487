"""What the API server is told of the webhooks."""

import pytest

from kaito.api.kinds import KINDS, KindInfo
from kaito.api.webhooks import Object, Service, configuration_name, configurations, validate_path

BY_NAME = {one["metadata"]["name"]: one for one in configurations(Service("there", "hooks", 9443))}


@pytest.mark.parametrize(
    ("kind", "name", "path", "versions", "scope"),
    [
        ("Workspace", "validation.workspace.kaito.sh", "/validate/workspace.kaito.sh", ["v1alpha1", "v1beta1"],
         "Namespaced"),
        ("InferenceSet", "validation.inferenceset.kaito.sh", "/validate/inferenceset.kaito.sh",
         ["v1alpha1", "v1beta1"], "Namespaced"),
        ("RAGEngine", "validation.ragengine.kaito.sh", "/validate/ragengine.kaito.sh", ["v1alpha1", "v1beta1"],
         "Namespaced"),
        ("MultiRoleInference", "validation.multiroleinference.kaito.sh", "/validate/multiroleinference.kaito.sh",
         ["v1alpha1"], "Namespaced"),
        ("ModelMirror", "validation.modelmirror.kaito.sh", "/validate/modelmirror.kaito.sh", ["v1alpha1"], "Cluster"),
    ],
)  # fmt: skip
def test_each_kind_has_its_configuration(kind: str, name: str, path: str, versions: list[str], scope: str) -> None:
    info = KINDS[kind]
    assert (configuration_name(info), validate_path(info)) == (name, path)
    for hook in BY_NAME[name]["webhooks"]:
        assert hook["clientConfig"] == {
            "service": {"namespace": "there", "name": "hooks", "port": 9443, "path": path}
        }, "no caBundle: an empty one would be worse than none"
        (rule,) = hook["rules"]
        assert (rule["apiGroups"], rule["apiVersions"], rule["scope"]) == (["kaito.sh"], versions, scope)


def test_there_is_no_configuration_beside_them() -> None:
    assert set(BY_NAME) == {configuration_name(info) for info in KINDS.values()}


def hooks() -> list[Object]:
    return [hook for one in BY_NAME.values() for hook in one["webhooks"]]


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["name"])
def test_what_all_have_in_common(hook: Object) -> None:
    assert (hook["matchPolicy"], hook["sideEffects"], hook["admissionReviewVersions"]) == ("Equivalent", "None", ["v1"])
    assert hook["namespaceSelector"] == {
        "matchExpressions": [{"key": "webhooks.knative.dev/exclude", "operator": "DoesNotExist"}]
    }
    resources = [name for rule in hook["rules"] for name in rule["resources"]]
    assert not [name for name in resources if "/" in name], "a status write is never held up"


@pytest.mark.parametrize("info", KINDS.values(), ids=lambda info: info.kind)
def test_a_deletion_never_waits_for_a_webhook_that_is_not_there(info: KindInfo) -> None:
    policies = {
        operation: hook["failurePolicy"]
        for hook in BY_NAME[configuration_name(info)]["webhooks"]
        for rule in hook["rules"]
        for operation in rule["operations"]
    }
    assert policies == {"CREATE": "Fail", "UPDATE": "Fail", "DELETE": "Ignore"}
