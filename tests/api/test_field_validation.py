"""Unknown and repeated fields: silent, warned of, or refused, as the client asks."""

from __future__ import annotations

import pytest

from tests.api.client import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Api
from tests.api.objects import config_map, config_maps, deployment, deployments

TYPO = '{"metadata":{"name":"a","labls":{"x":"y"}},"data":{"k":"1","k":"2"},"extra":3}'
COMPLAINTS = ['unknown field "metadata.labls"', 'duplicate field "data.k"', 'unknown field "extra"']
JSON = {"Content-Type": "application/json"}


def _warnings(values: list[str]) -> list[str]:
    assert all(value.startswith('299 - "') and value.endswith('"') for value in values)
    return [value.removeprefix('299 - "').removesuffix('"').replace('\\"', '"') for value in values]


def test_warn_is_the_default_and_keeps_the_last_of_a_repeated_key(api: Api, ns: str) -> None:
    response = api.request("POST", config_maps(ns), content=TYPO, headers=JSON)
    assert response.status_code == 201
    assert _warnings(response.headers.get_list("warning")) == COMPLAINTS
    assert response.json()["data"] == {"k": "2"}
    assert "extra" not in response.json()


def test_ignore_says_nothing(api: Api, ns: str) -> None:
    response = api.request("POST", config_maps(ns), content=TYPO, headers=JSON, fieldValidation="Ignore")
    assert (response.status_code, response.headers.get_list("warning")) == (201, [])
    assert response.json()["data"] == {"k": "2"}


def test_strict_refuses_and_lists_all(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), code=400, content=TYPO, headers=JSON, fieldValidation="Strict")
    assert status["reason"] == "BadRequest"
    assert status["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ' + ", ".join(COMPLAINTS)
    )
    assert api.request("GET", f"{config_maps(ns)}/a").status_code == 404


def test_strict_looks_into_nested_fields(api: Api, ns: str) -> None:
    body = deployment("a")
    body["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    status = api.refused("POST", deployments(ns), body, code=400, fieldValidation="Strict")
    assert 'unknown field "spec.template.spec.containers[0].imagePullPolcy"' in status["message"]


def test_names_are_case_sensitive(api: Api, ns: str) -> None:
    status = api.refused(
        "POST", config_maps(ns), {"metadata": {"name": "a"}, "Data": {"a": "b"}}, code=400, fieldValidation="Strict"
    )
    assert 'unknown field "Data"' in status["message"]


def test_yaml_repeats_are_found_too(api: Api, ns: str) -> None:
    text = "metadata: {name: a}\ndata:\n  k: '1'\n  k: '2'\n"
    status = api.refused(
        "POST",
        config_maps(ns),
        code=400,
        content=text,
        headers={"Content-Type": "application/yaml"},
        fieldValidation="Strict",
    )
    assert 'key "k" already set in map' in status["message"]


def test_replace_is_checked(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    body = {**config_map("a"), "extra": 1}
    status = api.refused("PUT", f"{config_maps(ns)}/a", body, code=400, fieldValidation="Strict")
    assert 'unknown field "extra"' in status["message"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MERGE_PATCH, {"extra": 1}),
        (STRATEGIC_PATCH, {"extra": 1}),
        (JSON_PATCH, [{"op": "add", "path": "/extra", "value": 1}]),
    ],
)
def test_patches_are_checked(api: Api, ns: str, kind: str, body: object) -> None:
    made = api.create(config_maps(ns), config_map("a", {"k": "v"}))
    path, headers = f"{config_maps(ns)}/a", {"Content-Type": kind}
    status = api.refused("PATCH", path, body, code=422, headers=headers, fieldValidation="Strict")
    assert 'unknown field "extra"' in status["message"]
    warned = api.request("PATCH", path, body, headers=headers)
    assert _warnings(warned.headers.get_list("warning")) == ['unknown field "extra"']
    assert warned.json() == made


def test_apply_always_refuses_an_unknown_field(api: Api, ns: str) -> None:
    body = {**config_map("a"), "extra": 1}
    status = api.refused(
        "PATCH", f"{config_maps(ns)}/a", body, code=500, headers={"Content-Type": APPLY_PATCH}, fieldManager="me"
    )
    assert ".extra: field not declared in schema" in status["message"]
