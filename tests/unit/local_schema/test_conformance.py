"""What a real API server answered, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from kaito.local.schema import crd, ssa, typed, validation
from kaito.local.schema.registry import BY_GVK

Object = dict[str, Any]
CONFIG_MAP = BY_GVK["", "v1", "ConfigMap"]
DEPLOYMENT = BY_GVK["apps", "v1", "Deployment"]
POD = BY_GVK["", "v1", "Pod"]


def _pod(**resources: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "x:1", "resources": resources}]}
    return {"metadata": {"name": "p", "namespace": "n"}, "spec": spec}


def _applied(env: list[Object]) -> Object:
    containers = [{"name": "a", "env": env}]
    spec = {"template": {"spec": {"containers": containers}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def test_amounts_are_stored_in_their_canonical_form() -> None:
    prepared = validation.prepare_create(POD, _pod(limits={"cpu": "1000m", "memory": "1024Mi"}))
    resources = prepared.obj["spec"]["containers"][0]["resources"]
    assert resources["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert resources["requests"] == {"cpu": "1", "memory": "1Gi"}


def test_an_amount_that_is_none_cannot_be_decoded() -> None:
    prepared = validation.prepare_create(POD, _pod(requests={"cpu": "lots"}))
    assert prepared.decode_errors[0].startswith("quantities must match the regular expression")


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        ({"data": {"a": 1}}, "cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ({"data": [1]}, "cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"),
        ({"metadata": {"labels": {"a.b/c": 1}}},
         "cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named_as_go_names_it(obj: Object, says: str) -> None:
    assert validation.prepare_create(CONFIG_MAP, obj).decode_errors[0].endswith(says)


def test_a_deployment_with_an_empty_spec_lacks_three_things() -> None:
    prepared = validation.prepare_create(DEPLOYMENT, {"metadata": {"name": "d", "namespace": "n"}, "spec": {}})
    errors = validation.validate(DEPLOYMENT, prepared.obj)
    assert [(error.field, error.message) for error in errors] == [
        ("spec.selector", "Required value"),
        ("spec.template.metadata.labels", "Invalid value: null: `selector` does not match template `labels`"),
        ("spec.template.spec.containers", "Required value"),
    ]


def test_an_empty_list_of_owned_items_is_nobodys() -> None:
    new, _ = ssa.apply(DEPLOYMENT, None, _applied([]), "m")
    container = new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert container == {'k:{"name":"a"}': {".": {}, "f:name": {}}}


def test_what_nobody_recorded_has_to_be_taken_by_force() -> None:
    live = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    _, conflicts = ssa.apply(CONFIG_MAP, live, live | {"data": {"a": "2"}}, "m")
    assert [c.cause()["message"] for c in conflicts] == ['conflict with "before-first-apply" using v1']


def test_records_that_a_client_sends_replace_the_old_ones() -> None:
    old: Object = {"metadata": {"name": "c"}, "data": {"a": "1"}}
    ssa.update_managed_fields(CONFIG_MAP, None, old, "kubectl-client-side-apply")
    mine = old["metadata"]["managedFields"][0] | {"manager": "kubectl", "operation": "Apply"}
    new = old | {"metadata": {"name": "c", "managedFields": [mine]}}
    ssa.update_managed_fields(CONFIG_MAP, old, new, "kubectl")
    assert new["metadata"]["managedFields"] == [mine]


def _widget() -> crd.CompiledVersion:
    replicas = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"spec": replicas, "status": replicas}}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
               "subresources": {"status": {}, "scale": scale}}  # fmt: skip
    names = {"plural": "widgets", "kind": "Widget"}
    return crd.compile({"spec": {"group": "g", "scope": "Cluster", "names": names, "versions": [version]}}).versions[
        "v1"
    ]


def test_a_job_without_labels_takes_those_of_its_pods() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": []}}
    job = {"metadata": {"name": "j", "namespace": "n"}, "spec": {"template": template}}
    labels = validation.prepare_create(BY_GVK["batch", "v1", "Job"], job).obj["metadata"]["labels"]
    assert labels["a"] == "b"
    assert labels["batch.kubernetes.io/job-name"] == "j"


def test_text_for_a_number_is_told_before_a_merge() -> None:
    problems = typed.problems(_widget().type, {"spec": {"replicas": "three"}})
    assert problems == [".spec.replicas: expected numeric (int or float), got string"]
