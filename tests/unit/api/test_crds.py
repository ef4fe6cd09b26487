"""The CRD says on the server what the types say here."""

from typing import Any

from kaito.api.crds import all_crds, workspace_crd


def version(name: str) -> dict[str, Any]:
    versions: list[dict[str, Any]] = workspace_crd()["spec"]["versions"]
    (found,) = [v for v in versions if v["name"] == name]
    return found


def test_names_and_versions() -> None:
    spec = workspace_crd()["spec"]
    assert spec["names"]["shortNames"] == ["wk", "wks"]
    assert [(v["name"], v["served"], v["storage"]) for v in spec["versions"]] == [
        ("v1alpha1", True, False),
        ("v1beta1", True, True),
    ]
    assert all(v["subresources"] == {"status": {}} for v in spec["versions"])


def test_printer_columns_are_those_of_the_contract() -> None:
    old = ["Instance", "ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded", "Age"]
    assert [c["name"] for c in version("v1alpha1")["additionalPrinterColumns"]] == old
    beta = [c["name"] for c in version("v1beta1")["additionalPrinterColumns"]]
    assert beta == [*old[:5], "TargetNodeCount", "State", "Age"]


def test_v1alpha1_lacks_what_came_later() -> None:
    old = version("v1alpha1")["schema"]["openAPIV3Schema"]["properties"]
    new = version("v1beta1")["schema"]["openAPIV3Schema"]["properties"]
    assert set(new["resource"]["properties"]) - set(old["resource"]["properties"]) == {"partition"}
    assert set(new["status"]["properties"]) - set(old["status"]["properties"]) == {
        "state",
        "targetNodeCount",
        "performance",
    }


def test_limits_that_a_status_write_must_keep() -> None:
    properties = version("v1beta1")["schema"]["openAPIV3Schema"]["properties"]
    condition = properties["status"]["properties"]["conditions"]["items"]
    assert condition["required"] == ["lastTransitionTime", "message", "reason", "status", "type"]
    assert condition["properties"]["status"]["enum"] == ["True", "False", "Unknown"]
    assert condition["properties"]["message"]["maxLength"] == 32768
    assert properties["resource"]["required"] == ["labelSelector"]
    assert properties["tuning"]["required"] == ["input", "output"]
    assert properties["inference"]["properties"]["template"]["x-kubernetes-preserve-unknown-fields"] is True


def test_schemas_are_structural() -> None:
    def check(node: dict[str, Any], path: str) -> None:
        free = node.get("x-kubernetes-preserve-unknown-fields")
        assert node.get("type") or free, f"{path} has no type"
        assert not set(node) & {"$ref", "anyOf", "allOf", "title", "$defs"}, path
        for name, child in node.get("properties", {}).items():
            check(child, f"{path}.{name}")
        for name in ("items", "additionalProperties"):
            if name in node:
                check(node[name], f"{path}.{name}")

    for crd in all_crds():
        for served in crd["spec"]["versions"]:
            check(served["schema"]["openAPIV3Schema"], served["name"])
