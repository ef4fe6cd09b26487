"""Custom kinds: from a definition to objects that are checked, completed, scaled, shown, converted and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.client import APPLY_PATCH, Api, Object, take
from tests.api.objects import causes

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
SPEC = {
    "type": "object",
    "required": ["size"],
    "x-kubernetes-validations": [
        {
            "rule": "self.size <= self.most",
            "messageExpression": "'at most %d'.format([self.most])",
            "fieldPath": ".size",
        },
        {"rule": "self.size >= oldSelf.size", "message": "must not shrink"},
    ],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "most": {"type": "integer", "default": 10},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
    },
}
STATUS = {"type": "object", "properties": {"size": {"type": "integer"}, "selector": {"type": "string"}}}


def version(name: str = "v1", **more: Any) -> Object:
    schema = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **more}


def established(crd: Object | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


class Boxes:
    """The kind Box of a group of the test's own."""

    def __init__(self, api: Api, ns: str, versions: list[Object], **more: Any) -> None:
        self.group = f"{ns}.example.com"
        self.definition = f"{CRDS}/boxes.{self.group}"
        names = {"plural": "boxes", "singular": "box", "kind": "Box", "shortNames": ["bx"], "categories": ["all"]}
        spec = {"group": self.group, "scope": "Namespaced", "names": names, "versions": versions, **more}
        api.create(CRDS, {"metadata": {"name": f"boxes.{self.group}"}, "spec": spec})
        api.wait(self.definition, established)
        self.api, self.ns = api, ns
        self.until_served(versions)

    def until_served(self, versions: list[Object]) -> None:
        """A real server serves a new kind a moment after it says Established."""
        for one in versions:
            for _ in range(500):
                if self.api.request("GET", self.path(one["name"])).status_code == 200:
                    break
            else:
                raise AssertionError(f"{one['name']} is not served")

    def path(self, served: str = "v1", name: str = "") -> str:
        return f"/apis/{self.group}/{served}/namespaces/{self.ns}/boxes" + (f"/{name}" if name else "")

    def box(self, name: str, served: str = "v1", **spec: Any) -> Object:
        return {"apiVersion": f"{self.group}/{served}", "kind": "Box", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def boxes(api: Api, ns: str) -> Iterator[Boxes]:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size",
             "labelSelectorPath": ".status.selector"}  # fmt: skip
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1},
    ]
    made = Boxes(api, ns, [version(subresources={"status": {}, "scale": scale}, additionalPrinterColumns=columns)])
    yield made
    api.delete(made.definition)


def test_an_object_is_completed_and_pruned(api: Api, boxes: Boxes) -> None:
    made = api.create(boxes.path(), {**boxes.box("a", size=2, unknown=1), "extra": True}, fieldValidation="Ignore")
    assert made["spec"] == {"size": 2, "most": 10, "color": "red"}
    assert "extra" not in made
    assert made["metadata"]["generation"] == 1
    status = api.refused("POST", boxes.path(), boxes.box("b", size=2, unknown=1), code=400, fieldValidation="Strict")
    assert 'unknown field "spec.unknown"' in status["message"]


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({}, "spec.size", "Required value"),
        ({"size": "three"}, "spec.size", "must be of type integer"),
        ({"size": 0}, "spec.size", "should be greater than or equal to 1"),
        ({"size": 1, "color": "green"}, "spec.color", 'supported values: "red", "blue"'),
        ({"size": 11}, "spec.size", "at most 10"),
    ],
)
def test_a_wrong_object_is_refused_by_field(api: Api, boxes: Boxes, spec: Object, field: str, words: str) -> None:
    status = api.refused("POST", boxes.path(), boxes.box("a", **spec), code=422)
    assert field in [path for path, _ in causes(status)]
    assert words in status["message"]
    assert api.get(boxes.path())["items"] == []


