"""Admission webhooks over TLS on the loopback: who is asked, what their answer does, and what silence does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.client import Api, Object
from tests.api.objects import config_map, config_maps
from tests.api.webhook import Webhook, serving

GROUP = "/apis/admissionregistration.k8s.io/v1"
ALLOW: Object = {"allowed": True}


def deny(request: Object) -> Object:
    return {"allowed": False, "status": {"message": f"{request['name']} is not wanted", "code": 422}}


def mark(request: Object) -> Object:
    """Adds a label to what it is shown."""
    labels = (request["object"]["metadata"].get("labels") or {}) | {"marked": "yes"}
    patch = [{"op": "add", "path": "/metadata/labels", "value": labels}]
    return {**ALLOW, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}


@contextmanager
def registered(api: Api, ns: str, client: Object, *, mutating: bool = False, **more: Any) -> Iterator[None]:
    """A webhook for ConfigMaps of the test's namespace, in force when the block begins, and gone afterwards."""
    kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
    plural = f"{GROUP}/{kind.lower()}s"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE", "UPDATE"]}
    hook = {
        "name": "hook.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": client,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
        "rules": [rule],
        **more,
    }
    name = f"hook-{ns}"
    api.create(plural, {"metadata": {"name": name}, "webhooks": [hook]})
    try:
        yield
    finally:
        api.delete(f"{plural}/{name}")


def until_asked(api: Api, ns: str, hook: Webhook, data: dict[str, str] | None = None) -> None:
    """A server takes a new configuration up a moment later: write until it asks."""
    number = 0
    while not hook.requests:
        api.request("POST", config_maps(ns), config_map(f"warm-{number}", data))
        number += 1
        assert number < 500, "the webhook was never asked"
    hook.requests.clear()


@pytest.fixture(autouse=True)
def settled(api: Api, ns: str) -> None:
    """What the cluster itself puts into a new namespace is there, and not mistaken for the test's."""
    if api.cluster.controllers:
        api.wait(f"{config_maps(ns)}/kube-root-ca.crt", lambda found: found is not None)


@pytest.fixture
def webhook(tmp_path: Path) -> Callable[[Any], Any]:
    return lambda answer: serving(tmp_path, answer)


def test_a_refusal_reaches_the_client_word_for_word_and_nothing_is_stored(
    api: Api, ns: str, webhook: Callable[[Any], Any]
) -> None:
    with webhook(deny) as hook, registered(api, ns, hook.config()):
        until_asked(api, ns, hook)
        status = api.refused("POST", config_maps(ns), config_map("a"), code=422)
        assert status["message"] == 'admission webhook "hook.example.com" denied the request: a is not wanted'
        assert api.request("GET", f"{config_maps(ns)}/a").status_code == 404
        assert hook.names() == [("CREATE", "a")]
        request = hook.requests[0]
        assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert (request["namespace"], request["oldObject"], request["dryRun"]) == (ns, None, False)
        assert "system:masters" in request["userInfo"]["groups"]


def test_a_change_by_a_webhook_is_stored_and_seen_by_those_that_judge(
    api: Api, ns: str, tmp_path: Path, webhook: Callable[[Any], Any]
) -> None:
    with (
        webhook(mark) as changing,
        serving(tmp_path, lambda request: ALLOW) as judging,
        registered(api, ns, changing.config(), mutating=True),
        registered(api, ns, judging.config()),
    ):
        until_asked(api, ns, changing)
        until_asked(api, ns, judging)
        made = api.create(config_maps(ns), config_map("a", labels={"mine": "1"}))
        assert made["metadata"]["labels"] == {"mine": "1", "marked": "yes"}
        assert api.get(f"{config_maps(ns)}/a")["metadata"]["labels"] == {"mine": "1", "marked": "yes"}
        assert judging.requests[-1]["object"]["metadata"]["labels"] == {"mine": "1", "marked": "yes"}


def test_an_update_shows_the_old_object_and_a_dry_run_says_so(api: Api, ns: str, webhook: Callable[[Any], Any]) -> None:
    api.create(config_maps(ns), config_map("a", {"k": "1"}))
    with webhook(lambda request: ALLOW) as hook, registered(api, ns, hook.config()):
        until_asked(api, ns, hook)
        api.patch(f"{config_maps(ns)}/a", {"data": {"k": "2"}}, dryRun="All")
        (request,) = hook.requests
        assert (request["operation"], request["dryRun"]) == ("UPDATE", True)
        assert (request["oldObject"]["data"], request["object"]["data"]) == ({"k": "1"}, {"k": "2"})
        assert api.get(f"{config_maps(ns)}/a")["data"] == {"k": "1"}
        api.delete(f"{config_maps(ns)}/a")
        assert len(hook.requests) == 1, "DELETE is not in the rule"


def test_only_what_the_selectors_choose_is_shown(api: Api, ns: str, webhook: Callable[[Any], Any]) -> None:
    chosen = {"objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}}
    with webhook(deny) as hook, registered(api, ns, hook.config(), **chosen):
        until_asked(api, ns, hook)
        api.create(config_maps(ns), config_map("skipped", labels={"skip": "me"}))
        api.create(config_maps("default"), config_map(f"other-{ns}"))
        api.delete(f"{config_maps('default')}/other-{ns}")
        assert hook.requests == []
        api.refused("POST", config_maps(ns), config_map("seen"), code=422)
        assert hook.names() == [("CREATE", "seen")]


def test_match_conditions_are_asked_before_the_webhook(api: Api, ns: str, webhook: Callable[[Any], Any]) -> None:
    condition = {"name": "not-quiet", "expression": "!('quiet' in object.data)"}
    with webhook(deny) as hook, registered(api, ns, hook.config(), matchConditions=[condition]):
        until_asked(api, ns, hook, {"loud": "1"})
        api.create(config_maps(ns), config_map("a", {"quiet": "1"}))
        assert ("CREATE", "a") not in hook.names()
        api.refused("POST", config_maps(ns), config_map("b", {"loud": "1"}), code=422)


@pytest.mark.parametrize(("policy", "stored"), [("Ignore", True), ("Fail", False)])
def test_a_webhook_that_cannot_be_reached_counts_as_its_policy_says(
    api: Api, ns: str, webhook: Callable[[Any], Any], policy: str, stored: bool
) -> None:
    with webhook(deny) as hook:
        pass  # it is gone: nobody listens at its address any more
    with registered(api, ns, hook.config(), failurePolicy=policy, timeoutSeconds=2):
        if stored:
            api.create(config_maps(ns), config_map("a"))
            return
        number, answer = 0, api.request("POST", config_maps(ns), config_map("a-0"))
        while answer.status_code == 201:
            number += 1
            answer = api.request("POST", config_maps(ns), config_map(f"a-{number}"))
        assert answer.status_code == 500
        message = answer.json()["message"]
        assert message.startswith('Internal error occurred: failed calling webhook "hook.example.com": ')
        assert "connection refused" in message


def test_a_warning_of_a_webhook_is_a_header(api: Api, ns: str, webhook: Callable[[Any], Any]) -> None:
    with webhook(lambda request: {**ALLOW, "warnings": ["old field"]}) as hook, registered(api, ns, hook.config()):
        until_asked(api, ns, hook)
        answer = api.request("POST", config_maps(ns), config_map("a"))
        assert answer.status_code == 201
        assert answer.headers["Warning"] == '299 - "old field"'
