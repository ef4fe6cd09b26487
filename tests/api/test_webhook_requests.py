"""What an admission webhook is told of a request: its options, its own version of the object, and when once more."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import JSON_PATCH, Api, Object
from tests.api.objects import config_map, config_maps
from tests.api.test_conversion import NEW, OLD, Converted
from tests.api.test_webhooks import ALLOW, registered, until_asked
from tests.api.webhook import Webhook, serving

EVERYTHING = ["CREATE", "UPDATE", "DELETE"]
RULE: Object = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": EVERYTHING}


def patching(path: str, value: Any) -> Object:
    steps = [{"op": "add", "path": path, "value": value}]
    return {**ALLOW, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(steps).encode()).decode()}


@pytest.fixture
def told(api: Api, ns: str, tmp_path: Path) -> Iterator[Webhook]:
    """A webhook that allows everything; its requests are the test's own alone."""
    if api.cluster.controllers:
        api.wait(f"{config_maps(ns)}/kube-root-ca.crt", lambda found: found is not None)
    with serving(tmp_path, lambda request: ALLOW) as hook, registered(api, ns, hook.config(), rules=[RULE]):
        until_asked(api, ns, hook)
        yield hook


def test_the_options_are_those_of_the_request_under_the_verbs_name(api: Api, ns: str, told: Webhook) -> None:
    place, one = config_maps(ns), f"{config_maps(ns)}/a"
    api.create(place, config_map("a"), fieldManager="me", fieldValidation="Strict")
    api.replace(one, config_map("a", {"k": "1"}), dryRun="All")
    api.patch(one, [{"op": "add", "path": "/data", "value": {"k": "2"}}], JSON_PATCH, fieldManager="me")
    api.apply(one, config_map("a", {"j": "1"}), "you", force=True)
    api.apply(f"{place}/b", config_map("b"), "you", fieldValidation="Ignore")
    api.delete(one, {"propagationPolicy": "Foreground", "dryRun": ["All"]})
    api.delete(one, propagationPolicy="Background")
    seen = [(request["operation"], request["options"]) for request in told.requests]

    def options(kind: str, **more: Any) -> Object:
        return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **more}

    assert seen == [
        ("CREATE", options("CreateOptions", fieldManager="me", fieldValidation="Strict")),
        ("UPDATE", options("UpdateOptions", dryRun=["All"])),
        ("UPDATE", options("UpdateOptions", fieldManager="me")),
        ("UPDATE", options("UpdateOptions", fieldManager="you")),
        ("CREATE", options("CreateOptions", fieldManager="you", fieldValidation="Ignore")),
        ("DELETE", options("DeleteOptions", propagationPolicy="Foreground", dryRun=["All"])),
        ("DELETE", options("DeleteOptions", propagationPolicy="Background")),
    ]


@pytest.fixture
def kind(api: Api, ns: str, tmp_path: Path) -> Iterator[Converted]:
    folder = tmp_path / "conversion"
    folder.mkdir()
    made = Converted(api, ns, folder)
    yield made
    made.close()


def box_rule(kind: Converted) -> Object:
    return {"apiGroups": [kind.boxes.group], "apiVersions": [NEW], "resources": ["boxes"], "operations": EVERYTHING}


def until_boxes_asked(api: Api, kind: Converted, hook: Webhook) -> None:
    for number in range(500):
        api.request("POST", kind.boxes.path(NEW), kind.box(f"warm-{number}", NEW, 1))
        if hook.requests:
            break
    hook.requests.clear()


