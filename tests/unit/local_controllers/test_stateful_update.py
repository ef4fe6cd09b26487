"""StatefulSet updates: order, partition, OnDelete, revisions, and the way out of an update that does not come up."""

from kaito.kube.client import Object
from kaito.kube.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from tests.unit.local_controllers.bench import Bench, template


def a_set(replicas: int = 3, **spec: object) -> Object:
    made = {"replicas": replicas, "serviceName": "web", "selector": {"matchLabels": {"app": "a"}}}
    return {"metadata": {"name": "web"}, "spec": {**made, "template": template(), **spec}}


async def running(bench: Bench, replicas: int = 3, **spec: object) -> Object:
    await bench.create(STATEFUL_SETS, a_set(replicas, **spec))
    await bench.quiet()
    bench.history.clear()
    return await bench.get(STATEFUL_SETS, "web")


async def status(bench: Bench) -> Object:
    return (await bench.get(STATEFUL_SETS, "web"))["status"]


def image(name: str) -> Object:
    return {"spec": {"template": template(name)}}


async def test_an_update_replaces_the_highest_first_and_one_at_a_time(bench: Bench) -> None:
    before = await running(bench)
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    steps = [f"{sign}web-{number}" for number in (2, 1, 0) for sign in "~-+"]
    assert bench.history == steps
    assert bench.images() == ["app:2"] * 3
    now = await status(bench)
    assert now["currentRevision"] == now["updateRevision"] != before["status"]["currentRevision"]
    assert (now["currentReplicas"], now["updatedReplicas"], now["observedGeneration"]) == (3, 3, 2)


async def test_parallel_pods_are_still_updated_one_at_a_time(bench: Bench) -> None:
    await running(bench, podManagementPolicy="Parallel")
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.history == [f"{sign}web-{number}" for number in (2, 1, 0) for sign in "~-+"]


async def test_an_update_waits_for_min_ready_seconds_between_pods(bench: Bench) -> None:
    await bench.create(STATEFUL_SETS, a_set(2, minReadySeconds=50))
    await bench.quiet(200)
    bench.history.clear()
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.history == ["~web-1", "-web-1", "+web-1"]
    await bench.quiet(60)
    assert bench.history[3:] == ["~web-0", "-web-0", "+web-0"]


async def test_half_way_the_status_tells_both_revisions(bench: Bench) -> None:
    before = (await running(bench))["status"]["currentRevision"]
    bench.broken.add("app:2")
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    now = await status(bench)
    assert now["currentRevision"] == before != now["updateRevision"]
    counts = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")
    assert [now[count] for count in counts] == [3, 2, 2, 1]


