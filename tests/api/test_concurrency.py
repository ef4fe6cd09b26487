"""Two writers and one object: resource versions, preconditions, finalizers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.api.client import Api
from tests.api.objects import config_map, config_maps, pod, pods

STALE = (
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to'
    " the latest version and try again"
)


def test_a_stale_replace_is_a_conflict_and_changes_nothing(api: Api, ns: str) -> None:
    first = api.create(config_maps(ns), config_map("a", {"n": "0"}))
    path = f"{config_maps(ns)}/a"
    second = api.replace(path, {**first, "data": {"n": "1"}})
    status = api.refused("PUT", path, {**first, "data": {"n": "2"}}, code=409)
    assert (status["reason"], status["message"]) == ("Conflict", STALE)
    assert status["details"] == {"name": "a", "kind": "configmaps"}
    assert api.get(path) == second


def test_a_replace_without_a_version_wins(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", {"n": "0"}))
    assert api.replace(f"{config_maps(ns)}/a", config_map("a", {"n": "1"}))["data"] == {"n": "1"}


def test_a_patch_with_a_stale_version_is_a_conflict(api: Api, ns: str) -> None:
    first = api.create(config_maps(ns), config_map("a", {"n": "0"}))
    path = f"{config_maps(ns)}/a"
    api.patch(path, {"data": {"n": "1"}})
    stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"n": "2"}}
    status = api.ok("PATCH", path, stale, code=409, headers={"Content-Type": "application/merge-patch+json"})
    assert status["message"] == STALE


def test_a_replace_that_changes_nothing_keeps_the_version(api: Api, ns: str) -> None:
    made = api.create(config_maps(ns), config_map("a", {"n": "0"}))
    again = api.replace(f"{config_maps(ns)}/a", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_replace_with_another_uid_is_a_conflict(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    other = config_map("a", uid="11111111-1111-4111-8111-111111111111")
    status = api.refused("PUT", f"{config_maps(ns)}/a", other, code=409)
    assert "Precondition failed: UID in precondition: 11111111-" in status["message"]


def test_a_replace_of_nothing_is_not_found(api: Api, ns: str) -> None:
    assert api.refused("PUT", f"{config_maps(ns)}/a", config_map("a"), code=404)["reason"] == "NotFound"


def test_ten_writers_with_retries_lose_no_increment(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", {"n": "0"}))
    path = f"{config_maps(ns)}/a"

    def add(_: int) -> int:
        for attempt in range(100):
            seen = api.get(path)
            seen["data"]["n"] = str(int(seen["data"]["n"]) + 1)
            if api.request("PUT", path, seen).status_code == 200:
                return attempt
        raise AssertionError("a hundred conflicts in a row")

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(add, range(10)))
    assert api.get(path)["data"] == {"n": "10"}


def test_one_of_many_creators_wins(api: Api, ns: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: api.request("POST", config_maps(ns), config_map("a")).status_code, range(8)))
    assert sorted(codes) == [201] + [409] * 7


def test_versions_grow_across_kinds(api: Api, pod_ns: str) -> None:
    versions = [
        int(api.create(path, body)["metadata"]["resourceVersion"])
        for path, body in (
            (config_maps(pod_ns), config_map("a")),
            (pods(pod_ns), pod("a")),
            (config_maps(pod_ns), config_map("b")),
        )
    ]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_a_delete_precondition_that_does_not_hold_is_a_conflict(api: Api, ns: str, field: str) -> None:
    made = api.create(config_maps(ns), config_map("a"))
    path = f"{config_maps(ns)}/a"
    status = api.refused("DELETE", path, {"preconditions": {field: "1"}}, code=409)
    assert status["reason"] == "Conflict"
    named = {"uid": "UID", "resourceVersion": "ResourceVersion"}[field]
    assert f"the {named} in the precondition (1) does not match the {named} in record" in status["message"]
    assert api.get(path)["metadata"]["uid"] == made["metadata"]["uid"]
    api.delete(path, {"preconditions": {field: made["metadata"][field]}})
    api.refused("GET", path, code=404)


def test_a_finalizer_holds_the_object_until_it_is_taken_off(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", finalizers=["example.com/hold"]))
    path = f"{config_maps(ns)}/a"
    answer = api.delete(path)
    assert answer["kind"] == "ConfigMap"
    held = api.get(path)["metadata"]
    assert held["deletionTimestamp"] >= held["creationTimestamp"]
    assert held["deletionGracePeriodSeconds"] == 0
    assert held["finalizers"] == ["example.com/hold"]
    last = api.patch(path, {"metadata": {"finalizers": None}})
    assert last["metadata"]["deletionTimestamp"] == held["deletionTimestamp"]
    api.refused("GET", path, code=404)


def test_a_second_delete_of_a_held_object_keeps_its_time(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", finalizers=["example.com/hold"]))
    path = f"{config_maps(ns)}/a"
    api.delete(path)
    first = api.get(path)
    api.delete(path)
    assert api.get(path) == first
    api.patch(path, {"metadata": {"finalizers": []}})


def test_a_dying_object_takes_no_new_finalizer(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", finalizers=["example.com/hold"]))
    path = f"{config_maps(ns)}/a"
    api.delete(path)
    seen = api.get(path)
    seen["metadata"]["finalizers"].append("example.com/late")
    status = api.refused("PUT", path, seen, code=422)
    assert status["details"]["causes"][0]["field"] == "metadata.finalizers"
    assert "no new finalizers can be added if the object is being deleted" in status["message"]
    api.patch(path, {"metadata": {"finalizers": None}})


def test_a_client_cannot_take_back_a_deletion(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", finalizers=["example.com/hold"]))
    path = f"{config_maps(ns)}/a"
    api.delete(path)
    seen = api.get(path)
    stamp = seen["metadata"].pop("deletionTimestamp")
    assert api.replace(path, seen)["metadata"]["deletionTimestamp"] == stamp
    api.patch(path, {"metadata": {"finalizers": None}})


def test_a_finalizer_needs_a_qualified_name(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), config_map("a", finalizers=["Not Qualified"]), code=422)
    assert status["details"]["causes"][0]["field"] == "metadata.finalizers"
