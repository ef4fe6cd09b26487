"""Defaults, decoding and validation of builtin kinds."""

from __future__ import annotations

import time

import pytest

from kaito.local.schema import registry, validation
from kaito.local.schema.errors import invalid_status


def kind(name: str, group: str = "", version: str = "v1") -> registry.Type:
    found = registry.by_gvk(group, version, name)
    assert found is not None
    return found


def deployment(**spec: object) -> dict:
    pod = {"containers": [{"name": "web", "image": "nginx"}]}
    base = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
    }
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {**base, **spec}}


def texts(type_: registry.Type, obj: dict, old: dict | None = None) -> list[str]:
    prepared = validation.prepare_create(type_, obj)
    assert prepared.decode_errors == []
    return [str(error) for error in validation.validate(type_, prepared.obj, old)]


def test_every_builtin_kind_has_a_schema_and_a_unique_address() -> None:
    from kaito.local.schema.fields import schema_for

    for type_ in registry.BUILTIN:
        assert schema_for(type_).fields, type_
    assert len(registry.BY_RESOURCE) == len(registry.BUILTIN)
    assert registry.by_resource("networking.k8s.io", "v1", "networkpolicies").kind == "NetworkPolicy"
    assert registry.by_resource("", "v1", "endpoints").singular == "endpoints"