async def test_below_the_partition_pods_keep_their_revision_even_when_made_anew(bench: Bench) -> None:
    await running(bench, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.images() == ["app:1", "app:1", "app:2"]
    await bench.delete(PODS, "web-0")
    await bench.delete(PODS, "web-2")
    assert bench.images() == ["app:1", "app:1", "app:2"]
    now = await status(bench)
    assert now["currentRevision"] != now["updateRevision"]
    assert (now["currentReplicas"], now["updatedReplicas"]) == (2, 1)
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    assert bench.images() == ["app:2"] * 3
    now = await status(bench)
    assert now["currentRevision"] == now["updateRevision"]


async def test_on_delete_waits_for_somebody_to_delete_the_pod(bench: Bench) -> None:
    await running(bench, updateStrategy={"type": "OnDelete"})
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.history == []
    await bench.delete(PODS, "web-1")
    assert bench.images() == ["app:1", "app:2", "app:1"]
    assert (await status(bench))["updatedReplicas"] == 1


async def test_a_broken_update_stops_at_its_first_pod_and_is_undone_by_the_old_template(bench: Bench) -> None:
    """The pod that is down and not wanted any more is replaced: nobody has to delete it by hand."""
    before = (await running(bench))["status"]["currentRevision"]
    bench.broken.add("app:2")
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.images() == ["app:1", "app:1", "app:2"]
    bench.history.clear()
    await bench.patch(STATEFUL_SETS, "web", image("app:1"))
    assert bench.history == ["~web-2", "-web-2", "+web-2"]
    assert bench.images() == ["app:1"] * 3
    now = await status(bench)
    assert (now["currentRevision"], now["updateRevision"], now["readyReplicas"]) == (before, before, 3)


async def test_a_broken_update_is_overtaken_by_the_next_one(bench: Bench) -> None:
    await running(bench)
    bench.broken.add("app:2")
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    await bench.patch(STATEFUL_SETS, "web", image("app:3"))
    assert bench.images() == ["app:3"] * 3


async def test_a_set_that_was_broken_from_the_start_is_mended_by_a_new_template(bench: Bench) -> None:
    bench.broken.add("app:1")
    await running(bench)
    assert bench.pods() == ["web-0"]
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.images() == ["app:2"] * 3


async def test_a_broken_pod_below_the_partition_is_not_replaced(bench: Bench) -> None:
    await running(bench, 2, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await bench.up("web-0", ready=False)
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    assert bench.history == []
    assert bench.images() == ["app:1", "app:1"]


async def test_each_template_is_one_numbered_revision(bench: Bench) -> None:
    await running(bench, 1)
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    known = sorted(bench.plane.all("controllerrevisions.apps"), key=lambda one: one["revision"])
    assert [one["revision"] for one in known] == [1, 2]
    kept = [one["data"]["spec"]["template"]["spec"]["containers"][0]["image"] for one in known]
    assert kept == ["app:1", "app:2"]
    assert known[1]["data"]["spec"]["template"]["$patch"] == "replace"
    assert known[1]["metadata"]["name"] == (await status(bench))["updateRevision"]
    assert known[1]["metadata"]["labels"]["app"] == "a"


async def test_an_earlier_template_raises_its_revision_instead_of_making_one(bench: Bench) -> None:
    first = (await running(bench, 1))["status"]["updateRevision"]
    await bench.patch(STATEFUL_SETS, "web", image("app:2"))
    await bench.patch(STATEFUL_SETS, "web", image("app:1"))
    assert (await status(bench))["updateRevision"] == first
    numbers = {one["metadata"]["name"]: one["revision"] for one in bench.plane.all("controllerrevisions.apps")}
    assert len(numbers) == 2
    assert numbers[first] == 3


async def test_only_so_many_old_revisions_are_kept(bench: Bench) -> None:
    await running(bench, 1, revisionHistoryLimit=2)
    for number in range(2, 7):
        await bench.patch(STATEFUL_SETS, "web", image(f"app:{number}"))
    assert sorted(one["revision"] for one in bench.plane.all("controllerrevisions.apps")) == [4, 5, 6]


async def test_revisions_that_pods_still_use_are_kept_whatever_the_limit(bench: Bench) -> None:
    await running(bench, 2, revisionHistoryLimit=0, updateStrategy={"type": "OnDelete"})
    for number in range(2, 5):
        await bench.patch(STATEFUL_SETS, "web", image(f"app:{number}"))
    assert sorted(one["revision"] for one in bench.plane.all("controllerrevisions.apps")) == [1, 4]


async def test_a_name_taken_by_another_content_counts_as_a_collision(bench: Bench) -> None:
    name = (await running(bench, 1))["status"]["updateRevision"]
    await bench.delete(STATEFUL_SETS, "web", propagation="Background")
    stranger = {"metadata": {"name": name, "labels": {"whose": "other"}}, "data": {"spec": {}}, "revision": 7}
    await bench.create(CONTROLLER_REVISIONS, stranger)
    await bench.create(STATEFUL_SETS, a_set(1))
    await bench.quiet()
    now = await status(bench)
    assert now["collisionCount"] == 1
    assert now["updateRevision"] != name
    assert now["readyReplicas"] == 1
    assert (await bench.get(CONTROLLER_REVISIONS, name))["revision"] == 7


async def test_changes_outside_the_template_replace_no_pod(bench: Bench) -> None:
    await running(bench)
    await bench.patch(STATEFUL_SETS, "web", {"metadata": {"labels": {"x": "y"}}, "spec": {"minReadySeconds": 1}})
    assert bench.history == []
