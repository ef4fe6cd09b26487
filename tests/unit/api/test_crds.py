"""Each kind is named, versioned, stored and shown as the contract says."""

from typing import Any

import pytest

from kaito.api.crds import all_crds, with_webhook
from kaito.api.kinds import KINDS
from kaito.local.schema.crd_validate import validate

CRDS = {crd["spec"]["names"]["kind"]: crd for crd in all_crds()}
BOTH = [("v1alpha1", False), ("v1beta1", True)]
ALPHA = [("v1alpha1", True)]
VERSIONS = [(kind, version["name"]) for kind, crd in CRDS.items() for version in crd["spec"]["versions"]]
SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def version(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in CRDS[kind]["spec"]["versions"] if one["name"] == name]
    return found


@pytest.mark.parametrize(
    ("kind", "plural", "short", "categories", "scope", "versions"),
    [
        ("Workspace", "workspaces", ["wk", "wks"], ["workspace"], "Namespaced", BOTH),
        ("InferenceSet", "inferencesets", ["is", "isets"], ["inferenceset"], "Namespaced", BOTH),
        ("RAGEngine", "ragengines", ["rag"], ["ragengine"], "Namespaced", BOTH),
        ("MultiRoleInference", "multiroleinferences", ["mri"], ["kaito"], "Namespaced", ALPHA),
        ("ModelMirror", "modelmirrors", None, None, "Cluster", ALPHA),
    ],
)
def test_names_scope_and_versions(
    kind: str, plural: str, short: Any, categories: Any, scope: str, versions: list[tuple[str, bool]]
) -> None:
    crd = CRDS[kind]
    names = crd["spec"]["names"]
    assert crd["metadata"]["name"] == f"{plural}.kaito.sh"
    assert (names["plural"], names["singular"], names["listKind"]) == (plural, kind.lower(), f"{kind}List")
    assert (names.get("shortNames"), names.get("categories"), crd["spec"]["scope"]) == (short, categories, scope)
    assert [(one["name"], one["storage"]) for one in crd["spec"]["versions"]] == versions
    assert all(one["served"] for one in crd["spec"]["versions"])
    assert "conversion" not in crd["spec"]


@pytest.mark.parametrize(("kind", "name"), VERSIONS)
def test_status_is_apart_everywhere_and_only_sets_are_scaled(kind: str, name: str) -> None:
    wanted = {"status": {}} | ({"scale": SCALE} if kind == "InferenceSet" else {})
    assert version(kind, name)["subresources"] == wanted


@pytest.mark.parametrize(("kind", "name"), VERSIONS)
def test_only_the_old_engine_is_deprecated(kind: str, name: str) -> None:
    found = version(kind, name)
    if (kind, name) == ("RAGEngine", "v1alpha1"):
        text = "kaito.sh/v1alpha1 RAGEngine is deprecated; use kaito.sh/v1beta1 RAGEngine"
        assert (found["deprecated"], found["deprecationWarning"]) == (True, text)
    else:
        assert not {"deprecated", "deprecationWarning"} & set(found)


def condition(kind: str) -> tuple[str, str, str]:
    return (kind, "string", f'.status.conditions[?(@.type=="{kind}")].status')


OLD_WORKSPACE = [
    ("Instance", "string", ".resource.instanceType"),
    *map(condition, ("ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded")),
]
NEW_WORKSPACE = [
    *OLD_WORKSPACE,
    ("TargetNodeCount", "integer", ".status.targetNodeCount"),
    ("State", "string", ".status.state"),
]
SET = [("Replicas", "integer", ".spec.replicas"), ("ReadyReplicas", "integer", ".status.readyReplicas")]
ENGINE = [
    ("Instance", "string", ".spec.compute.instanceType"),
    condition("ResourceReady"),
    condition("ServiceReady"),
]


@pytest.mark.parametrize(
    ("kind", "name", "columns"),
    [
        ("Workspace", "v1alpha1", OLD_WORKSPACE),
        ("Workspace", "v1beta1", NEW_WORKSPACE),
        ("InferenceSet", "v1alpha1", SET),
        ("InferenceSet", "v1beta1", SET),
        ("RAGEngine", "v1alpha1", ENGINE),
        ("RAGEngine", "v1beta1", ENGINE),
        ("MultiRoleInference", "v1alpha1", [("Model", "string", ".spec.model.name"), condition("Ready")]),
        (
            "ModelMirror",
            "v1alpha1",
            [("Model", "string", ".spec.source.modelID"), ("Phase", "string", ".status.phase")],
        ),
    ],
)
def test_columns(kind: str, name: str, columns: list[tuple[str, str, str]]) -> None:
    found = [(one["name"], one["type"], one["jsonPath"]) for one in version(kind, name)["additionalPrinterColumns"]]
    assert found == [*columns, ("Age", "date", ".metadata.creationTimestamp")]


@pytest.mark.parametrize("kind", KINDS)
def test_an_api_server_accepts_the_definition(kind: str) -> None:
    assert validate(CRDS[kind]) == []


@pytest.mark.parametrize(("kind", "name"), VERSIONS)
def test_the_schema_is_structural(kind: str, name: str) -> None:
    def check(node: dict[str, Any], path: str) -> None:
        free = node.get("x-kubernetes-preserve-unknown-fields")
        assert bool(node.get("type")) != bool(free), f"{path} has no type"
        assert not set(node) & {"$ref", "anyOf", "allOf", "title", "$defs", "const"}, path
        for field, child in node.get("properties", {}).items():
            check(child, f"{path}.{field}")
        for field in ("items", "additionalProperties"):
            if field in node:
                check(node[field], f"{path}.{field}")

    check(version(kind, name)["schema"]["openAPIV3Schema"], name)


def test_a_webhook_converts_kinds_that_have_two_versions() -> None:
    client = {"service": {"name": "kaito", "namespace": "kaito", "path": "/convert"}}
    converted = {kind: with_webhook(crd, client) for kind, crd in CRDS.items()}
    stanza = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
    assert {kind for kind, crd in converted.items() if crd["spec"].get("conversion") == stanza} == {
        "Workspace",
        "InferenceSet",
        "RAGEngine",
    }
    assert all(validate(crd) == [] for crd in converted.values())
    assert "conversion" not in CRDS["Workspace"]["spec"]
