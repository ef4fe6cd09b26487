"""Conversion webhooks over TLS on the loopback: one kind in two versions whose fields have other names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import APPLY_PATCH, JSON_PATCH, Api, Object, take
from tests.api.test_custom_kinds import Boxes
from tests.api.webhook import Webhook, serving

OLD, NEW = "v1alpha1", "v1"
KEY = "example.com/was"


def schema(field: str) -> Object:
    numbers = {"type": "integer", "default": 1} if field == "length" else {"type": "integer"}
    properties = {
        "spec": {"type": "object", "properties": {field: numbers}},
        "status": {"type": "object", "properties": {field: {"type": "integer"}}},
    }
    return {"openAPIV3Schema": {"type": "object", "properties": properties}}


def versions(storage: str = NEW) -> list[Object]:
    return [
        {"name": name, "served": True, "storage": name == storage, "schema": schema(field),
         "subresources": {"status": {}}}
        for name, field in ((OLD, "size"), (NEW, "length"))
    ]  # fmt: skip


def convert(request: Object) -> Object:
    """`size` and `length` are the same; the version that an object had is noted in an annotation."""
    done = []
    for obj in request["objects"]:
        meta = dict(obj["metadata"])
        meta["annotations"] = (meta.get("annotations") or {}) | {KEY: obj["apiVersion"].rpartition("/")[2]}
        new = {"apiVersion": request["desiredAPIVersion"], "kind": obj["kind"], "metadata": meta}
        to, of = ("length", "size") if new["apiVersion"].endswith(f"/{NEW}") else ("size", "length")
        for part in ("spec", "status"):
            if part in obj:
                new[part] = {to: obj[part][of]} if of in obj[part] else {}
        done.append(new)
    return {"result": {"status": "Success"}, "convertedObjects": done}


class Converted:
    """The kind, its webhook, and the switch for what the webhook answers."""

    def __init__(self, api: Api, ns: str, tmp: Path) -> None:
        self.answer: Callable[[Object], Object] = convert
        self._serving = serving(tmp, lambda request: self.answer(request))
        self.hook: Webhook = self._serving.__enter__()
        review = {"conversionReviewVersions": ["v1"], "clientConfig": self.hook.config()}
        self.boxes = Boxes(api, ns, versions(), conversion={"strategy": "Webhook", "webhook": review})
        self.api = api
        self.hook.requests.clear()

    def close(self) -> None:
        self.answer = convert
        self.api.delete(self.boxes.definition)
        self.api.wait(self.boxes.definition, lambda found: found is None)
        self._serving.__exit__(None, None, None)

    def box(self, name: str, version: str, value: int, **more: Any) -> Object:
        field = "size" if version == OLD else "length"
        return self.boxes.box(name, version, **{field: value}) | more


@pytest.fixture
def kind(api: Api, ns: str, tmp_path: Path) -> Iterator[Converted]:
    made = Converted(api, ns, tmp_path)
    yield made
    made.close()


def test_what_is_written_in_one_version_is_read_in_both(api: Api, kind: Converted) -> None:
    boxes = kind.boxes
    made = api.create(boxes.path(OLD), kind.box("a", OLD, 4))
    assert (made["apiVersion"], made["spec"]) == (f"{boxes.group}/{OLD}", {"size": 4})
    seen = api.get(boxes.path(NEW, "a"))
    assert (seen["apiVersion"], seen["spec"]) == (f"{boxes.group}/{NEW}", {"length": 4})
    assert seen["metadata"]["annotations"] == {KEY: OLD}
    assert seen["metadata"]["uid"] == made["metadata"]["uid"]
    assert api.get(boxes.path(OLD, "a"))["spec"] == {"size": 4}
    assert api.get(boxes.path(OLD))["items"][0]["spec"] == {"size": 4}


def test_a_list_asks_once_for_all_and_only_for_what_is_stored_in_another_version(api: Api, kind: Converted) -> None:
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        api.create(kind.boxes.path(NEW), kind.box(name, NEW, number))
    kind.hook.requests.clear()
    assert [one["spec"]["length"] for one in api.get(kind.boxes.path(NEW))["items"]] == [1, 2, 3]
    # The caches of a real server follow each version, and convert each object by itself as it comes.
    assert kind.hook.requests == [] or api.cluster.kind == "real"
    assert [one["spec"]["size"] for one in api.get(kind.boxes.path(OLD))["items"]] == [1, 2, 3]
    if api.cluster.kind == "embedded":
        (request,) = kind.hook.requests
        assert [one["metadata"]["name"] for one in request["objects"]] == ["a", "b", "c"]
        assert request["desiredAPIVersion"] == f"{kind.boxes.group}/{OLD}"


def test_updates_patches_and_the_status_convert(api: Api, kind: Converted) -> None:
    path = kind.boxes.path(OLD, "a")
    old = api.create(kind.boxes.path(NEW), kind.box("a", NEW, 1))
    seen = api.get(path)
    changed = api.replace(path, seen | {"spec": {"size": 2}})
    assert (changed["spec"], changed["metadata"]["generation"]) == ({"size": 2}, 2)
    assert api.patch(path, {"spec": {"size": 3}})["spec"] == {"size": 3}
    steps = [{"op": "test", "path": "/spec/size", "value": 3}, {"op": "replace", "path": "/spec/size", "value": 4}]
    assert api.patch(path, steps, JSON_PATCH)["spec"] == {"size": 4}
    told = api.patch(f"{path}/status", {"spec": {"size": 9}, "status": {"size": 7}})
    assert (told["spec"], told["status"]) == ({"size": 4}, {"size": 7})
    now = api.get(kind.boxes.path(NEW, "a"))
    assert (now["spec"], now["status"]) == ({"length": 4}, {"length": 7})
    assert now["metadata"]["uid"] == old["metadata"]["uid"]
    gone = api.delete(path)
    assert gone["details"]["uid"] == old["metadata"]["uid"]


def test_apply_creates_and_changes_in_another_version(api: Api, kind: Converted) -> None:
    path = kind.boxes.path(OLD, "a")
    assert api.apply(path, kind.box("a", OLD, 1), "one")["spec"] == {"size": 1}
    assert api.apply(path, kind.box("a", OLD, 2), "one")["spec"] == {"size": 2}
    assert api.get(kind.boxes.path(NEW, "a"))["spec"] == {"length": 2}
    status = api.refused(
        "PATCH", path, kind.box("a", OLD, 3), code=409, headers={"Content-Type": APPLY_PATCH}, fieldManager="two"
    )
    assert 'conflict with "one": .spec.size' in status["message"]


def test_a_watch_shows_its_own_version(api: Api, kind: Converted) -> None:
    start = api.get(kind.boxes.path(OLD))["metadata"]["resourceVersion"]
    api.create(kind.boxes.path(NEW), kind.box("a", NEW, 1))
    api.patch(kind.boxes.path(NEW, "a"), {"spec": {"length": 2}})
    api.delete(kind.boxes.path(NEW, "a"))
    with api.watch(kind.boxes.path(OLD), resourceVersion=start) as events:
        seen = [next(events) for _ in range(3)]
    assert [(one["type"], one["object"]["spec"]) for one in seen] == [
        ("ADDED", {"size": 1}), ("MODIFIED", {"size": 2}), ("DELETED", {"size": 2}),
    ]  # fmt: skip
    assert {one["object"]["apiVersion"] for one in seen} == {f"{kind.boxes.group}/{OLD}"}


def test_selectors_look_at_the_object_in_its_stored_and_shown_form(api: Api, kind: Converted) -> None:
    api.create(kind.boxes.path(NEW), kind.box("a", NEW, 1, metadata={"name": "a", "labels": {"k": "v"}}))
    api.create(kind.boxes.path(NEW), kind.box("b", NEW, 1))
    listed = api.get(kind.boxes.path(OLD), labelSelector="k=v")
    assert [one["metadata"]["name"] for one in listed["items"]] == ["a"]
    query = {"labelSelector": "k=v", "resourceVersion": listed["metadata"]["resourceVersion"]}
    with api.watch(kind.boxes.path(OLD), **query) as events:
        api.patch(kind.boxes.path(NEW, "b"), {"metadata": {"labels": {"k": "v"}}})
        api.patch(kind.boxes.path(NEW, "a"), {"metadata": {"labels": {"k": None}}})
        assert take(events, 2) == [("ADDED", "b"), ("DELETED", "a")]


def test_a_dry_run_is_converted_and_stores_nothing(api: Api, kind: Converted) -> None:
    made = api.create(kind.boxes.path(OLD), kind.box("a", OLD, 4), dryRun="All")
    assert made["spec"] == {"size": 4}
    assert api.request("GET", kind.boxes.path(OLD, "a")).status_code == 404


def refuse(request: Object) -> Object:
    return {"result": {"status": "Failure", "message": "no way back"}}


def rename(request: Object) -> Object:
    answer = convert(request)
    for one in answer["convertedObjects"]:
        one["metadata"]["name"] = "other"
    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(refuse, " failed: no way back", id="failure"),
        pytest.param(lambda _: {"result": {"status": "Success"}}, " returned 0 objects, expected 1", id="nothing"),
        pytest.param(rename, "must have the same name: a != other", id="another name"),
    ],
)
def test_a_webhook_that_fails_fails_the_request_and_nothing_is_stored(
    api: Api, kind: Converted, answer: Callable[[Object], Object], words: str
) -> None:
    kind.answer = answer
    status = api.refused("POST", kind.boxes.path(OLD), kind.box("a", OLD, 4), code=500)
    assert status["message"].startswith(f"conversion webhook for {kind.boxes.group}/{OLD}, Kind=Box ")
    assert status["message"].endswith(words)
    kind.answer = convert
    assert api.request("GET", kind.boxes.path(NEW, "a")).status_code == 404


def test_the_storage_version_may_change_under_stored_objects(api: Api, kind: Converted) -> None:
    api.create(kind.boxes.path(NEW), kind.box("a", NEW, 1))
    api.patch(kind.boxes.definition, {"spec": {"versions": versions(OLD)}})
    for number in range(500):
        api.request("POST", kind.boxes.path(OLD), kind.box(f"b{number}", OLD, 2))
        kind.hook.requests.clear()
        api.get(kind.boxes.path(OLD, f"b{number}"))
        if not kind.hook.requests:
            break
    assert api.get(kind.boxes.path(OLD, "a"))["spec"] == {"size": 1}
    kinds = {one["metadata"]["name"]: one["spec"] for one in api.get(kind.boxes.path(NEW))["items"]}
    assert (kinds["a"], kinds["b0"]) == ({"length": 1}, {"length": 2})
