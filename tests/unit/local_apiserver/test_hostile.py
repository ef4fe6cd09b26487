"""Requests that mean harm, or that a broken program sends: refused in little time and with a reason."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from kaito.local.apiserver import request
from kaito.local.apiserver.server import _foreign
from kaito.local.apiserver.status import StatusError

LINES = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)
]
BOMB = "\n".join(LINES).encode()


@pytest.mark.parametrize(
    ("raw", "is_yaml", "message"),
    [
        (BOMB, True, "excessive aliasing"),
        (b"a: &a [*a]", True, "nested more than 200 levels deep"),
        (b"[" * 300 + b"]" * 300, False, "nested more than 200 levels deep"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, False, "nested more than 200 levels deep"),
        (b"[" * 300 + b"]" * 300, True, "nested more than 200 levels deep"),
        (b"[" * 50_000, False, "json parse error"),
        (b"[" * 50_000, True, "yaml"),
    ],
    ids=["a bomb of aliases", "a ring", "deep lists", "deep objects", "deep YAML", "endless lists", "endless YAML"],
)
def test_a_body_that_grows_without_bound_is_a_bad_request(raw: bytes, is_yaml: bool, message: str) -> None:
    with pytest.raises(StatusError, match=message) as refused:
        request.parse(raw, is_yaml=is_yaml)
    assert refused.value.code == 400


def test_modest_aliases_and_many_brackets_are_fine() -> None:
    assert request.parse(b"a: &a {x: 1}\nb: *a\n", is_yaml=True) == {"a": {"x": 1}, "b": {"x": 1}}
    assert len(request.parse(b"[" + b",".join([b"{}"] * 5000) + b"]")) == 5000


@pytest.mark.parametrize("raw", [BOMB, b"a: &a [*a]"], ids=["a bomb of aliases", "a ring"])
def test_repeated_keys_are_looked_for_once_in_each_part(raw: bytes) -> None:
    assert request.repeated_keys(raw) == []


@pytest.mark.parametrize(
    ("host", "foreign"),
    [
        ("127.0.0.1:6443", False),
        ("localhost:6443", False),
        ("127.21.0.1", False),
        ("127.evil.example", True),
        ("127.0.0.1.evil.example:6443", True),
        ("evil.example", True),
        ("", True),
    ],
)
def test_only_the_names_of_this_machine_are_answered(host: str, foreign: bool) -> None:
    assert (_foreign(make_mocked_request("GET", "/api", headers={"Host": host})) is not None) == foreign
