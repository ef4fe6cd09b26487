"""The four kinds of patches, and who owns which field afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Api, Object
from tests.api.objects import config_map, config_maps, deployment, deployments, pod_spec


def container(name: str, image: str = "example/image:1", **more: Any) -> Object:
    return {"name": name, "image": image, **more}


def two_containers(name: str) -> Object:
    made = deployment(name)
    containers = [container("a", env=[{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]), container("b")]
    made["spec"]["template"]["spec"] = pod_spec(containers=containers)
    return made


def images(found: Object) -> list[tuple[str, str]]:
    return [(one["name"], one["image"]) for one in found["spec"]["template"]["spec"]["containers"]]


def test_a_json_patch_is_all_or_nothing(api: Api, ns: str) -> None:
    path = f"{config_maps(ns)}/a"
    api.create(config_maps(ns), config_map("a", {"x": "1", "y": "2"}))
    operations = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "one"},
        {"op": "move", "from": "/data/y", "path": "/data/z"},
        {"op": "add", "path": "/metadata/labels", "value": {"example.com/x": "c"}},
    ]
    assert api.patch(path, operations, JSON_PATCH)["data"] == {"x": "one", "z": "2"}
    failing = [{"op": "remove", "path": "/data/z"}, {"op": "test", "path": "/data/x", "value": "1"}]
    status = api.refused("PATCH", path, failing, code=422, headers={"Content-Type": JSON_PATCH})
    assert status["reason"] == "Invalid"
    assert api.get(path)["data"] == {"x": "one", "z": "2"}
    escaped = [{"op": "replace", "path": "/metadata/labels/example.com~1x", "value": "d"}]
    assert api.patch(path, escaped, JSON_PATCH)["metadata"]["labels"] == {"example.com/x": "d"}


def test_a_merge_patch_removes_by_null_and_replaces_lists_whole(api: Api, ns: str) -> None:
    api.create(deployments(ns), two_containers("a"))
    path = f"{deployments(ns)}/a"
    patch = {"metadata": {"annotations": {"k": "v"}}, "spec": {"template": {"spec": {"containers": [container("c")]}}}}
    assert images(api.patch(path, patch, MERGE_PATCH)) == [("c", "example/image:1")]
    assert api.patch(path, {"metadata": {"annotations": None}})["metadata"].get("annotations") is None


def test_a_strategic_merge_patch_merges_lists_by_their_key(api: Api, ns: str) -> None:
    api.create(deployments(ns), two_containers("a"))
    path = f"{deployments(ns)}/a"

    def spec(*containers: Object) -> Object:
        return {"spec": {"template": {"spec": {"containers": list(containers)}}}}

    changed = api.patch(path, spec({"name": "b", "image": "example/image:2"}, container("c")), STRATEGIC_PATCH)
    assert sorted(images(changed)) == [
        ("a", "example/image:1"), ("b", "example/image:2"), ("c", "example/image:1"),
    ]  # fmt: skip
    without = api.patch(path, spec({"name": "b", "$patch": "delete"}), STRATEGIC_PATCH)
    assert sorted(name for name, _ in images(without)) == ["a", "c"]
    env = api.patch(path, spec({"name": "a", "env": [{"name": "Y", "$patch": "delete"}]}), STRATEGIC_PATCH)
    first = next(one for one in env["spec"]["template"]["spec"]["containers"] if one["name"] == "a")
    assert first["env"] == [{"name": "X", "value": "1"}]
    whole = {"spec": {"template": {"spec": {"containers": [{"$patch": "replace"}, container("z")]}}}}
    assert images(api.patch(path, whole, STRATEGIC_PATCH)) == [("z", "example/image:1")]


def applied(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def owners(found: Object) -> dict[str, list[str]]:
    """The keys of `data` that each manager owns."""
    return {
        entry["manager"]: sorted(key[2:] for key in entry["fieldsV1"].get("f:data", {}) if key != ".")
        for entry in found["metadata"]["managedFields"]
    }


def test_an_apply_owns_what_it_names_and_drops_what_it_names_no_more(api: Api, ns: str) -> None:
    path = f"{config_maps(ns)}/a"
    assert api.request(
        "PATCH", path, applied("a", x="1", y="2"), headers={"Content-Type": APPLY_PATCH}, fieldManager="one"
    ).status_code == 201  # fmt: skip
    api.apply(path, applied("a", z="3"), "two")
    seen = api.get(path)
    assert (seen["data"], owners(seen)) == ({"x": "1", "y": "2", "z": "3"}, {"one": ["x", "y"], "two": ["z"]})
    api.apply(path, applied("a", x="1"), "one")
    seen = api.get(path)
    assert (seen["data"], owners(seen)) == ({"x": "1", "z": "3"}, {"one": ["x"], "two": ["z"]})


def test_a_conflict_names_the_owner_and_force_takes_the_field(api: Api, ns: str) -> None:
    path = f"{config_maps(ns)}/a"
    api.apply(path, applied("a", x="1"), "one")
    status = api.refused(
        "PATCH", path, applied("a", x="2"), code=409, headers={"Content-Type": APPLY_PATCH}, fieldManager="two"
    )
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    ]
    assert api.get(path)["data"] == {"x": "1"}
    api.apply(path, applied("a", x="2"), "two", force=True)
    seen = api.get(path)
    assert (seen["data"], owners(seen)) == ({"x": "2"}, {"two": ["x"]})
    same = api.apply(path, applied("a", x="2"), "one")
    assert owners(same) == {"two": ["x"], "one": ["x"]}, "who agrees, shares"


def test_an_apply_that_changes_nothing_writes_nothing(api: Api, ns: str) -> None:
    path = f"{config_maps(ns)}/a"
    first = api.apply(path, applied("a", x="1"), "one")
    again = api.apply(path, applied("a", x="1"), "one")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_an_apply_of_lists_with_keys_owns_their_items(api: Api, ns: str) -> None:
    path = f"{deployments(ns)}/a"
    first = two_containers("a")
    api.apply(path, first, "one")
    second = deployment("a")
    second["spec"] = {"template": {"spec": {"containers": [container("b", env=[{"name": "Z", "value": "9"}])]}}}
    api.apply(path, second, "two")
    first["spec"]["template"]["spec"]["containers"].pop()
    after = api.apply(path, first, "one")
    left = {one["name"]: one for one in after["spec"]["template"]["spec"]["containers"]}
    assert left["b"]["env"] == [{"name": "Z", "value": "9"}], "the other manager's item stays"


def test_an_update_by_hand_takes_the_field_from_the_applier(api: Api, ns: str) -> None:
    path = f"{config_maps(ns)}/a"
    api.apply(path, applied("a", x="1", y="1"), "one")
    api.patch(path, {"data": {"x": "hand"}}, fieldManager="editor")
    seen = api.get(path)
    assert owners(seen) == {"one": ["y"], "editor": ["x"]}
    operations = [(entry["manager"], entry["operation"]) for entry in seen["metadata"]["managedFields"]]
    assert sorted(operations) == [("editor", "Update"), ("one", "Apply")]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (JSON_PATCH, {"not": "a list"}, 400),
        (MERGE_PATCH, [1], 400),
        ("application/unknown-patch", {}, 415),
        (APPLY_PATCH, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}, 400),
    ],
)
def test_rubbish_is_refused_and_changes_nothing(api: Api, ns: str, kind: str, body: Any, code: int) -> None:
    path = f"{config_maps(ns)}/a"
    api.create(config_maps(ns), config_map("a", {"x": "1"}))
    api.refused("PATCH", path, body, code=code, headers={"Content-Type": kind}, fieldManager="me")
    assert api.get(path)["data"] == {"x": "1"}


def test_an_apply_that_creates_must_name_the_object_itself(api: Api, ns: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "1"}}
    status = api.refused(
        "PATCH", f"{config_maps(ns)}/a", body, code=400, headers={"Content-Type": APPLY_PATCH}, fieldManager="me"
    )
    text = "the name of the object (a based on URL) was undeterminable: name must be provided"
    assert status["message"] == text
    assert status["reason"] == "BadRequest"
    assert api.request("GET", f"{config_maps(ns)}/a").status_code == 404
    api.create(config_maps(ns), config_map("a", {"j": "2"}))
    # What is there has its name already.
    assert api.apply(f"{config_maps(ns)}/a", body, "me")["data"] == {"j": "2", "k": "1"}
