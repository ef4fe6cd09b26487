"""Strategic merge, server-side apply and managedFields."""

from __future__ import annotations

import pytest

from kaito.local.schema import fieldset, registry, smp, ssa, validation

DEPLOYMENT = registry.BY_GVK["apps", "v1", "Deployment"]
CONFIG_MAP = registry.BY_GVK["", "v1", "ConfigMap"]
POD = registry.BY_GVK["", "v1", "Pod"]


def containers(*items: dict) -> dict:
    return {"spec": {"template": {"spec": {"containers": list(items)}}}}


@pytest.mark.parametrize(
    ("current", "patch", "wanted"),
    [
        pytest.param(
            containers({"name": "a", "image": "1"}, {"name": "b", "image": "1"}),
            containers({"name": "b", "image": "2"}),
            containers({"name": "a", "image": "1"}, {"name": "b", "image": "2"}),
            id="merge-by-name",
        ),
        pytest.param(
            containers({"name": "a"}, {"name": "b"}),
            containers({"name": "a", "$patch": "delete"}),
            containers({"name": "b"}),
            id="delete-item",
        ),
        pytest.param(
            containers({"name": "a"}, {"name": "b"}),
            containers({"name": "c"}, {"$patch": "replace"}),
            containers({"name": "c"}),
            id="replace-list",
        ),
        pytest.param(
            containers({"name": "a"}, {"name": "b"}),
            {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}}},
            containers({"name": "b"}, {"name": "a"}),
            id="set-order",
        ),
        pytest.param(
            {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
            {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
            {"spec": {"strategy": {"type": "Recreate"}}},
            id="retain-keys",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}},
            {"metadata": {"finalizers": ["c", "b"]}},
            id="delete-from-primitive-list",
        ),
        pytest.param(
            containers({"name": "a", "command": ["x", "y"]}),
            containers({"name": "a", "command": ["z"]}),
            containers({"name": "a", "command": ["z"]}),
            id="atomic-list",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1", "b": "2"}}},
            {"metadata": {"labels": {"a": None}}},
            {"metadata": {"labels": {"b": "2"}}},
            id="null-deletes",
        ),
    ],
)
def test_strategic_merge(current: dict, patch: dict, wanted: dict) -> None:
    assert smp.apply(DEPLOYMENT, current, patch) == wanted


def test_strategic_merge_needs_the_key() -> None:
    with pytest.raises(smp.PatchError, match="does not contain declared merge key: name"):
        smp.apply(DEPLOYMENT, containers(), containers({"image": "x"}))


def config(**data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}, "data": data}


def owned(obj: dict, manager: str) -> dict:
    return next(e["fieldsV1"] for e in obj["metadata"]["managedFields"] if e["manager"] == manager)


def test_apply_creates_records_and_is_idempotent() -> None:
    first, conflicts = ssa.apply(CONFIG_MAP, None, config(a="1"), "one", now="t1")
    assert conflicts == []
    assert first["metadata"]["managedFields"] == [{
        "manager": "one", "operation": "Apply", "apiVersion": "v1", "time": "t1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}}},
    }]  # fmt: skip
    again, _ = ssa.apply(CONFIG_MAP, first, config(a="1"), "one", now="t2")
    assert again == first


def test_fields_no_longer_applied_go_away_unless_another_manager_has_them() -> None:
    live, _ = ssa.apply(CONFIG_MAP, None, config(a="1", b="2"), "one")
    live, _ = ssa.apply(CONFIG_MAP, live, config(b="2", c="3"), "two")
    live, _ = ssa.apply(CONFIG_MAP, live, config(), "one")
    assert live["data"] == {"b": "2", "c": "3"}
    live, _ = ssa.apply(CONFIG_MAP, live, config(c="3"), "two")
    assert live["data"] == {"c": "3"}


