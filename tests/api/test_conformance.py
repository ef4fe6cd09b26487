"""What a real API server answered to the same requests."""

from __future__ import annotations

import json

import httpx

from tests.api.client import APPLY_PATCH, MERGE_PATCH, Api
from tests.api.objects import config_map, config_maps, deployments

LAST = "kubectl.kubernetes.io/last-applied-configuration"


def apply(api: Api, path: str, body: dict, manager: str, **query: object) -> httpx.Response:
    headers = {"Content-Type": APPLY_PATCH}
    return api.request("PATCH", path, content=json.dumps(body), headers=headers, fieldManager=manager, **query)


def test_a_list_at_an_exact_version_shows_what_was_there_then(api: Api, ns: str) -> None:
    first = api.create(config_maps(ns), config_map("a"))["metadata"]["resourceVersion"]
    api.create(config_maps(ns), config_map("b"))
    api.delete(f"{config_maps(ns)}/a")
    then = api.get(config_maps(ns), resourceVersion=first, resourceVersionMatch="Exact")
    assert [item["metadata"]["name"] for item in then["items"] if item["metadata"]["name"] in "ab"] == ["a"]
    assert then["metadata"]["resourceVersion"] == first


def test_kubectl_may_take_over_what_it_applied_on_the_client_side(api: Api, ns: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": ns}, "data": {"k": "1"}}
    stored = body | {"metadata": body["metadata"] | {"annotations": {LAST: json.dumps(body)}}}
    api.create(config_maps(ns), stored, fieldManager="kubectl-client-side-apply")
    changed = body | {"data": {"k": "2"}}
    answer = apply(api, f"{config_maps(ns)}/a", changed, "kubectl")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert after["data"] == {"k": "2"}
    assert json.loads(after["metadata"]["annotations"][LAST]) == changed


def test_another_manager_meets_a_conflict_there(api: Api, ns: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    api.create(config_maps(ns), body, fieldManager="kubectl-client-side-apply")
    assert apply(api, f"{config_maps(ns)}/a", body | {"data": {"k": "2"}}, "other").status_code == 409


def test_a_patch_may_not_change_the_uid(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    patch = {"metadata": {"uid": "x"}}
    refused = api.refused("PATCH", f"{config_maps(ns)}/a", patch, code=422, headers={"Content-Type": MERGE_PATCH})
    assert [cause["field"] for cause in refused["details"]["causes"]] == ["metadata.uid", "metadata.uid"]


def test_a_finalizer_of_a_built_in_kind_is_standard_or_has_a_domain(api: Api, ns: str) -> None:
    body = config_map("a") | {"metadata": {"name": "a", "finalizers": ["nodomain"]}}
    refused = api.refused("POST", config_maps(ns), body, code=422)
    assert refused["details"]["causes"][0]["field"] == "metadata.finalizers[0]"


def test_delete_options_are_typed(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    refused = api.refused("DELETE", f"{config_maps(ns)}/a", {"gracePeriodSeconds": "x"}, code=400)
    expected = "cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
    assert refused["message"] == f"json: {expected}"
    refused = api.refused("DELETE", f"{config_maps(ns)}/a", {"kind": "Pod", "apiVersion": "v1"}, code=400)
    assert refused["message"].startswith('no kind "Pod" is registered')


def test_a_version_that_has_no_such_kind_is_told(api: Api, ns: str) -> None:
    refused = api.refused("POST", config_maps(ns), config_map("a") | {"apiVersion": "v9"}, code=400)
    assert refused["message"].startswith('ConfigMap in version "v9" cannot be handled as a ConfigMap: no kind')


def test_an_empty_deployment_lacks_three_things(api: Api, ns: str) -> None:
    refused = api.refused("POST", deployments(ns), {"metadata": {"name": "d"}, "spec": {}}, code=422)
    assert len(refused["details"]["causes"]) == 3


def test_a_binding_for_another_pod_of_the_name_is_a_conflict(api: Api, pod_ns: str) -> None:
    gated = {"containers": [{"name": "c", "image": "x"}], "schedulingGates": [{"name": "example.com/wait"}]}
    api.create(f"/api/v1/namespaces/{pod_ns}/pods", {"metadata": {"name": "p"}, "spec": gated})
    body = {"metadata": {"name": "p", "uid": "another"}, "target": {"kind": "Node", "name": "n"}}
    refused = api.refused("POST", f"/api/v1/namespaces/{pod_ns}/pods/p/binding", body, code=409)
    assert refused["reason"] == "Conflict"