def test_a_webhook_for_one_version_is_shown_the_others_in_its_own(
    api: Api, ns: str, kind: Converted, tmp_path: Path
) -> None:
    with (
        serving(tmp_path, lambda request: ALLOW) as hook,
        registered(api, ns, hook.config(), rules=[box_rule(kind)]),
    ):
        until_boxes_asked(api, kind, hook)
        api.create(kind.boxes.path(OLD), kind.box("a", OLD, 4))
        api.patch(kind.boxes.path(OLD, "a"), {"spec": {"size": 5}})
        api.delete(kind.boxes.path(OLD, "a"))
        made, changed, gone = hook.requests
    group = kind.boxes.group
    for request in (made, changed, gone):
        assert request["kind"] == {"group": group, "version": NEW, "kind": "Box"}
        assert request["resource"] == {"group": group, "version": NEW, "resource": "boxes"}
        assert request["requestKind"] == {"group": group, "version": OLD, "kind": "Box"}
        assert request["requestResource"] == {"group": group, "version": OLD, "resource": "boxes"}
    assert (made["object"]["apiVersion"], made["object"]["spec"]) == (f"{group}/{NEW}", {"length": 4})
    assert (changed["object"]["spec"], changed["oldObject"]["spec"]) == ({"length": 5}, {"length": 4})
    assert (gone["object"], gone["oldObject"]["spec"]) == (None, {"length": 5})


def test_with_an_exact_match_it_is_not_asked_about_the_others(
    api: Api, ns: str, kind: Converted, tmp_path: Path
) -> None:
    with (
        serving(tmp_path, lambda request: ALLOW) as hook,
        registered(api, ns, hook.config(), rules=[box_rule(kind)], matchPolicy="Exact"),
    ):
        until_boxes_asked(api, kind, hook)
        api.create(kind.boxes.path(OLD), kind.box("a", OLD, 4))
        assert hook.requests == []


def test_a_change_in_the_webhooks_version_reaches_the_requests_version(
    api: Api, ns: str, kind: Converted, tmp_path: Path
) -> None:
    with (
        serving(tmp_path, lambda request: patching("/spec/length", 9)) as hook,
        registered(api, ns, hook.config(), rules=[box_rule(kind)], mutating=True),
    ):
        until_boxes_asked(api, kind, hook)
        assert api.create(kind.boxes.path(OLD), kind.box("a", OLD, 4))["spec"] == {"size": 9}
        assert api.get(kind.boxes.path(NEW, "a"))["spec"] == {"length": 9}


Answer = Callable[[Object], Object]


def test_a_webhook_is_asked_once_more_when_a_later_one_changed_the_object(api: Api, ns: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def named(name: str, answer: Answer) -> Answer:
        def reply(request: Object) -> Object:
            asked.append(name)
            return answer(request)

        return reply

    def count(request: Object) -> Object:
        number = int(request["object"]["data"].get("count", "0")) + 1
        return patching("/data/count", str(number))

    if api.cluster.controllers:
        api.wait(f"{config_maps(ns)}/kube-root-ca.crt", lambda found: found is not None)
    answers: list[tuple[str, Answer, str]] = [
        ("a", count, "IfNeeded"),
        ("b", lambda request: ALLOW, "Never"),
        ("c", lambda request: patching("/data/c", "1"), "IfNeeded"),
        ("d", lambda request: ALLOW, "IfNeeded"),
    ]
    plural = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    with ExitStack() as stack:
        hooks = []
        for name, answer, policy in answers:
            served = stack.enter_context(serving(tmp_path, named(name, answer)))
            hooks.append({
                "name": f"{name}.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": served.config(), "rules": [RULE], "reinvocationPolicy": policy,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
            })  # fmt: skip
        api.create(plural, {"metadata": {"name": f"again-{ns}"}, "webhooks": hooks})
        stack.callback(api.delete, f"{plural}/again-{ns}")
        for number in range(500):
            api.request("POST", config_maps(ns), config_map(f"warm-{number}", {"k": "v"}))
            if len(asked) >= len(answers):
                break
        asked.clear()
        made = api.create(config_maps(ns), config_map("x", {"k": "v"}))
        # c changed the object after a had seen it; a's second change is news to c and d. There is no third round.
        assert asked == ["a", "b", "c", "d", "a", "c", "d"]
        assert made["data"] == {"k": "v", "c": "1", "count": "2"}
