"""The binary form: clients such as kubectl write built-in kinds in it and may ask for it."""

from __future__ import annotations

from kaito.local.schema import wire
from tests.api.client import Api
from tests.api.objects import config_maps, deployments

PROTOBUF = "application/vnd.kubernetes.protobuf"


def binary(obj: dict) -> bytes:
    encoded = wire.encode(obj)
    assert encoded is not None
    return encoded


def test_a_config_map_in_protobuf_is_stored_as_one_in_json(api: Api, ns: str) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    headers = {"Content-Type": PROTOBUF, "Accept": f"{PROTOBUF},application/json"}
    answer = api.request("POST", config_maps(ns), content=binary(obj), headers=headers)
    assert answer.status_code == 201
    assert api.get(f"{config_maps(ns)}/a")["data"] == {"k": "v"}


def test_the_answer_is_protobuf_for_a_client_that_takes_nothing_else(api: Api, ns: str) -> None:
    api.create(config_maps(ns), {"metadata": {"name": "a"}, "data": {"k": "v"}})
    answer = api.request("GET", f"{config_maps(ns)}/a", headers={"Accept": PROTOBUF})
    assert answer.headers["Content-Type"] == PROTOBUF
    decoded = wire.decode(answer.content)
    assert (decoded["kind"], decoded["data"]) == ("ConfigMap", {"k": "v"})
    many = api.request("GET", config_maps(ns), headers={"Accept": PROTOBUF})
    assert "a" in [item["metadata"]["name"] for item in wire.decode(many.content)["items"]]


def test_zero_replicas_in_protobuf_stay_zero(api: Api, ns: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    answer = api.request("POST", deployments(ns), content=binary(obj), headers={"Content-Type": PROTOBUF})
    assert answer.status_code == 201
    assert answer.json()["spec"]["replicas"] == 0


def test_rubbish_in_protobuf_is_a_bad_request(api: Api, ns: str) -> None:
    api.refused("POST", config_maps(ns), code=400, content=b"{}", headers={"Content-Type": PROTOBUF})
