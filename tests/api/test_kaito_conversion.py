"""Both versions of a kind on an API server that asks the conversion webhook: what one client writes, no other loses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kaito.api import keys
from kaito.api.conversion import DEFAULT_INSTANCE_TYPE, review
from kaito.api.crds import all_crds, with_webhook
from kaito.api.kinds import KINDS, decode
from tests.api.client import MERGE_PATCH, Api, Object
from tests.api.kaito_kinds import until_served
from tests.api.webhook import serving

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SELECTOR = {"matchLabels": {"pool": "a"}}
SLICE = {"mode": "accelerator", "count": 2}
BROUGHT = {"labelSelector": SELECTOR, "count": 1, "partition": SLICE}
MANIFESTS = list(yaml.safe_load_all((Path(__file__).parent / "kaito_manifests.yaml").read_text()))
EMBEDDING = {"local": {"modelID": "a/b"}}


def answer(request: Object) -> Object:
    response: Object = review({"request": request})["response"]
    return response


@pytest.fixture(scope="module")
def kinds(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """All definitions, served, with their conversion."""
    with serving(tmp_path_factory.mktemp("hook"), answer) as hook:
        crds = [with_webhook(crd, hook.config()) for crd in all_crds()]
        for crd in crds:
            api.create(CRDS, crd)
        for crd in crds:
            for version in crd["spec"]["versions"]:
                until_served(api, f"/apis/kaito.sh/{version['name']}/{crd['spec']['names']['plural']}")
        yield api
        for crd in crds:
            api.delete(f"{CRDS}/{crd['metadata']['name']}")
            api.wait(f"{CRDS}/{crd['metadata']['name']}", lambda found: found is None)


def path(version: str, ns: str, plural: str = "workspaces", name: str = "a") -> str:
    return f"/apis/kaito.sh/{version}/namespaces/{ns}/{plural}/{name}"


def create(api: Api, ns: str, version: str, kind: str = "Workspace", **fields: Any) -> Object:
    collection = path(version, ns, f"{kind.lower()}s", "").rstrip("/")
    body = {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": {"name": "a"}, **fields}
    return api.create(collection, body, fieldValidation="Strict")


def with_status(api: Api, ns: str) -> Object:
    """A Workspace on brought nodes, with a status: much that v1alpha1 cannot say."""
    create(api, ns, "v1beta1", resource=BROUGHT, inference={"preset": {"name": "m", "accessMode": "public"}})
    return api.patch(f"{path('v1beta1', ns)}/status", {"status": {"state": "Ready", "targetNodeCount": 2}})


def test_reading_and_writing_back_in_v1alpha1_changes_nothing(kinds: Api, ns: str) -> None:
    before = with_status(kinds, ns)
    old = kinds.get(path("v1alpha1", ns))
    assert set(old["resource"]) == {"labelSelector", "count"}
    assert "status" not in old
    kinds.replace(path("v1alpha1", ns), old)
    after = kinds.get(path("v1beta1", ns))
    assert {key: after[key] for key in ("resource", "inference", "status")} == {
        key: before[key] for key in ("resource", "inference", "status")
    }
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert "annotations" not in after["metadata"]


def test_a_v1alpha1_client_changes_only_what_it_changes(kinds: Api, ns: str) -> None:
    with_status(kinds, ns)
    kinds.patch(path("v1alpha1", ns), {"resource": {"count": 3}})
    kinds.patch(f"{path('v1alpha1', ns)}/status", {"status": {"workerNodes": ["n"]}})
    after = kinds.get(path("v1beta1", ns))
    assert after["resource"] == BROUGHT | {"count": 3}
    assert after["status"] == {"state": "Ready", "targetNodeCount": 2, "workerNodes": ["n"]}


def test_an_apply_in_v1alpha1_keeps_what_others_said_in_v1beta1(kinds: Api, ns: str) -> None:
    with_status(kinds, ns)
    wish = {
        "apiVersion": "kaito.sh/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": "a"},
        "resource": {"labelSelector": SELECTOR, "preferredNodes": ["n"]},
    }
    for _ in range(2):
        kinds.apply(path("v1alpha1", ns), wish, "old-client")
    after = kinds.get(path("v1beta1", ns))
    assert after["resource"] == BROUGHT | {"preferredNodes": ["n"]}
    assert after["status"] == {"state": "Ready", "targetNodeCount": 2}


def test_a_new_v1alpha1_workspace_without_a_machine_type_has_the_default(kinds: Api, ns: str) -> None:
    create(kinds, ns, "v1alpha1", resource={"labelSelector": SELECTOR})
    assert kinds.get(path("v1beta1", ns))["resource"]["instanceType"] == DEFAULT_INSTANCE_TYPE


def test_an_old_engine_keeps_its_volume_and_its_service_names(kinds: Api, ns: str) -> None:
    spec = {
        "embedding": EMBEDDING,
        "storage": {"persistentVolumeClaim": "index", "mountPath": "/m"},
        "queryServiceName": "q",
    }
    create(kinds, ns, "v1alpha1", "RAGEngine", spec=spec)
    new = kinds.get(path("v1beta1", ns, "ragengines"))["spec"]
    assert new == {"embedding": EMBEDDING, "storage": {"persistentVolume": spec["storage"]}}
    kinds.patch(path("v1beta1", ns, "ragengines"), {"spec": {"guardrails": {"enabled": True}}})
    assert kinds.get(path("v1alpha1", ns, "ragengines"))["spec"] == spec


def test_an_engine_that_only_retrieves_can_be_written_back(kinds: Api, ns: str) -> None:
    spec = {"embedding": EMBEDDING, "inferenceService": {"contextWindowSize": 1}}
    create(kinds, ns, "v1beta1", "RAGEngine", spec=spec)
    where = path("v1alpha1", ns, "ragengines")
    kinds.replace(where, kinds.get(where))
    assert kinds.get(path("v1beta1", ns, "ragengines"))["spec"] == spec


def test_a_damaged_annotation_is_refused_with_its_name(kinds: Api, ns: str) -> None:
    with_status(kinds, ns)
    patch = {"metadata": {"annotations": {keys.V1BETA1_FIELDS: '{"/resource/partition": "x"}'}}}
    answer = kinds.request("PATCH", path("v1alpha1", ns), patch, headers={"Content-Type": MERGE_PATCH})
    assert answer.status_code == 500
    assert f"metadata.annotations[{keys.V1BETA1_FIELDS}]: holds resource.partition" in answer.json()["message"]


def test_a_list_shows_all_in_one_version(kinds: Api, ns: str) -> None:
    with_status(kinds, ns)
    listed = kinds.get(f"/apis/kaito.sh/v1alpha1/namespaces/{ns}/workspaces")
    assert [(one["apiVersion"], one["resource"]["count"]) for one in listed["items"]] == [("kaito.sh/v1alpha1", 1)]


@pytest.mark.parametrize("body", MANIFESTS, ids=lambda body: f"{body['kind']}-{body['metadata']['name']}")
def test_what_people_write_is_taken_and_read_the_same(kinds: Api, ns: str, body: Object) -> None:
    info, version = KINDS[body["kind"]], body["apiVersion"].rpartition("/")[2]
    where = f"/namespaces/{ns}/{info.plural}" if info.namespaced else f"/{info.plural}"
    name = body["metadata"]["name"]
    kinds.create(f"/apis/kaito.sh/{version}{where}", body, fieldValidation="Strict")
    seen = decode(kinds.get(f"/apis/kaito.sh/{info.stored}{where}/{name}")).encode()
    typed = decode(body, instance_type=DEFAULT_INSTANCE_TYPE).encode()
    assert seen | {"metadata": {}} == typed | {"metadata": {}}
    kinds.delete(f"/apis/kaito.sh/{version}{where}/{name}")
