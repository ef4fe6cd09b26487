"""All controllers together: quiet when all is settled, unshaken by conflicts, faults and objects that vanish."""

import asyncio

import pytest

from kaito.kube.client import Client, Object, Resource
from kaito.kube.resources import CONFIG_MAPS, CRDS, DEPLOYMENTS, JOBS, PVCS, SERVICES, STATEFUL_SETS
from kaito.local import controllers
from tests.unit.local_controllers.bench import Bench, template
from tests.unit.local_controllers.plane import Plane
from tests.unit.local_controllers.test_garbage import crd, ref


async def populate(bench: Bench) -> None:
    """Something of everything, settled; among it a rollout that hangs and a Job that is over."""
    bench.broken.add("app:9")
    workload = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template()}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": claim}]
    await bench.create(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": workload})
    retention = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    members = {"serviceName": "s", "volumeClaimTemplates": claims, "persistentVolumeClaimRetentionPolicy": retention}
    labels = {"selector": {"matchLabels": {"app": "s"}}, "template": labelled("s")}
    await bench.create(STATEFUL_SETS, {"metadata": {"name": "s"}, "spec": {**workload, **members, **labels}})
    await bench.create(JOBS, {"metadata": {"name": "j"}, "spec": {"template": template(restartPolicy="Never")}})
    served = {"selector": {"app": "a"}, "ports": [{"port": 80}]}
    await bench.create(SERVICES, {"metadata": {"name": "s"}, "spec": served})
    await bench.create(SERVICES, {"metadata": {"name": "h"}, "spec": {"selector": {"app": "s"}, "clusterIP": "None"}})
    owner = await bench.create(CONFIG_MAPS, {"metadata": {"name": "owner"}})
    await bench.create(CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": [ref(owner)]}})
    await bench.quiet()
    await bench.end(next(name for name in bench.pods() if name.startswith("j-")), "Succeeded")
    await bench.patch(DEPLOYMENTS, "d", {"spec": {"template": template("app:9")}})
    await bench.quiet(1000)


def labelled(app: str, image: str = "app:1") -> Object:
    return {**template(image), "metadata": {"labels": {"app": app}}}


async def test_when_all_is_settled_a_restart_writes_nothing(bench: Bench) -> None:
    await populate(bench)
    bench.plane.requests.clear()
    await bench.restart()
    await bench.quiet(1000)
    assert bench.plane.requests == []


async def test_when_all_is_settled_time_alone_writes_nothing(bench: Bench) -> None:
    await populate(bench)
    bench.plane.requests.clear()
    await bench.quiet(100_000)
    assert bench.plane.requests == []


async def test_work_interrupted_behind_any_write_ends_the_same(bench: Bench) -> None:
    """Stopped after each single write and started anew, the cluster comes to the same end."""
    workload = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template()}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    members = {"serviceName": "s", "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]}
    labels = {"selector": {"matchLabels": {"app": "s"}}, "template": labelled("s")}
    bench.plane.writes_left = 0
    await bench.stop()
    bench.plane.writes_left = None
    await bench.create(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": workload})
    await bench.create(STATEFUL_SETS, {"metadata": {"name": "s"}, "spec": {**workload, **members, **labels}})
    restarts = 0
    while len(bench.plane.requests) != restarts:
        restarts = len(bench.plane.requests)
        assert restarts < 200
        await bench.restart(after=1)
    await bench.restart()
    await bench.quiet(100)
    deployment, members = await bench.get(DEPLOYMENTS, "d"), await bench.get(STATEFUL_SETS, "s")
    assert deployment["status"]["availableReplicas"] == members["status"]["availableReplicas"] == 2
    assert len(bench.pods()) == 4
    assert len(bench.plane.all("replicasets.apps")) == len(bench.plane.all("controllerrevisions.apps")) == 1
    assert len(bench.plane.all("persistentvolumeclaims")) == len(bench.plane.all("persistentvolumes")) == 2


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_changed_under_a_write_is_looked_at_again(bench: Bench, method: str) -> None:
    resources = ("statefulsets", "deployments", "replicasets", "persistentvolumeclaims", "persistentvolumes", "jobs")
    for plural in (*resources, "pods", "endpoints", "endpointslices"):
        bench.plane.refuse[method, plural] = bench.plane.refusal(409, "Conflict", "the object has been modified")
    await asyncio.wait_for(populate_some(bench), 1000)
    bench.plane.refuse.clear()
    await bench.quiet(100)
    for res in (DEPLOYMENTS, STATEFUL_SETS):
        assert (await bench.get(res, "x"))["status"]["availableReplicas"] == 2
    assert (await bench.get(PVCS, "data-x-0"))["status"]["phase"] == "Bound"


async def populate_some(bench: Bench) -> None:
    workload = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template()}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    members = {"serviceName": "s", "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]}
    labels = {"selector": {"matchLabels": {"app": "s"}}, "template": labelled("s")}
    await bench.create(DEPLOYMENTS, {"metadata": {"name": "x"}, "spec": workload})
    await bench.create(STATEFUL_SETS, {"metadata": {"name": "x"}, "spec": {**workload, **members, **labels}})
    await bench.quiet()


KINDS: list[tuple[Resource, str, Object]] = [
    (DEPLOYMENTS, "deployments.apps", {"selector": {"matchLabels": {"app": "a"}}, "template": template()}),
    (STATEFUL_SETS, "statefulsets.apps", {"selector": {"matchLabels": {"app": "a"}}, "template": template()}),
    (JOBS, "jobs.batch", {"template": template(restartPolicy="Never")}),
    (SERVICES, "services", {"selector": {"app": "a"}, "ports": [{"port": 80}]}),
    (PVCS, "persistentvolumeclaims", {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}),
]


@pytest.mark.parametrize(("res", "plural", "spec"), KINDS, ids=[plural for _, plural, _ in KINDS])
async def test_an_object_that_vanishes_in_mid_work_leaves_nothing_and_stops_nobody(
    bench: Bench, res: Resource, plural: str, spec: Object
) -> None:
    """Whichever write comes next finds it gone."""
    number = 0
    while bench.plane.vanish is None:
        number += 1
        await bench.create(res, {"metadata": {"name": f"x{number}"}, "spec": spec})
        bench.plane.vanish = (number, plural, f"x{number}")
        await bench.quiet(120)
    # The last one needed fewer writes than that.
    bench.plane.vanish = None
    assert number > 2
    assert bench.plane.names(plural) == [f"x{number}"]
    await bench.client.delete(res, f"x{number}", "default", propagation="Background")
    await bench.quiet(120)
    await bench.create(res, {"metadata": {"name": "last"}, "spec": spec})
    await bench.quiet()
    made = {(kind, name.partition("-")[0]) for kind, where, name in bench.plane.objects if where == "default"}
    left = {owner for kind, owner in made if kind not in ("events", "serviceaccounts")}
    assert left <= {"last", "pvc"}, made
    assert "last" in left


async def test_a_kind_that_goes_away_stops_nobody(bench: Bench) -> None:
    await bench.create(CRDS, crd(), namespace=None)
    await bench.quiet()
    await bench.client.delete(CRDS, "widgets.example.com")
    await bench.quiet()
    owner = await bench.create(CONFIG_MAPS, {"metadata": {"name": "owner"}})
    await bench.create(CONFIG_MAPS, {"metadata": {"name": "child", "ownerReferences": [ref(owner)]}})
    await bench.delete(CONFIG_MAPS, "owner")
    assert bench.plane.names("configmaps") == []


async def test_ready_means_that_everything_has_been_read_and_stopping_stops_everything() -> None:
    plane = Plane()
    plane.refuse["GET", "pods"] = plane.refusal(503, "ServiceUnavailable", "not yet")
    ready = asyncio.Event()
    before = asyncio.all_tasks()
    task = asyncio.create_task(controllers.run(Client(plane), ready=ready))
    await asyncio.sleep(60)
    assert not ready.is_set()
    plane.refuse.clear()
    await asyncio.sleep(60)
    assert ready.is_set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