def test_deployment_gets_the_defaults_of_a_real_server() -> None:
    obj = validation.prepare_create(kind("Deployment", "apps"), deployment()).obj
    spec = obj["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["dnsPolicy"], pod["schedulerName"]) == (
        "Always", "ClusterFirst", "default-scheduler",
    )  # fmt: skip
    container = pod["containers"][0]
    assert container["imagePullPolicy"] == "Always"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert texts(kind("Deployment", "apps"), deployment()) == []


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("r:5000/a", "Always"),
        ("a:1", "IfNotPresent"),
        ("a@sha256:x", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": [{"name": "c", "image": image}]}}
    obj = validation.prepare_create(kind("Pod"), pod).obj
    assert obj["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_probe_service_and_secret_defaults() -> None:
    probe = {"httpGet": {"port": 80}}
    container = {"name": "c", "image": "a:1", "readinessProbe": probe}
    pod = validation.prepare_create(kind("Pod"), {"metadata": {"name": "p"}, "spec": {"containers": [container]}}).obj
    assert pod["spec"]["containers"][0]["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    }  # fmt: skip
    service = validation.prepare_create(
        kind("Service"), {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    ).obj
    assert service["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert service["spec"]["internalTrafficPolicy"] == "Cluster"
    secret = validation.prepare_create(kind("Secret"), {"metadata": {"name": "s"}, "stringData": {"a": "b"}}).obj
    assert secret["type"] == "Opaque"
    assert secret["data"] == {"a": "Yg=="}
    assert "stringData" not in secret


def test_unknown_fields_are_named_and_dropped() -> None:
    body = deployment(foo=1)
    body["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    prepared = validation.prepare_create(kind("Deployment", "apps"), body)
    assert prepared.warnings == [
        'unknown field "spec.template.spec.containers[0].imag"',
        'unknown field "spec.foo"',
    ]
    assert "foo" not in prepared.obj["spec"]
    assert prepared.strict_message.startswith("strict decoding error: unknown field")


def test_a_wrong_type_is_a_decode_error() -> None:
    type_ = kind("Deployment", "apps")
    prepared = validation.prepare_create(type_, deployment(replicas="two"))
    assert validation.decode_message(type_, prepared.decode_errors) == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    )


def test_names_and_labels_in_kubernetes_words() -> None:
    config = {"metadata": {"name": "Bad_Name", "namespace": "d", "labels": {"a": "-"}}, "data": {"a b": "c"}}
    found = texts(kind("ConfigMap"), config)
    assert found[0].startswith(
        'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case'
    )
    assert found[1].startswith(
        'metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of'
    )
    assert found[2].startswith('data[a b]: Invalid value: "a b": a valid config key must consist of')
    service = {"metadata": {"name": "1.a", "namespace": "d"}, "spec": {"ports": [{"port": 0}]}}
    found = texts(kind("Service"), service)
    assert "a lowercase RFC 1123 label must consist of" in found[0]
    assert found[1] == "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"


def test_selector_must_match_the_template() -> None:
    found = texts(kind("Deployment", "apps"), deployment(selector={"matchLabels": {"app": "other"}}))
    assert found == [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
    ]


def test_stateful_set_refuses_what_it_cannot_change() -> None:
    type_ = kind("StatefulSet", "apps")
    old = validation.prepare_create(type_, deployment(serviceName="a")).obj
    assert [str(e) for e in validation.validate(type_, {**old, "spec": {**old["spec"], "replicas": 3}}, old)] == []
    changed = {**old, "spec": {**old["spec"], "serviceName": "b"}}
    found = [str(e) for e in validation.validate(type_, changed, old)]
    assert found[0].startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")


def test_job_gets_its_selector_and_keeps_its_template() -> None:
    type_ = kind("Job", "batch")
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a"}]}
    job = {"metadata": {"name": "j", "namespace": "d"}, "spec": {"template": {"spec": pod}}}
    obj = validation.prepare_create(type_, job).obj
    uid = obj["metadata"]["uid"]
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert obj["spec"]["template"]["metadata"]["labels"]["job-name"] == "j"
    assert (obj["spec"]["completions"], obj["spec"]["parallelism"], obj["spec"]["backoffLimit"]) == (1, 1, 6)
    assert validation.validate(type_, obj) == []
    changed = {**obj, "spec": {**obj["spec"], "completions": 5}}
    assert [str(e) for e in validation.validate(type_, changed, obj)] == [
        "spec.completions: Invalid value: 5: field is immutable"
    ]
    resent = validation.prepare_update(type_, job, obj).obj
    assert validation.validate(type_, resent, obj) == []


def test_immutable_config_and_cluster_ip() -> None:
    old = {"metadata": {"name": "c", "namespace": "d"}, "immutable": True, "data": {"a": "1"}}
    new = {**old, "data": {"a": "2"}}
    assert texts(kind("ConfigMap"), new, old) == ["data: Forbidden: field is immutable when `immutable` is set"]
    service = {"metadata": {"name": "s", "namespace": "d"}, "spec": {"clusterIP": "127.1.0.1", "ports": [{"port": 1}]}}
    old = validation.prepare_create(kind("Service"), service).obj
    new = {**old, "spec": {**old["spec"], "clusterIP": "127.1.0.2"}}
    found = [str(e) for e in validation.validate(kind("Service"), new, old)]
    assert found == ['spec.clusterIPs[0]: Invalid value: ["127.1.0.2"]: may not change once set']


def test_pod_rules() -> None:
    container = {
        "name": "c",
        "volumeMounts": [{"name": "gone", "mountPath": "/x"}],
        "resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}},
    }
    pod = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": [container]}}
    assert texts(kind("Pod"), pod) == [
        "spec.containers[0].image: Required value",
        'spec.containers[0].volumeMounts[0].name: Not found: "gone"',
        'spec.containers[0].resources.requests: Invalid value: "2Gi": '
        "must be less than or equal to memory limit of 1Gi",
    ]


def test_the_status_reads_as_kubectl_prints_it() -> None:
    type_ = kind("Deployment", "apps")
    body = deployment()
    del body["spec"]["selector"]
    errors = validation.validate(type_, validation.prepare_create(type_, body).obj)
    status = invalid_status("apps", "Deployment", "web", errors)
    assert status["message"] == (
        'Deployment.apps "web" is invalid: [spec.selector: Required value, spec.template.metadata.labels: '
        'Invalid value: {"app":"web"}: `selector` does not match template `labels`]'
    )
    assert status["details"]["causes"][:1] == [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.selector"}
    ]


def test_a_config_map_create_is_cheap() -> None:
    from kaito.local.schema import ssa

    type_ = kind("ConfigMap")
    body = {"metadata": {"name": "c", "namespace": "d"}, "data": {f"k{i}": "v" for i in range(10)}}

    def once() -> None:
        obj = validation.prepare_create(type_, body).obj
        assert validation.validate(type_, obj) == []
        ssa.update_managed_fields(type_, None, obj, "kubectl", "Update")

    once()
    best = 1.0
    for _ in range(50):
        start = time.perf_counter()
        once()
        best = min(best, time.perf_counter() - start)
    assert best < 0.0005