def test_a_rule_may_look_at_what_was(api: Api, boxes: Boxes) -> None:
    api.create(boxes.path(), boxes.box("a", size=3))
    status = api.refused(
        "PATCH", boxes.path("v1", "a"), {"spec": {"size": 2}}, code=422,
        headers={"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    assert "must not shrink" in status["message"]
    assert api.patch(boxes.path("v1", "a"), {"spec": {"size": 4}})["metadata"]["generation"] == 2


def test_the_status_is_apart_and_the_scale_is_both(api: Api, boxes: Boxes) -> None:
    path = boxes.path("v1", "a")
    made = api.create(boxes.path(), {**boxes.box("a", size=3), "status": {"size": 9}})
    assert "status" not in made
    seen = api.patch(f"{path}/status", {"spec": {"size": 8}, "status": {"size": 2, "selector": "a=b"}})
    assert (seen["spec"]["size"], seen["status"]["size"], seen["metadata"]["generation"]) == (3, 2, 1)
    scale = api.get(f"{path}/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale", {"replicas": 3}, {"replicas": 2, "selector": "a=b"},
    )  # fmt: skip
    api.patch(f"{path}/scale", {"spec": {"replicas": 5}})
    assert api.get(path)["spec"]["size"] == 5


def test_a_table_has_the_columns_of_the_definition(api: Api, boxes: Boxes) -> None:
    api.create(boxes.path(), boxes.box("a", size=3))
    table = api.get(boxes.path(), headers=TABLE)
    columns = [(one["name"], one["priority"]) for one in table["columnDefinitions"]]
    assert columns == [("Name", 0), ("Size", 0), ("Color", 1)]
    assert [row["cells"] for row in table["rows"]] == [["a", 3, "red"]]


def test_apply_and_watch_work_on_custom_kinds(api: Api, boxes: Boxes) -> None:
    start = api.get(boxes.path())["metadata"]["resourceVersion"]
    api.apply(boxes.path("v1", "a"), boxes.box("a", size=3), "one")
    status = api.refused(
        "PATCH", boxes.path("v1", "a"), boxes.box("a", size=4), code=409,
        headers={"Content-Type": APPLY_PATCH}, fieldManager="two",
    )  # fmt: skip
    assert 'conflict with "one": .spec.size' in status["message"]
    api.delete(boxes.path("v1", "a"))
    with api.watch(boxes.path(), resourceVersion=start) as events:
        assert take(events, 2) == [("ADDED", "a"), ("DELETED", "a")]


def test_discovery_tells_of_the_kind(api: Api, boxes: Boxes) -> None:
    found = {one["name"]: one for one in api.get(f"/apis/{boxes.group}/v1")["resources"]}
    assert set(found) == {"boxes", "boxes/status", "boxes/scale"}
    assert (found["boxes"]["shortNames"], found["boxes"]["categories"]) == (["bx"], ["all"])
    assert found["boxes/scale"]["kind"] == "Scale"


def test_a_definition_takes_its_objects_along(api: Api, ns: str) -> None:
    boxes = Boxes(api, ns, [version()])
    api.create(boxes.path(), boxes.box("a", size=1))
    api.delete(boxes.definition)
    api.wait(boxes.definition, lambda found: found is None)
    for _ in range(500):
        if api.request("GET", boxes.path()).status_code == 404:
            break
    again = Boxes(api, ns, [version()])
    assert api.get(again.path())["items"] == []
    api.delete(again.definition)


def test_versions_without_a_webhook_differ_in_name_alone(api: Api, ns: str) -> None:
    boxes = Boxes(api, ns, [version(), version("v1beta1", storage=False)])
    api.create(boxes.path("v1beta1"), boxes.box("a", "v1beta1", size=4))
    seen = api.get(boxes.path("v1", "a"))
    assert (seen["apiVersion"], seen["spec"]["size"]) == (f"{boxes.group}/v1", 4)
    assert api.get(boxes.path("v1beta1", "a"))["metadata"]["uid"] == seen["metadata"]["uid"]
    api.delete(boxes.definition)
