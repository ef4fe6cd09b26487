"""Refusals that clients read, in the words of a real API server."""

from __future__ import annotations

import pytest

from kaito.local.apiserver import request, selectors, status
from kaito.local.schema.registry import BY_GVK


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a b c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in x", "unable to parse requirement: found 'x' expected: '('"),
        ("a=b c d", "found 'c', expected: ',' or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
    ],
)
def test_a_wrong_selector_is_told_where_it_goes_wrong(text: str, says: str) -> None:
    with pytest.raises(status.StatusError) as caught:
        selectors.parse_labels(text)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    "text", ["a", "!a", "a=b", "a==b,c!=d", "a in (x,y)", "a notin (x)", "a>1", "a=", "a in (x),b", "a.b/c-d = e"]
)
def test_a_right_selector_is_read(text: str) -> None:
    assert selectors.parse_labels(text)


def test_a_kind_without_fields_to_select_by_names_the_two_that_all_have() -> None:
    with pytest.raises(status.StatusError) as caught:
        selectors.parse_fields(BY_GVK["", "v1", "ConfigMap"], "data.k=v")
    expected = '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{not json}", "invalid character 'n' looking for beginning of object key string"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b'{"a":1} {"b":2}', "invalid character '{' after top-level value"),
        (b'{"a":', "unexpected end of JSON input"),
        (b"", "unexpected end of JSON input"),
        (b'{"a":1,b}', "invalid character 'b' looking for beginning of object key string"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    ],
)
def test_json_that_is_none_is_told_as_go_tells_it(raw: bytes, says: str) -> None:
    with pytest.raises(status.StatusError) as caught:
        request.parse(raw)
    assert str(caught.value) == f"couldn't get version/kind; json parse error: {says}"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"", "<empty>"),
        (b'{"a":', '{"a":'),
        (b"{" + b"x" * 40, "{" + "x" * 29 + " ..."),
        (b"hi", "6869"),
        (b"h" * 31, "68" * 30 + " ..."),
    ],
)
def test_a_refused_body_is_shown_in_short(raw: bytes, shown: str) -> None:
    assert request.summary(raw) == shown


@pytest.mark.parametrize(
    ("accept", "form", "binary"),
    [
        ("", "", False),
        ("application/json", "", False),
        ("application/vnd.kubernetes.protobuf, application/json", "", False),
        ("application/vnd.kubernetes.protobuf", "", True),
        ("application/json;as=Table;g=meta.k8s.io;v=v1,application/json", "Table", False),
    ],
)
def test_protobuf_is_given_only_for_want_of_json(accept: str, form: str, binary: bool) -> None:
    wanted = request.negotiate(accept)
    assert (wanted.kind, wanted.protobuf) == (form, binary)


def test_a_custom_kind_has_no_protobuf() -> None:
    with pytest.raises(status.StatusError) as caught:
        request.negotiate("application/vnd.kubernetes.protobuf", custom=True)
    assert caught.value.code == 406
    assert request.answerable("application/vnd.kubernetes.protobuf").protobuf
    assert not request.answerable("application/vnd.kubernetes.protobuf,application/json").protobuf


def test_a_content_type_that_is_none_is_refused() -> None:
    with pytest.raises(status.StatusError) as caught:
        request.read_body(request.Request("POST", "/", headers={"content-type": ";;;"}, body=b"{}"))
    assert caught.value.code == 415
    assert request.read_body(request.Request("POST", "/", body=b"{}")) == {}


def test_an_answer_is_in_lines_when_asked() -> None:
    assert request.encode({"a": 1}, request.Wanted(pretty=True)) == b'{\n  "a": 1\n}\n'
