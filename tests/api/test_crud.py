"""Create, read, replace and delete, over the kinds of several groups."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.api.client import Api, Object
from tests.api.objects import config_map, config_maps, deployment, deployments, job, jobs, pod, pods, service, services

CASES = {
    "configmap": (config_maps, config_map("one", {"a": "1"})),
    "secret": (lambda ns: f"/api/v1/namespaces/{ns}/secrets", {"metadata": {"name": "one"}, "data": {"a": "MQ=="}}),
    "service": (services, service("one")),
    "pod": (pods, pod("one")),
    "deployment": (deployments, deployment("one")),
    "job": (jobs, job("one")),
    "lease": (
        lambda ns: f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
        {"metadata": {"name": "one"}, "spec": {"holderIdentity": "me", "renewTime": "2026-01-02T03:04:05.678901Z"}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_goes_through_its_life(api: Api, pod_ns: str, case: str) -> None:
    collection, body = CASES[case][0](pod_ns), CASES[case][1]
    made = api.create(collection, body)
    path = f"{collection}/one"
    assert api.get(path)["metadata"]["uid"] == made["metadata"]["uid"]
    assert [item["metadata"]["name"] for item in api.get(collection)["items"] if _is_ours(item)] == ["one"]
    version = api.get(path)["metadata"]["resourceVersion"]
    touched = _touch(api, path)
    while touched.status_code == 409:  # a controller was quicker
        touched = _touch(api, path)
    replaced = touched.json()
    assert replaced["metadata"]["labels"] == {"touched": "yes"}
    assert replaced["metadata"]["resourceVersion"] != version
    assert replaced["metadata"]["uid"] == made["metadata"]["uid"]
    api.delete(path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    assert api.wait(path, lambda found: found is None) is None
    assert api.refused("GET", path, code=404)["reason"] == "NotFound"


def _touch(api: Api, path: str) -> httpx.Response:
    seen = api.get(path)
    seen["metadata"]["labels"] = {"touched": "yes"}
    return api.request("PUT", path, seen)


def _is_ours(item: Object) -> bool:
    return item["metadata"]["name"] == "one"


def test_create_fills_in_the_metadata(api: Api, ns: str) -> None:
    made = api.create(config_maps(ns), {"metadata": {"name": "a"}, "data": {"k": "v"}})
    meta = made["metadata"]
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    assert (meta["name"], meta["namespace"]) == ("a", ns)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", meta["uid"])
    assert int(meta["resourceVersion"]) > 0
    made_at = datetime.strptime(meta["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made_at) < timedelta(minutes=1)
    assert "generation" not in meta


def test_what_a_client_may_not_choose_is_ignored_at_create(api: Api, ns: str) -> None:
    chosen = {"uid": "11111111-1111-4111-8111-111111111111", "creationTimestamp": "2001-01-01T00:00:00Z"}
    made = api.create(config_maps(ns), config_map("a", None, selfLink="/x", **chosen))["metadata"]
    assert made["uid"] != chosen["uid"]
    assert made["creationTimestamp"] > "2026"
    assert "selfLink" not in made


def test_creating_with_a_resource_version_is_refused(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), config_map("a", resourceVersion="1"), code=500)
    assert "resourceVersion should not be set on objects to be created" in status["message"]


def test_generate_name_appends_five_characters(api: Api, ns: str) -> None:
    names = [api.create(config_maps(ns), {"metadata": {"generateName": "run-"}})["metadata"]["name"] for _ in range(3)]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"run-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_generate_name_is_cut_to_fit(api: Api, ns: str) -> None:
    made = api.create(config_maps(ns), {"metadata": {"generateName": "x" * 80}})["metadata"]["name"]
    assert re.fullmatch(r"x{58}[a-z0-9]{5}", made)


def test_a_name_wins_over_generate_name(api: Api, ns: str) -> None:
    made = api.create(config_maps(ns), {"metadata": {"name": "exact", "generateName": "run-"}})["metadata"]
    assert (made["name"], made["generateName"]) == ("exact", "run-")


def test_a_taken_name_is_a_conflict(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    status = api.refused("POST", config_maps(ns), config_map("a"), code=409)
    assert (status["reason"], status["message"]) == ("AlreadyExists", 'configmaps "a" already exists')
    assert status["details"] == {"name": "a", "kind": "configmaps"}


def test_details_carry_the_group(api: Api, ns: str) -> None:
    status = api.refused("GET", f"{deployments(ns)}/nope", code=404)
    assert status["message"] == 'deployments.apps "nope" not found'
    assert status["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


def test_the_same_name_in_two_namespaces_is_two_objects(api: Api, ns: str) -> None:
    here = api.create(config_maps(ns), config_map("shared-name"))
    there = api.create(config_maps("default"), config_map(f"shared-{ns}"))
    assert here["metadata"]["namespace"] != there["metadata"]["namespace"]
    everywhere = api.get("/api/v1/configmaps")["items"]
    found = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in everywhere}
    assert {(ns, "shared-name"), ("default", f"shared-{ns}")} <= found
    api.delete(f"{config_maps('default')}/shared-{ns}")


def test_a_list_names_its_kind_and_leaves_it_out_of_items(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    listed = api.get(config_maps(ns))
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(listed["metadata"]["resourceVersion"]) > 0
    assert all("kind" not in item and "apiVersion" not in item for item in listed["items"])


def test_lists_are_in_order_of_names(api: Api, ns: str) -> None:
    for name in ("m", "a", "z", "b"):
        api.create(config_maps(ns), config_map(name))
    names = [item["metadata"]["name"] for item in api.get(config_maps(ns))["items"]]
    assert [name for name in names if len(name) == 1] == ["a", "b", "m", "z"]


def test_delete_answers_with_a_status_that_names_the_object(api: Api, ns: str) -> None:
    made = api.create(config_maps(ns), config_map("a"))
    answer = api.delete(f"{config_maps(ns)}/a")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}


def test_a_new_object_of_an_old_name_has_another_uid(api: Api, ns: str) -> None:
    first = api.create(config_maps(ns), config_map("a"))
    api.delete(f"{config_maps(ns)}/a")
    assert api.create(config_maps(ns), config_map("a"))["metadata"]["uid"] != first["metadata"]["uid"]


def test_secret_string_data_is_stored_as_base64_data(api: Api, ns: str) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"word": "hällo"}, "data": {"old": "b2xk"}}
    made = api.create(f"/api/v1/namespaces/{ns}/secrets", body)
    assert made["data"] == {"old": "b2xk", "word": "aMOkbGxv"}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


def test_delete_collection_takes_only_what_the_selector_names(api: Api, ns: str) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        api.create(config_maps(ns), config_map(name, labels={"tier": tier}))
    answer = api.delete(config_maps(ns), labelSelector="tier=x")
    assert answer["kind"] == "ConfigMapList"
    left = [item["metadata"]["name"] for item in api.get(config_maps(ns), labelSelector="tier")["items"]]
    assert left == ["c"]


def test_dry_run_changes_nothing(api: Api, ns: str) -> None:
    ghost = api.create(config_maps(ns), config_map("ghost", {"a": "1"}), dryRun="All")
    assert ghost["metadata"]["uid"]
    api.refused("GET", f"{config_maps(ns)}/ghost", code=404)
    made = api.create(config_maps(ns), config_map("solid", {"a": "1"}))
    path = f"{config_maps(ns)}/solid"
    assert api.replace(path, config_map("solid", {"a": "2"}), dryRun="All")["data"] == {"a": "2"}
    assert api.patch(path, {"data": {"a": "3"}}, dryRun="All")["data"] == {"a": "3"}
    assert api.delete(path, dryRun="All")["status"] == "Success"
    assert api.get(path) == made


def test_dry_run_in_the_delete_options_counts_too(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("solid"))
    api.delete(f"{config_maps(ns)}/solid", {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]})
    assert api.get(f"{config_maps(ns)}/solid")["metadata"]["name"] == "solid"


def test_dry_run_still_says_what_is_wrong(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), config_map("Bad_Name"), dryRun="All", code=422)
    assert status["reason"] == "Invalid"


def test_deleting_a_collection_heeds_limit_and_continue(api: Api, ns: str) -> None:
    for name in "abcde":
        api.create(config_maps(ns), config_map(name, labels={"tier": "x"}))
    first = api.delete(config_maps(ns), labelSelector="tier=x", limit=2)
    assert [one["metadata"]["name"] for one in first["items"]] == ["a", "b"]
    second = api.delete(config_maps(ns), labelSelector="tier=x", limit=2, **{"continue": first["metadata"]["continue"]})
    assert [one["metadata"]["name"] for one in second["items"]] == ["c", "d"]
    left = api.get(config_maps(ns), labelSelector="tier=x")
    assert [one["metadata"]["name"] for one in left["items"]] == ["e"]
    api.delete(config_maps(ns), labelSelector="tier=x")
    assert api.get(config_maps(ns), labelSelector="tier=x")["items"] == []
