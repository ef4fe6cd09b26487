"""Requests that are wrong before any object is looked at, and what is said to them."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml

from tests.api.client import Api
from tests.api.objects import config_map, config_maps, deployments

JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}


@pytest.mark.parametrize(
    ("headers", "content", "message"),
    [
        (JSON, '{"metadata":{"name":"a"', "unexpected end of JSON input"),
        (YAML, "metadata: {name: a}\ndata: {a: b", "yaml: line 2"),
        (JSON, '{"metadata":{"name":"a"},"data":{"x":1}}', "cannot be handled as a ConfigMap"),
        (JSON, '{"metadata":{"name":"a","namespace":"other"}}', "does not match the namespace sent on the request"),
        (JSON, '{"kind":"Nonsense","apiVersion":"v1","metadata":{"name":"a"}}', "Nonsense"),
    ],
    ids=["cut-off JSON", "cut-off YAML", "a number for a string", "another namespace", "another kind"],
)
def test_a_body_that_cannot_be_the_object_is_a_bad_request(
    api: Api, ns: str, headers: dict[str, str], content: str, message: str
) -> None:
    status = api.refused("POST", config_maps(ns), code=400, content=content, headers=headers)
    assert status["reason"] == "BadRequest"
    assert message in status["message"]


def test_the_name_in_the_body_must_be_the_name_in_the_path(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    status = api.refused("PUT", f"{config_maps(ns)}/a", config_map("b"), code=400)
    assert status["message"] == "the name of the object (b) does not match the name on the URL (a)"


def test_neither_name_nor_generate_name_is_invalid(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), {"metadata": {}}, code=422)
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueRequired",
            "message": "Required value: name or generateName is required",
            "field": "metadata.name",
        }
    ]


def test_an_unknown_content_type_is_415(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), code=415, content="x", headers={"Content-Type": "text/csv"})
    assert status["reason"] == "UnsupportedMediaType"
    assert "application/json, application/yaml" in status["message"]


def test_a_patch_of_no_known_kind_is_415(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    status = api.refused("PATCH", f"{config_maps(ns)}/a", code=415, content="{}", headers=JSON)
    assert status["reason"] == "UnsupportedMediaType"


def test_an_accept_that_cannot_be_met_is_406(api: Api, ns: str) -> None:
    status = api.refused("GET", config_maps(ns), code=406, headers={"Accept": "image/png"})
    assert status["reason"] == "NotAcceptable"


@pytest.mark.parametrize("accept", ["*/*", "image/png, application/json;q=0.5", "application/json"])
def test_an_accept_that_json_meets_gets_json(api: Api, ns: str, accept: str) -> None:
    response = api.request("GET", config_maps(ns), headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"
    assert response.json()["kind"] == "ConfigMapList"


@pytest.mark.parametrize(
    ("method", "name"), [("PUT", ""), ("PATCH", ""), ("POST", "/a")], ids=["PUT all", "PATCH all", "POST one"]
)
def test_a_method_that_does_not_fit_the_path_is_405(api: Api, ns: str, method: str, name: str) -> None:
    status = api.refused(method, f"{config_maps(ns)}{name}", {}, code=405)
    assert status["reason"] == "MethodNotAllowed"
    assert status["message"] == "the server does not allow this method on the requested resource"


@pytest.mark.parametrize(
    "path", ["/api/v1/namespaces/default/nonsense", "/apis/apps/v1/namespaces/default/nonsense", "/api/v1/nonsense"]
)
def test_an_unknown_resource_of_a_known_group_is_404(api: Api, path: str) -> None:
    status = api.refused("GET", path, code=404)
    assert (status["reason"], status["details"]) == ("NotFound", {})
    assert status["message"] == "the server could not find the requested resource"


@pytest.mark.parametrize("path", ["/apis/nonsense.example.com/v1/things", "/apis/apps/v9/deployments"])
def test_an_unknown_group_or_version_is_404(api: Api, path: str) -> None:
    assert api.request("GET", path).status_code == 404


def test_a_body_over_three_mebibytes_is_413(api: Api, ns: str) -> None:
    big = config_map("big", {"a": "x" * (3 * 1024 * 1024)})
    status = api.refused("POST", config_maps(ns), big, code=413)
    assert (status["reason"], status["message"]) == (
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    )


def test_a_config_map_over_one_mebibyte_is_invalid(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), config_map("big", {"a": "x" * 1_100_000}), code=422)
    assert status["details"]["causes"][0]["reason"] == "FieldValueTooLong"
    assert "may not be more than 1048576 bytes" in status["message"]


def test_yaml_in_and_out(api: Api, ns: str) -> None:
    text = yaml.safe_dump(config_map("a", {"answer": "42"}))
    response = api.request("POST", config_maps(ns), content=text, headers={**YAML, "Accept": "application/yaml"})
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(response.text)["data"] == {"answer": "42"}


def test_large_answers_are_compressed_when_asked(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", {"word": "again " * 40_000}))
    with api.http.stream("GET", f"{config_maps(ns)}/a", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["content-encoding"] == "gzip"
        packed = b"".join(response.iter_raw())
    assert len(packed) < 20_000
    assert json.loads(gzip.decompress(packed))["data"]["word"].startswith("again again")


def test_large_answers_are_plain_when_not_asked(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a", {"word": "again " * 40_000}))
    response = api.request("GET", f"{config_maps(ns)}/a", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in response.headers


def test_unicode_survives(api: Api, ns: str) -> None:
    data = {"text": 'Grüße, 世界 \U0001f600 <a href="x">&</a>\u2028\n\t"quoted"'}
    made = api.create(config_maps(ns), config_map("a", data))
    assert made["data"] == data
    assert api.get(f"{config_maps(ns)}/a")["data"] == data


def test_numbers_and_nulls_become_what_the_schema_says(api: Api, ns: str) -> None:
    body = {"metadata": {"name": "a", "labels": None, "annotations": {}}, "data": None, "immutable": None}
    made = api.create(config_maps(ns), body)
    assert "data" not in made and "immutable" not in made and "labels" not in made["metadata"]


def test_a_missing_namespace_is_named(api: Api) -> None:
    status = api.refused("POST", deployments("no-such-place"), {"metadata": {"name": "a"}}, code=404)
    assert status["message"] == 'namespaces "no-such-place" not found'
    assert status["details"] == {"name": "no-such-place", "kind": "namespaces"}


def test_lists_of_a_missing_namespace_are_empty(api: Api) -> None:
    assert api.get(config_maps("no-such-place"))["items"] == []


@pytest.mark.parametrize("query", [{"dryRun": "Some"}, {"fieldValidation": "Harsh"}])
def test_an_unknown_value_of_an_option_is_invalid(api: Api, ns: str, query: dict[str, str]) -> None:
    status = api.refused("POST", config_maps(ns), config_map("a"), code=422, **query)
    (option,) = query
    assert status["message"].startswith(f'CreateOptions.meta.k8s.io "" is invalid: {option}: Unsupported value: ')
    assert status["details"]["causes"][0]["field"] == option
    assert status["details"]["causes"][0]["reason"] == "FieldValueNotSupported"


def test_options_is_not_offered(api: Api, ns: str) -> None:
    assert api.request("OPTIONS", config_maps(ns)).status_code == 405


def test_requests_over_one_connection_do_not_mix(api: Api, ns: str) -> None:
    for number in range(20):
        api.create(config_maps(ns), config_map(f"n{number:02}", {"n": str(number)}))
    for number in range(20):
        assert api.get(f"{config_maps(ns)}/n{number:02}")["data"] == {"n": str(number)}


def test_a_body_that_is_not_packed_as_it_says_is_a_bad_request(api: Api, ns: str) -> None:
    status = api.refused("POST", config_maps(ns), code=400, content=b"no", headers={**JSON, "Content-Encoding": "gzip"})
    assert status["reason"] == "BadRequest"


def test_yaml_that_grows_by_its_aliases_is_a_bad_request(api: Api, ns: str) -> None:
    lines = ["data: &a0 {k: v}"] + [f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + "\n".join(lines)
    status = api.refused("POST", config_maps(ns), code=400, content=text, headers=YAML)
    assert "excessive aliasing" in status["message"]


def test_a_long_selector_is_answered(api: Api, ns: str) -> None:
    names = ",".join(f"a-name-that-is-long-{number:04}" for number in range(2000))
    assert api.get(config_maps(ns), labelSelector=f"app in ({names})")["items"] == []