def test_conflicts_name_the_manager_and_the_field_and_force_takes_over() -> None:
    spec = {"metadata": {"name": "w", "namespace": "d"}, "spec": {"replicas": 1, "paused": False}}
    live, _ = ssa.apply(DEPLOYMENT, None, spec, "x")
    asked = {**spec, "spec": {"replicas": 2}}
    same, conflicts = ssa.apply(DEPLOYMENT, live, asked, "y")
    assert same == live
    assert ssa.conflict_message(conflicts) == 'Apply failed with 1 conflict: conflict with "x": .spec.replicas'
    _, both = ssa.apply(DEPLOYMENT, live, {**spec, "spec": {"replicas": 2, "paused": True}}, "y")
    assert ssa.conflict_message(both) == (
        'Apply failed with 2 conflicts: conflicts with "x":\n- .spec.paused\n- .spec.replicas'
    )
    forced, conflicts = ssa.apply(DEPLOYMENT, live, asked, "y", True)
    assert conflicts == []
    assert forced["spec"] == {"replicas": 2, "paused": False}
    assert owned(forced, "x") == {"f:spec": {"f:paused": {}}}
    assert owned(forced, "y") == {"f:spec": {"f:replicas": {}}}


def test_list_items_are_owned_one_by_one() -> None:
    live, _ = ssa.apply(DEPLOYMENT, None, containers({"name": "a", "image": "1"}), "one")
    live, _ = ssa.apply(DEPLOYMENT, live, containers({"name": "b", "image": "1"}), "two")
    names = [item["name"] for item in live["spec"]["template"]["spec"]["containers"]]
    assert names == ["a", "b"]
    key = 'k:{"name":"a"}'
    owned_by_one = owned(live, "one")["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert owned_by_one == {key: {".": {}, "f:image": {}, "f:name": {}}}
    live, _ = ssa.apply(DEPLOYMENT, live, {"spec": {"replicas": 1}}, "one")
    assert [item["name"] for item in live["spec"]["template"]["spec"]["containers"]] == ["b"]


def test_an_update_takes_the_fields_it_changes() -> None:
    live, _ = ssa.apply(CONFIG_MAP, None, config(a="1", b="2"), "one")
    changed = {**live, "data": {"a": "9", "c": "3"}}
    ssa.update_managed_fields(CONFIG_MAP, live, changed, "kubectl-edit", "Update", now="2026-01-01T00:00:00Z")
    assert "one" not in [e["manager"] for e in changed["metadata"]["managedFields"]]
    assert owned(changed, "kubectl-edit") == {"f:data": {"f:a": {}, "f:c": {}}}
    _, conflicts = ssa.apply(CONFIG_MAP, changed, config(a="1"), "one")
    assert ssa.conflict_message(conflicts) == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a'
    )


def test_status_writes_are_their_own_entry() -> None:
    live, _ = ssa.apply(POD, None, {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}}, "one")
    changed = {**live, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    ssa.update_managed_fields(POD, live, changed, "kubelet", "Update", subresource="status")
    entry = next(e for e in changed["metadata"]["managedFields"] if e["manager"] == "kubelet")
    assert entry["subresource"] == "status"
    assert list(entry["fieldsV1"]["f:status"]["f:conditions"]) == [".", 'k:{"type":"Ready"}']


def test_field_sets_survive_the_round_trip() -> None:
    document = {"f:spec": {".": {}, "f:a": {}, "f:l": {'k:{"n":"x"}': {".": {}, "f:n": {}}, 'v:"y"': {}}}}
    paths = fieldset.read(document)
    assert fieldset.write(paths) == document
    assert fieldset.show(("f:spec", "f:l", 'k:{"n":"x"}', "f:n")) == '.spec.l[n="x"].n'


def test_applying_the_same_workload_again_changes_nothing_in_spite_of_defaults_and_status() -> None:
    pod = {"containers": [{"name": "c", "image": "a:1", "ports": [{"containerPort": 80}], "env": [{"name": "X"}]}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    spec = {"serviceName": "w", "selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "w", "namespace": "d"}, "spec": spec}
    type_ = registry.BY_GVK["apps", "v1", "StatefulSet"]
    applied, _ = ssa.apply(type_, None, body, "kaito")
    live = validation.prepare_create(type_, applied).obj
    assert validation.validate(type_, live) == []
    reported = {**live, "status": {"replicas": 1, "conditions": [{"type": "x", "status": "True"}]}}
    ssa.update_managed_fields(type_, live, reported, "controller", "Update", subresource="status")
    again, conflicts = ssa.apply(type_, reported, body, "kaito")
    assert conflicts == []
    assert validation.prepare_update(type_, again, reported).obj == reported
    # The defaulted protocol is part of the port's key: naming it must find the same port.
    pod["containers"][0]["ports"][0]["protocol"] = "TCP"
    del pod["containers"][0]["env"]
    changed, _ = ssa.apply(type_, reported, body, "kaito")
    container = changed["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert "env" not in container
