"""Liveness, version and who may ask."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.api.client import Api
from tests.api.cluster import Cluster


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/ping"])
def test_health_is_the_two_letters_ok(api: Api, path: str) -> None:
    response = api.request("GET", path)
    assert (response.status_code, response.text) == (200, "ok")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("name", ["healthz", "livez", "readyz"])
def test_verbose_health_lists_each_check(api: Api, name: str) -> None:
    lines = api.request("GET", f"/{name}?verbose").text.splitlines()
    assert "[+]ping ok" in lines
    assert lines[-1] == f"{name} check passed"


def test_version_has_the_fields_that_clients_parse(api: Api) -> None:
    version = api.get("/version")
    assert version["major"] == "1"
    assert re.fullmatch(r"\d+\+?", version["minor"])
    assert re.match(rf"v1\.{version['minor'].rstrip('+')}\.\d+", version["gitVersion"])
    assert version["platform"].count("/") == 1


def test_a_wrong_token_is_unauthorized(cluster: Cluster) -> None:
    with Api(cluster, token="wrong") as stranger:
        status = stranger.refused("GET", "/api/v1/namespaces/default/configmaps", code=401)
    assert (status["reason"], status["message"]) == ("Unauthorized", "Unauthorized")


def test_a_wrong_token_is_unauthorized_even_for_health(cluster: Cluster) -> None:
    with Api(cluster, token="wrong") as stranger:
        assert stranger.request("GET", "/version").status_code == 401


def test_without_a_token_one_is_anonymous_and_forbidden(cluster: Cluster) -> None:
    with Api(cluster, token=None) as stranger:
        status = stranger.refused("GET", "/api/v1/namespaces/default/configmaps/x", code=403)
    assert status["reason"] == "Forbidden"
    assert status["details"] == {"name": "x", "kind": "configmaps"}
    assert status["message"] == (
        'configmaps "x" is forbidden: User "system:anonymous" cannot get resource "configmaps" in API group ""'
        ' in the namespace "default"'
    )


def test_without_a_token_health_and_version_answer(cluster: Cluster) -> None:
    with Api(cluster, token=None) as stranger:
        codes = [stranger.request("GET", path).status_code for path in ("/healthz", "/livez", "/readyz", "/version")]
    assert codes == [200, 200, 200, 200]


def test_plain_http_on_the_tls_port_gets_no_objects(cluster: Cluster) -> None:
    with httpx.Client() as plain:
        try:
            code = plain.get(cluster.url.replace("https", "http") + "/api/v1/namespaces").status_code
        except httpx.TransportError:
            return
    assert code == 400


def test_who_am_i(api: Api) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    info = api.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]
    assert info["username"]
    assert "system:masters" in info["groups"]
    assert "system:authenticated" in info["groups"]


def test_can_i(api: Api) -> None:
    body = {"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}}}
    review = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert review["status"]["allowed"] is True


def test_unknown_path_is_a_plain_404(api: Api) -> None:
    response = api.request("GET", "/nowhere")
    assert response.status_code == 404
