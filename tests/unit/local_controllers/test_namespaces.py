"""Namespaces: what each has from the start, and that nothing of a deleted one stays."""

import pytest

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
)
from tests.unit.local_controllers.bench import Bench, template
from tests.unit.local_controllers.test_garbage import WIDGETS, crd


async def space(bench: Bench, name: str = "team") -> Object:
    made = await bench.create(NAMESPACES, {"metadata": {"name": name}}, namespace=None)
    await bench.quiet()
    return made


def inside(bench: Bench, name: str = "team") -> list[str]:
    return sorted(f"{res}/{one}" for res, where, one in bench.plane.objects if where == name)


async def fill(bench: Bench, namespace: str = "team") -> None:
    labels = {"matchLabels": {"app": "a"}}
    workload = {"replicas": 2, "selector": labels, "template": template()}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": claim}]
    for res, spec in (
        (DEPLOYMENTS, workload),
        (STATEFUL_SETS, {**workload, "serviceName": "s", "volumeClaimTemplates": claims}),
        (JOBS, {"template": template(restartPolicy="Never")}),
        (SERVICES, {"selector": {"app": "a"}, "ports": [{"port": 80}]}),
    ):
        await bench.create(res, {"metadata": {"name": "x"}, "spec": spec}, namespace=namespace)
    await bench.create(CONFIG_MAPS, {"metadata": {"name": "x"}, "data": {"a": "b"}}, namespace=namespace)
    await bench.quiet()


async def test_each_namespace_has_a_default_account_and_gets_it_back(bench: Bench) -> None:
    await space(bench)
    assert inside(bench) == ["serviceaccounts/default"]
    await bench.client.delete(SERVICE_ACCOUNTS, "default", "team")
    await bench.quiet()
    assert inside(bench) == ["serviceaccounts/default"]


async def test_pods_find_the_clusters_certificate_in_each_namespace() -> None:
    bench = Bench()
    await bench.start(root_ca="PEM one")
    await space(bench)
    made = await bench.client.get(CONFIG_MAPS, "kube-root-ca.crt", "team")
    assert made["data"] == {"ca.crt": "PEM one"}
    await bench.client.patch(CONFIG_MAPS, "kube-root-ca.crt", "team", {"data": {"ca.crt": "spoiled"}})
    await bench.quiet()
    assert (await bench.client.get(CONFIG_MAPS, "kube-root-ca.crt", "team"))["data"] == {"ca.crt": "PEM one"}
    await bench.stop()
    await bench.start(root_ca="PEM two")
    assert (await bench.client.get(CONFIG_MAPS, "kube-root-ca.crt", "team"))["data"] == {"ca.crt": "PEM two"}
    await bench.client.delete(NAMESPACES, "team")
    await bench.quiet()
    assert inside(bench) == []
    await bench.stop()


async def test_a_deleted_namespace_takes_everything_along(bench: Bench) -> None:
    await space(bench)
    await fill(bench)
    await bench.create(CRDS, crd(), namespace=None)
    await bench.quiet()
    await bench.create(WIDGETS, {"metadata": {"name": "w"}}, namespace="team")
    await fill(bench, "default")
    before = set(inside(bench, "default"))
    assert len(inside(bench)) > 15
    await bench.client.delete(NAMESPACES, "team")
    await bench.quiet(120)
    assert inside(bench) == []
    assert "team" not in bench.plane.names("namespaces")
    assert [one["spec"]["claimRef"]["namespace"] for one in bench.plane.all("persistentvolumes")] == ["default"] * 2
    kept = {one for one in inside(bench, "default") if not one.startswith("events/")}
    assert kept == {one for one in before if not one.startswith("events/")}


async def test_what_still_holds_a_namespace_is_told(bench: Bench) -> None:
    await space(bench)
    held = {"metadata": {"name": "x", "finalizers": ["example.com/hold"]}}
    await bench.create(CONFIG_MAPS, held, namespace="team")
    await bench.client.delete(NAMESPACES, "team")
    await bench.quiet()
    status = (await bench.client.get(NAMESPACES, "team"))["status"]
    assert status["phase"] == "Terminating"
    assert {one["type"]: one["message"] for one in status["conditions"]} == {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps has 1 resource instances",
        "NamespaceFinalizersRemaining": (
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        ),
    }
    await bench.client.patch(CONFIG_MAPS, "x", "team", {"metadata": {"finalizers": None}})
    await bench.quiet()
    assert "team" not in bench.plane.names("namespaces")


async def test_a_held_namespace_is_not_written_over_and_over(bench: Bench) -> None:
    await space(bench)
    await bench.create(CONFIG_MAPS, {"metadata": {"name": "x", "finalizers": ["example.com/hold"]}}, namespace="team")
    await bench.client.delete(NAMESPACES, "team")
    await bench.quiet()
    bench.plane.requests.clear()
    await bench.quiet(600)
    assert bench.plane.requests == []


async def test_controllers_give_up_quietly_in_a_namespace_that_goes(bench: Bench) -> None:
    await space(bench)
    await fill(bench)
    await bench.client.delete(NAMESPACES, "team")
    with pytest.raises(errors.Forbidden, match="being terminated"):
        await bench.create(CONFIG_MAPS, {"metadata": {"name": "late"}}, namespace="team")
    await bench.quiet(120)
    assert inside(bench) == []


async def test_a_namespace_made_anew_is_empty_and_works(bench: Bench) -> None:
    await space(bench)
    await fill(bench)
    await bench.client.delete(NAMESPACES, "team")
    await bench.quiet(120)
    await space(bench)
    assert inside(bench) == ["serviceaccounts/default"]
    await fill(bench)
    assert "jobs.batch/x" in inside(bench)
    assert (await bench.client.list(EVENTS, "team"))[0] != []
