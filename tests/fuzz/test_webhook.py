"""The webhook answers whatever it is sent: a review with the request's uid, or a refusal of the body; never a fault."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.api.kinds import KINDS
from kaito.api.validation import NOTHING_KNOWN
from kaito.api.webhooks import CONVERT_PATH, validate_path
from tests.fuzz.manifests import JSON, spoilt
from tests.fuzz.reviews import bodies, conversions, encoded, facts, requests, review
from tests.fuzz.tally import TALLY, cases
from tests.fuzz.webhook import Webhook, serving

Object = dict[str, Any]
each_kind = pytest.mark.parametrize("kind", KINDS)
REFUSAL = re.compile(r"(decoding request failed|validation failed): ")
LINE = re.compile(r"[^\n]+?: [^\n]*[a-z][^\n]*")
MESSAGE_LIMIT = 32 << 10
WARNING_LIMIT, WARNINGS_LIMIT = 256, 4096
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    with serving() as running:
        yield running


def check_review(answer: Any, uid: Any) -> None:
    """An AdmissionReview as API servers want it, and as people want to read it."""
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response = answer["response"]
    assert response["uid"] == uid
    assert isinstance(response["allowed"], bool)
    warnings = response.get("warnings", [])
    assert all(isinstance(one, str) and one and len(one) <= WARNING_LIMIT for one in warnings)
    assert sum(map(len, warnings)) <= WARNINGS_LIMIT
    assert not any(CONTROL.search(one) for one in warnings), warnings
    if not response["allowed"]:
        message = response["status"]["message"]
        assert len(message) <= MESSAGE_LIMIT
        assert not CONTROL.search(message), message
        head = REFUSAL.match(message)
        assert head is not None, message
        assert all(LINE.fullmatch(line) for line in message[head.end() :].split("\n")), message


@each_kind
@cases(80)
@given(data=st.data())
def test_a_write_is_judged(webhook: Webhook, kind: str, data: st.DataObject) -> None:
    request, webhook.facts = data.draw(requests(kind)), data.draw(facts())
    with TALLY.case(f"a write of a {kind} is judged", request):
        status, answer = webhook.ask(validate_path(KINDS[kind]), encoded(review(request)))
    assert status == 200, answer
    check_review(answer, request["uid"])
    assert isinstance(answer, dict)
    obj = request["object"] or {}
    going = isinstance(obj.get("metadata"), dict) and obj["metadata"].get("deletionTimestamp")
    if request["operation"] == "DELETE" or "subResource" in request or going or obj == request["oldObject"]:
        assert answer["response"]["allowed"], answer
    assert webhook.ask(validate_path(KINDS[kind]), encoded(review(request)))[1] == answer


@each_kind
@cases(50)
@given(data=st.data())
def test_a_spoilt_review_is_no_fault(webhook: Webhook, kind: str, data: st.DataObject) -> None:
    body, webhook.facts = data.draw(bodies(kind)), data.draw(facts())
    with TALLY.case(f"a spoilt review of a {kind}", body):
        status, answer = webhook.ask(validate_path(KINDS[kind]), body)
    assert status in (200, 400, 413), answer
    if status == 200:
        assert isinstance(answer, dict)
        check_review(answer, answer["response"]["uid"])
    else:
        assert answer


@cases(100)
@given(st.one_of(conversions(), conversions(), spoilt(conversions()), JSON))
def test_a_conversion_is_answered(webhook: Webhook, asked: Any) -> None:
    webhook.facts = NOTHING_KNOWN
    with TALLY.case("a conversion is answered", asked):
        status, answer = webhook.ask(CONVERT_PATH, encoded(asked))
    assert status in (200, 400), answer
    if status != 200:
        assert isinstance(answer, str) and answer
        return
    assert isinstance(answer, dict)
    response, request = answer["response"], asked["request"]
    assert response["uid"] == request["uid"]
    if response["result"]["status"] == "Success":
        wanted = request["desiredAPIVersion"]
        assert [one["apiVersion"] for one in response["convertedObjects"]] == [wanted] * len(
            request.get("objects") or []
        )
    else:
        assert response["convertedObjects"] == []
        assert ": " in response["result"]["message"]
