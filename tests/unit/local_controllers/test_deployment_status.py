"""A Deployment's status: the counts and conditions that `kubectl rollout status` and `kubectl wait` read."""

from kaito.kube.client import Object
from kaito.kube.resources import DEPLOYMENTS, REPLICA_SETS
from tests.unit.local_controllers.bench import Bench, template


def deployment(replicas: int = 3, **spec: object) -> Object:
    made = {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template()}
    return {"metadata": {"name": "web"}, "spec": {**made, "progressDeadlineSeconds": 100, **spec}}


async def status(bench: Bench) -> Object:
    return (await bench.get(DEPLOYMENTS, "web"))["status"]


async def conditions(bench: Bench) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in (await status(bench)).get("conditions", [])}


async def progressing(bench: Bench) -> Object:
    return next(one for one in (await status(bench))["conditions"] if one["type"] == "Progressing")


async def begin(bench: Bench, replicas: int = 3, **spec: object) -> None:
    await bench.create(DEPLOYMENTS, deployment(replicas, **spec))
    await bench.quiet()


def image(name: str) -> Object:
    return {"spec": {"template": template(name)}}


async def test_when_all_is_well_it_says_so(bench: Bench) -> None:
    await begin(bench)
    now = await status(bench)
    said = now.pop("conditions")
    assert now == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    name = bench.plane.names("replicasets.apps")[0]
    assert {(one["type"], one["status"], one["reason"], one["message"]) for one in said} == {
        ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'),
    }


async def test_a_first_rollout_that_does_not_come_up_misses_its_deadline(bench: Bench) -> None:
    bench.broken.add("app:1")
    await begin(bench)
    assert await conditions(bench) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "ReplicaSetUpdated"),
    }
    assert (await status(bench))["unavailableReplicas"] == 3
    await bench.quiet(80)
    assert (await conditions(bench))["Progressing"] == ("False", "ProgressDeadlineExceeded")
    name = bench.plane.names("replicasets.apps")[0]
    assert (await progressing(bench))["message"] == f'ReplicaSet "{name}" has timed out progressing.'


async def test_each_step_forward_gives_the_whole_deadline_again(bench: Bench) -> None:
    bench.starts = False
    await begin(bench)
    for name in bench.pods():
        await bench.quiet(60)
        assert (await conditions(bench))["Progressing"][0] == "True"
        await bench.up(name)
    await bench.quiet()
    assert (await conditions(bench))["Progressing"] == ("True", "NewReplicaSetAvailable")


async def test_what_comes_up_after_the_deadline_has_progressed_after_all(bench: Bench) -> None:
    bench.broken.add("app:1")
    await begin(bench)
    await bench.quiet(120)
    assert (await conditions(bench))["Progressing"][1] == "ProgressDeadlineExceeded"
    for name in bench.pods():
        await bench.up(name)
    await bench.quiet()
    assert (await conditions(bench))["Progressing"] == ("True", "NewReplicaSetAvailable")


async def test_a_broken_update_stays_available_and_misses_its_deadline(bench: Bench) -> None:
    await begin(bench)
    bench.broken.add("app:2")
    await bench.patch(DEPLOYMENTS, "web", image("app:2"))
    assert (await conditions(bench))["Progressing"] == ("True", "ReplicaSetUpdated")
    await bench.quiet(120)
    assert await conditions(bench) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("False", "ProgressDeadlineExceeded"),
    }
    counts = await status(bench)
    assert (counts["replicas"], counts["updatedReplicas"], counts["observedGeneration"]) == (4, 1, 2)
    await bench.patch(DEPLOYMENTS, "web", image("app:3"))
    assert (await conditions(bench))["Progressing"] == ("True", "NewReplicaSetAvailable")


async def test_a_pod_lost_later_is_a_matter_of_availability_only(bench: Bench) -> None:
    await begin(bench)
    for name in bench.pods():
        await bench.up(name, ready=False)
    await bench.quiet(200)
    assert await conditions(bench) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


async def test_as_many_as_may_be_unavailable_may_be(bench: Bench) -> None:
    room = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    await begin(bench, strategy=room)
    first, second = bench.pods()[:2]
    await bench.up(first, ready=False)
    await bench.quiet()
    assert (await conditions(bench))["Available"][0] == "True"
    await bench.up(second, ready=False)
    await bench.quiet()
    assert (await conditions(bench))["Available"][0] == "False"


async def test_paused_nothing_is_expected_of_it(bench: Bench) -> None:
    await begin(bench)
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    assert (await conditions(bench))["Progressing"] == ("Unknown", "DeploymentPaused")
    await bench.quiet(300)
    assert (await conditions(bench))["Progressing"] == ("Unknown", "DeploymentPaused")
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"paused": False}})
    assert (await conditions(bench))["Progressing"] == ("True", "NewReplicaSetAvailable")


async def test_pods_that_are_refused_are_a_condition_until_they_are_made(bench: Bench) -> None:
    bench.plane.refuse["POST", "pods"] = bench.plane.refusal(403, "Forbidden", "exceeded quota")
    await begin(bench)
    failure = next(one for one in (await status(bench))["conditions"] if one["type"] == "ReplicaFailure")
    assert (failure["status"], failure["reason"], failure["message"]) == ("True", "FailedCreate", "exceeded quota")
    bench.plane.refuse.clear()
    await bench.quiet(60)
    assert await conditions(bench) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


async def test_transition_times_stand_still_while_nothing_changes(bench: Bench) -> None:
    await begin(bench)
    before = await status(bench)
    await bench.quiet(100)
    await bench.patch(DEPLOYMENTS, "web", {"metadata": {"labels": {"x": "y"}}})
    assert await status(bench) == before


async def test_a_name_taken_by_another_content_counts_as_a_collision(bench: Bench) -> None:
    await begin(bench, 1)
    name = bench.plane.names("replicasets.apps")[0]
    await bench.delete(DEPLOYMENTS, "web", propagation="Background")
    other = {"selector": {"matchLabels": {"whose": "other"}}, "replicas": 0}
    pod = {**template(), "metadata": {"labels": {"whose": "other"}}}
    await bench.create(REPLICA_SETS, {"metadata": {"name": name}, "spec": {**other, "template": pod}})
    await begin(bench, 1)
    assert (await status(bench))["collisionCount"] == 1
    await bench.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 2}})
    now = await status(bench)
    assert (now["collisionCount"], now["availableReplicas"]) == (1, 2)


async def test_without_replicas_it_is_complete_at_once(bench: Bench) -> None:
    await begin(bench, 0)
    assert (await conditions(bench))["Progressing"] == ("True", "NewReplicaSetAvailable")
    assert (await conditions(bench))["Available"][0] == "True"
