"""The kinds of kaito.sh on an API server: served, completed, checked, shown and scaled as their definitions say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kaito.api.crds import all_crds
from kaito.api.kinds import KINDS
from tests.api.client import APPLY_PATCH, MERGE_PATCH, Api, Object
from tests.api.kaito_kinds import path
from tests.api.objects import causes

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
SELECTOR = {"matchLabels": {"pool": "a"}}
PRESET = {"preset": {"name": "phi-4-mini-instruct"}}
MACHINE = "Standard_NC24ads_A100_v4"
ROLES = [{"type": "prefill", "replicas": 1}, {"type": "decode"}]
BODIES: dict[str, Object] = {
    "Workspace": {"resource": {"labelSelector": SELECTOR, "instanceType": MACHINE}, "inference": PRESET},
    "InferenceSet": {"spec": {"labelSelector": SELECTOR, "template": {"inference": PRESET}, "autoUpgrade": {}}},
    "RAGEngine": {"spec": {"embedding": {"local": {"modelID": "a/b"}}}},
    "MultiRoleInference": {"spec": {"labelSelector": SELECTOR, "model": {"name": "m"}, "roles": ROLES}},
    "ModelMirror": {"spec": {"source": {"registry": "huggingface", "modelID": "a/b"}, "storage": {"size": "1Gi"}}},
}
SERVED = [(kind, version) for kind, info in KINDS.items() for version in info.versions]


@pytest.fixture(scope="module")
def kinds(api: Api) -> Iterator[Api]:
    """The definitions, served."""
    for crd in all_crds():
        api.create(CRDS, crd)
    for kind, version in SERVED:
        info = KINDS[kind]
        for _ in range(500):
            if api.request("GET", f"/apis/kaito.sh/{version}/{info.plural}").status_code == 200:
                break
        else:
            raise AssertionError(f"{version} {kind} is not served")
    yield api
    for crd in all_crds():
        api.delete(f"{CRDS}/{crd['metadata']['name']}")
        api.wait(f"{CRDS}/{crd['metadata']['name']}", lambda found: found is None)


def manifest(kind: str, version: str, name: str, **fields: Any) -> Object:
    head = {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": {"name": name}}
    return json.loads(json.dumps(head | BODIES[kind] | fields))


@pytest.mark.parametrize(("kind", "version"), SERVED)
def test_a_manifest_is_taken_and_shown(kinds: Api, ns: str, kind: str, version: str) -> None:
    where, name = path(kind, version, ns), f"{ns}-{version}"
    kinds.create(where, manifest(kind, version, name), fieldValidation="Strict")
    table = kinds.get(f"{where}/{name}", headers=TABLE)
    (crd,) = [crd for crd in all_crds() if crd["spec"]["names"]["kind"] == kind]
    (served,) = [one for one in crd["spec"]["versions"] if one["name"] == version]
    columns = [one["name"] for one in table["columnDefinitions"]]
    assert columns == ["Name", *(one["name"] for one in served["additionalPrinterColumns"])]
    shown = dict(zip(columns, table["rows"][0]["cells"], strict=True))
    assert shown.get("Instance") == (MACHINE if kind == "Workspace" else None)
    assert shown.get("Model") == {"MultiRoleInference": "m", "ModelMirror": "a/b"}.get(kind)
    assert shown.get("Replicas") == (1 if kind == "InferenceSet" else None)
    kinds.delete(f"{where}/{name}")


def test_an_old_engine_comes_with_a_warning(kinds: Api, ns: str) -> None:
    for version, says in (("v1alpha1", True), ("v1beta1", False)):
        answer = kinds.request("GET", path("RAGEngine", version, ns))
        assert ("use kaito.sh/v1beta1 RAGEngine" in answer.headers.get("warning", "")) is says


def test_defaults_are_filled_in(kinds: Api, ns: str) -> None:
    wks = kinds.create(path("Workspace", "v1beta1", ns), manifest("Workspace", "v1beta1", "a"))
    assert (wks["resource"]["count"], wks["inference"]["preset"]["accessMode"]) == (1, "public")
    sets = kinds.create(path("InferenceSet", "v1beta1", ns), manifest("InferenceSet", "v1beta1", "a"))["spec"]
    assert (sets["replicas"], sets["autoUpgrade"]) == (1, {"enabled": False, "strategy": "InPlace"})
    assert sets["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}
    where = path("ModelMirror", "v1alpha1", ns)
    assert kinds.create(where, manifest("ModelMirror", "v1alpha1", ns))["spec"]["mode"] == "Managed"
    kinds.delete(f"{where}/{ns}")


def test_replicas_that_an_autoscaler_owns_stay_absent(kinds: Api, ns: str) -> None:
    made = kinds.create(path("MultiRoleInference", "v1alpha1", ns), manifest("MultiRoleInference", "v1alpha1", "a"))
    assert made["spec"]["roles"] == ROLES


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_a_workspace_on_brought_nodes_gets_no_machine_type(kinds: Api, ns: str, version: str) -> None:
    body = manifest("Workspace", version, "a", resource={"labelSelector": SELECTOR})
    kinds.create(path("Workspace", version, ns), body)
    where = path("Workspace", "v1alpha1", ns, "a")
    kinds.replace(where, kinds.get(where))
    assert "instanceType" not in kinds.get(path("Workspace", "v1beta1", ns, "a"))["resource"]


def test_a_set_scales_to_zero(kinds: Api, ns: str) -> None:
    where = path("InferenceSet", "v1beta1", ns, "a")
    kinds.create(path("InferenceSet", "v1beta1", ns), manifest("InferenceSet", "v1beta1", "a"))
    kinds.patch(f"{where}/status", {"status": {"replicas": 1, "selector": "a=b"}})
    assert kinds.get(f"{where}/scale")["status"] == {"replicas": 1, "selector": "a=b"}
    kinds.patch(f"{where}/scale", {"spec": {"replicas": 0}})
    assert kinds.get(where)["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        pytest.param({"labelSelector": {}}, "spec.labelSelector", "at least one matchLabels", id="an empty selector"),
        pytest.param({"roles": ROLES[:1]}, "spec.roles", "should have at least 2 items", id="one role"),
        pytest.param({"roles": [*ROLES, ROLES[0]]}, "spec.roles", "must have at most 2 items", id="three roles"),
        pytest.param(
            {"roles": [ROLES[0]] * 2}, "spec.roles", "exactly one prefill and one decode", id="one role twice"
        ),
        pytest.param(
            {"roles": [ROLES[0], {"type": "decode", "replicas": 0}]},
            "spec.roles[1].replicas",
            "should be greater than or equal to 1",
            id="no replicas",
        ),
    ],
)
def test_wrong_roles_are_refused(kinds: Api, ns: str, fields: Object, field: str, words: str) -> None:
    body = manifest("MultiRoleInference", "v1alpha1", "a")
    body["spec"] |= fields
    status = kinds.refused("POST", path("MultiRoleInference", "v1alpha1", ns), body, code=422)
    assert field in [name for name, _ in causes(status)]
    assert words in status["message"]


def test_what_cannot_change_does_not_keep_the_rest_from_changing(kinds: Api, ns: str) -> None:
    where = path("ModelMirror", "v1alpha1", ns, ns)
    kinds.create(path("ModelMirror", "v1alpha1", ns), manifest("ModelMirror", "v1alpha1", ns))
    patch = {"Content-Type": MERGE_PATCH}
    status = kinds.refused("PATCH", where, {"spec": {"jobNamespace": "x"}}, code=422, headers=patch)
    assert "cannot be changed: make another ModelMirror" in status["message"]
    kinds.patch(where, {"metadata": {"finalizers": ["kaito.sh/test"]}})
    kinds.patch(f"{where}/status", {"status": {"phase": "Ready"}})
    kinds.delete(where)
    kinds.patch(where, {"metadata": {"finalizers": None}})
    kinds.wait(where, lambda found: found is None)


def test_each_condition_has_an_owner_of_its_own(kinds: Api, ns: str) -> None:
    where = path("Workspace", "v1beta1", ns, "a")
    kinds.create(path("Workspace", "v1beta1", ns), manifest("Workspace", "v1beta1", "a"))
    head = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "a"}}
    for kind in ("NodesReady", "InferenceReady"):
        condition = {
            "type": kind,
            "status": "True",
            "reason": "Ready",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        body = json.dumps({**head, "status": {"conditions": [condition]}})
        apply = {"Content-Type": APPLY_PATCH}
        kinds.ok("PATCH", f"{where}/status", content=body, headers=apply, fieldManager=kind)
    assert [one["type"] for one in kinds.get(where)["status"]["conditions"]] == ["NodesReady", "InferenceReady"]
