"""Tables, JSONPath, discovery and OpenAPI documents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kaito.local.schema import crd, discovery, jsonpath, openapi, registry, table
from kaito.local.schema.table_cells import duration

NOW = datetime(2026, 1, 2, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-01-01T23:55:00Z"}


def cells(group: str, version: str, kind: str, obj: dict) -> dict:
    rendered = table.render(registry.BY_GVK[group, version, kind], [obj], now=NOW)
    names = [column["name"] for column in rendered["columnDefinitions"]]
    return dict(zip(names, rendered["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (330, "5m30s"), (3 * 3600, "3h"), (47 * 3600, "47h"), (52 * 3600, "2d4h"),
     (400 * 86400, "400d"), (750 * 86400, "2y20d")],
)  # fmt: skip
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def pod(*states: dict, **status: object) -> dict:
    statuses = [{"name": f"c{i}", "ready": "running" in s, "state": s, "restartCount": i} for i, s in enumerate(states)]
    spec = {"containers": [{"name": f"c{i}"} for i in range(len(states))], "nodeName": "n"}
    return {"metadata": META, "spec": spec, "status": {"phase": "Running", "containerStatuses": statuses, **status}}


@pytest.mark.parametrize(
    ("obj", "ready", "word"),
    [
        pytest.param(pod({"running": {}}, {"running": {}}), "2/2", "Running", id="running"),
        pytest.param(pod({"waiting": {"reason": "CrashLoopBackOff"}}), "0/1", "CrashLoopBackOff", id="waiting"),
        pytest.param(pod({"terminated": {"exitCode": 3}}), "0/1", "ExitCode:3", id="exit"),
        pytest.param(
            pod({"waiting": {"reason": "PodInitializing"}}, initContainerStatuses=[{"state": {"running": {}}}]),
            "0/1", "Init:0/0", id="init",
        ),
        pytest.param({**pod({"running": {}}), "metadata": {**META, "deletionTimestamp": "x"}}, "1/1", "Terminating",
                     id="gone"),
    ],
)  # fmt: skip
def test_pods(obj: dict, ready: str, word: str) -> None:
    row = cells("", "v1", "Pod", obj)
    assert (row["Name"], row["Ready"], row["Status"], row["Age"], row["Node"]) == ("x", ready, word, "5m", "n")


def test_workloads_services_and_the_rest() -> None:
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "completions": 1}
    obj = {"metadata": META, "spec": spec, "status": {"readyReplicas": 1, "succeeded": 1}}
    assert cells("apps", "v1", "Deployment", obj)["Ready"] == "1/2"
    assert cells("apps", "v1", "Deployment", obj)["Selector"] == "a=b"
    assert cells("apps", "v1", "StatefulSet", obj)["Ready"] == "1/2"
    assert cells("batch", "v1", "Job", obj)["Completions"] == "1/1"
    service = {"metadata": META, "spec": {"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]}}
    assert cells("", "v1", "Service", service)["Port(s)"] == "80/TCP"
    assert cells("", "v1", "ConfigMap", {"metadata": META, "data": {"a": "b"}}) == {
        "Name": "x",
        "Data": 1,
        "Age": "5m",
    }
    assert cells("scheduling.k8s.io", "v1", "PriorityClass", {"metadata": META}) == {"Name": "x", "Age": "5m"}
    event = {"metadata": META, "type": "Normal", "reason": "R", "involvedObject": {"kind": "Pod", "name": "p"}}
    row = cells("", "v1", "Event", event)
    assert (row["Last Seen"], row["Object"], row["Count"]) == ("5m", "pod/p", 1)


TOYS = {
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "toys", "kind": "Toy", "categories": ["all"]},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {"n": {"type": "integer", "description": "How many."}}},
            }}},
            "additionalPrinterColumns": [
                {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
                {"name": "N", "type": "integer", "jsonPath": ".spec.n", "priority": 1},
                {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            ],
        }],
    }
}  # fmt: skip


def test_custom_columns() -> None:
    type_ = crd.compile(TOYS).types[0]
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "spec": {"n": 3}, "metadata": META}
    rendered = table.render(type_, [ready, {"metadata": {"name": "y"}}], now=NOW)
    assert [row["cells"] for row in rendered["rows"]] == [["x", "True", 3, "5m"], ["y", None, None, None]]
    assert [c["priority"] for c in rendered["columnDefinitions"]] == [0, 0, 1, 0]
    assert rendered["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("path", "found"),
    [(".a.b", [1]), ("{.l[*].n}", ["x", "y"]), (".l[-1].n", ["y"]), (".l[?(@.n=='x')].v", [True]), (".gone.b", []),
     (r".a.d\.e/f", [2]), (".a['d.e/f']", [2])],
)  # fmt: skip
def test_json_path(path: str, found: list) -> None:
    obj = {"a": {"b": 1, "d.e/f": 2}, "l": [{"n": "x", "v": True}, {"n": "y"}]}
    assert jsonpath.find(path, obj) == found


def test_a_path_that_cannot_be_read_says_so() -> None:
    with pytest.raises(ValueError, match="cannot read"):
        jsonpath.find(".a[", {})


def test_discovery() -> None:
    listed = discovery.resource_list(registry.BUILTIN, "apps", "v1")
    entries = {entry["name"]: entry for entry in listed["resources"]}
    assert entries["deployments"]["shortNames"] == ["deploy"]
    scale = entries["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    toys = crd.compile(TOYS).types
    groups = discovery.aggregated([*registry.BUILTIN, *toys], core=False)["items"]
    mine = next(item for item in groups if item["metadata"]["name"] == "example.com")
    assert mine["versions"][0]["resources"][0]["resource"] == "toys"
    ordered = sorted(["v1alpha1", "v2", "v1beta1", "v1", "v1beta2"], key=discovery.version_rank, reverse=True)
    assert ordered == ["v2", "v1", "v1beta2", "v1beta1", "v1alpha1"]


def test_openapi_carries_what_kubectl_reads() -> None:
    apps = [t for t in registry.BUILTIN if t.group == "apps"]
    document = openapi.v3(apps)
    schemas = document["components"]["schemas"]
    deployment = schemas["io.k8s.api.apps.v1.Deployment"]
    assert deployment["x-kubernetes-group-version-kind"] == [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    assert "replicas" in schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["description"].startswith("List of containers belonging to the pod.")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    missing = _dangling(document, "#/components/schemas/", schemas)
    assert missing == set()


def test_openapi_v2_is_closed_and_has_custom_kinds() -> None:
    document = openapi.v2(registry.BUILTIN, crd.compile(TOYS).types)
    assert _dangling(document, "#/definitions/", document["definitions"]) == set()
    toy = document["definitions"]["com.example.v1.Toy"]
    assert toy["properties"]["spec"]["properties"]["n"]["description"] == "How many."
    index = openapi.v3_index([*registry.BUILTIN, *crd.compile(TOYS).types])["paths"]
    assert index["apis/example.com/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/example.com/v1?hash=")
    assert "api/v1" in index


def _dangling(value: object, prefix: str, known: dict) -> set[str]:
    if isinstance(value, dict):
        found: set[str] = set()
        target = value.get("$ref")
        if isinstance(target, str) and target.startswith(prefix) and target[len(prefix) :] not in known:
            found.add(target)
        return found.union(*(_dangling(child, prefix, known) for child in value.values()))
    if isinstance(value, list):
        return set().union(*(_dangling(child, prefix, known) for child in value))
    return set()
