"""Jobs: how many pods, when it is over, and that each end is counted once."""

import pytest

from kaito.kube.client import Object
from kaito.kube.resources import JOBS, PODS
from tests.unit.local_controllers.bench import Bench, template

TRACKING = "batch.kubernetes.io/job-tracking"


def job(**spec: object) -> Object:
    return {"metadata": {"name": "train"}, "spec": {"template": template(restartPolicy="Never"), **spec}}


async def begin(bench: Bench, **spec: object) -> Object:
    made = await bench.create(JOBS, job(**spec))
    await bench.quiet(5)
    return made


async def status(bench: Bench) -> Object:
    return (await bench.get(JOBS, "train"))["status"]


async def verdict(bench: Bench) -> dict[str, str]:
    """Conditions that are true, with their reasons."""
    said = (await status(bench)).get("conditions", [])
    return {one["type"]: one["reason"] for one in said if one["status"] == "True"}


def active(bench: Bench) -> list[str]:
    over = ("Succeeded", "Failed")
    pods = [pod for pod in bench.plane.all("pods") if (pod.get("status") or {}).get("phase") not in over]
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def index_of(bench: Bench, name: str) -> str:
    pod = bench.plane.get("pods", name)
    assert pod is not None
    return pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]


async def test_one_pod_that_ends_well_completes_it(bench: Bench) -> None:
    await begin(bench)
    (name,) = active(bench)
    assert name.startswith("train-")
    now = await status(bench)
    assert (now["active"], now["ready"], now["terminating"]) == (1, 1, 0)
    assert "startTime" in now
    assert (await bench.get(PODS, name))["metadata"]["finalizers"] == [TRACKING]
    await bench.end(name, "Succeeded")
    await bench.quiet()
    now = await status(bench)
    assert (now["succeeded"], now.get("active", 0), now["uncountedTerminatedPods"]) == (1, 0, {})
    assert await verdict(bench) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    complete = next(one for one in now["conditions"] if one["type"] == "Complete")
    assert now["completionTime"] == complete["lastTransitionTime"]
    assert complete["message"] == "Reached expected number of succeeded pods"
    assert "finalizers" not in (await bench.get(PODS, name))["metadata"]


async def test_so_many_at_a_time_until_so_many_are_done(bench: Bench) -> None:
    await begin(bench, completions=5, parallelism=2)
    most = 0
    for _ in range(5):
        most = max(most, len(active(bench)))
        await bench.end(active(bench)[0], "Succeeded")
        await bench.quiet(5)
    assert (most, active(bench)) == (2, [])
    assert (await status(bench))["succeeded"] == 5
    assert "Complete" in await verdict(bench)


async def test_without_completions_one_success_ends_the_queue_and_the_others_finish(bench: Bench) -> None:
    await begin(bench, parallelism=3)
    first, second, third = active(bench)
    await bench.end(first, "Succeeded")
    await bench.quiet()
    assert active(bench) == [second, third]
    assert await verdict(bench) == {}
    await bench.end(second, "Succeeded")
    await bench.end(third, "Succeeded")
    await bench.quiet()
    assert (await status(bench))["succeeded"] == 3
    assert "Complete" in await verdict(bench)


async def test_a_failed_pod_is_replaced_after_ten_seconds_then_twenty(bench: Bench) -> None:
    await begin(bench, backoffLimit=2)
    for number, seconds in enumerate((10, 20)):
        (name,) = active(bench)
        await bench.end(name, "Failed", code=1)
        await bench.quiet(seconds - 2)
        assert active(bench) == []
        assert (await status(bench))["failed"] == number + 1
        await bench.quiet(4)
        assert len(active(bench)) == 1
    await bench.end(active(bench)[0], "Failed", code=1)
    await bench.quiet(100)
    assert (active(bench), (await status(bench))["failed"]) == ([], 3)
    assert await verdict(bench) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    said = next(one for one in bench.plane.all("events") if one["reason"] == "BackoffLimitExceeded")
    assert (said["type"], said["message"]) == ("Warning", "Job has reached the specified backoff limit")


async def test_when_it_fails_its_other_pods_are_stopped_before_it_is_called_failed(bench: Bench) -> None:
    await begin(bench, parallelism=2, completions=2, backoffLimit=0)
    first, _ = active(bench)
    await bench.end(first, "Failed", code=1)
    await bench.quiet(0.7)
    assert await verdict(bench) == {"FailureTarget": "BackoffLimitExceeded"}
    assert (await status(bench))["terminating"] == 1
    await bench.quiet()
    assert await verdict(bench) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert ((await status(bench))["failed"], active(bench)) == (2, [])


async def test_restarts_in_place_count_as_tries(bench: Bench) -> None:
    await begin(bench, backoffLimit=2, template=template(restartPolicy="OnFailure"))
    (name,) = active(bench)
    await bench.plane.set("pods", name, {"status": {"containerStatuses": [{"name": "c", "restartCount": 1}]}})
    await bench.quiet()
    assert await verdict(bench) == {}
    await bench.plane.set("pods", name, {"status": {"containerStatuses": [{"name": "c", "restartCount": 2}]}})
    await bench.quiet()
    assert (await verdict(bench))["Failed"] == "BackoffLimitExceeded"


async def test_longer_than_its_deadline_it_is_stopped(bench: Bench) -> None:
    await begin(bench, activeDeadlineSeconds=60)
    await bench.quiet(50)
    assert await verdict(bench) == {}
    await bench.quiet(20)
    assert await verdict(bench) == {"FailureTarget": "DeadlineExceeded", "Failed": "DeadlineExceeded"}
    assert active(bench) == []


async def test_a_pod_deleted_by_hand_counts_as_failed_and_is_replaced(bench: Bench) -> None:
    await begin(bench)
    (name,) = active(bench)
    await bench.delete(PODS, name)
    assert name not in bench.plane.names("pods")
    assert (await status(bench))["failed"] == 1
    assert len(active(bench)) == 1


async def test_indexed_pods_know_their_index(bench: Bench) -> None:
    await begin(bench, completions=3, parallelism=3, completionMode="Indexed")
    pods = {index_of(bench, name): bench.plane.get("pods", name) for name in active(bench)}
    assert sorted(pods) == ["0", "1", "2"]
    pod = pods["1"]
    assert pod is not None
    assert pod["metadata"]["name"].startswith("train-1-")
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "1"
    assert pod["spec"]["hostname"] == "train-1"
    (told,) = pod["spec"]["containers"][0]["env"]
    assert told["name"] == "JOB_COMPLETION_INDEX"
    path = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    assert told["valueFrom"]["fieldRef"]["fieldPath"] == path


async def test_each_index_must_succeed_once(bench: Bench) -> None:
    await begin(bench, completions=4, parallelism=2, completionMode="Indexed")
    by_index = {index_of(bench, name): name for name in active(bench)}
    assert sorted(by_index) == ["0", "1"]
    await bench.end(by_index["0"], "Failed", code=1)
    await bench.end(by_index["1"], "Succeeded")
    await bench.quiet(20)
    by_index = {index_of(bench, name): name for name in active(bench)}
    assert sorted(by_index) == ["0", "2"]
    assert (await status(bench))["completedIndexes"] == "1"
    for _ in range(3):
        for name in active(bench):
            await bench.end(name, "Succeeded")
        await bench.quiet(20)
    now = await status(bench)
    assert (now["completedIndexes"], now["succeeded"], now["failed"]) == ("0-3", 4, 1)
    assert "Complete" in await verdict(bench)


async def test_suspended_its_pods_stop_and_its_clock_stands_still(bench: Bench) -> None:
    await begin(bench, parallelism=2, completions=2, activeDeadlineSeconds=100)
    await bench.quiet(60)
    await bench.patch(JOBS, "train", {"spec": {"suspend": True}})
    now = await status(bench)
    assert (active(bench), await verdict(bench), "startTime" in now) == ([], {"Suspended": "JobSuspended"}, False)
    await bench.quiet(100)
    assert await verdict(bench) == {"Suspended": "JobSuspended"}
    await bench.patch(JOBS, "train", {"spec": {"suspend": False}})
    assert len(active(bench)) == 2
    now = await status(bench)
    assert "startTime" in now
    told = next(one for one in now["conditions"] if one["type"] == "Suspended")
    assert (told["status"], told["reason"]) == ("False", "JobResumed")
    assert now.get("failed", 0) == 0


async def test_made_suspended_it_starts_when_it_is_resumed(bench: Bench) -> None:
    await begin(bench, suspend=True)
    assert active(bench) == []
    assert await verdict(bench) == {"Suspended": "JobSuspended"}
    await bench.patch(JOBS, "train", {"spec": {"suspend": False}})
    assert len(active(bench)) == 1


@pytest.mark.parametrize("end", ["Succeeded", "Failed"])
async def test_when_its_time_to_live_is_over_it_goes_with_its_pods(bench: Bench, end: str) -> None:
    await begin(bench, ttlSecondsAfterFinished=60, backoffLimit=0)
    await bench.end(active(bench)[0], end)
    await bench.quiet(50)
    assert bench.plane.names("jobs.batch") == ["train"]
    await bench.quiet(60)
    assert (bench.plane.names("jobs.batch"), bench.plane.names("pods")) == ([], [])


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_deleted_it_takes_its_pods_along_finished_ones_too(bench: Bench, propagation: str) -> None:
    """The mark by which ends are counted must not hold a pod when nobody counts any more."""
    await begin(bench, parallelism=2, completions=3)
    await bench.end(active(bench)[0], "Succeeded")
    await bench.quiet(5)
    await bench.delete(JOBS, "train", propagation=propagation)
    assert (bench.plane.names("jobs.batch"), bench.plane.names("pods")) == ([], [])


async def test_deleted_with_its_pods_kept_they_carry_no_mark_of_it(bench: Bench) -> None:
    await begin(bench, parallelism=2, completions=2)
    await bench.delete(JOBS, "train", propagation="Orphan")
    pods = bench.plane.all("pods")
    assert [(pod["metadata"].get("finalizers"), pod["metadata"].get("ownerReferences")) for pod in pods] == [
        (None, None)
    ] * 2


async def test_scaled_in_flight_it_stops_or_starts_pods(bench: Bench) -> None:
    await begin(bench, completions=6, parallelism=3)
    await bench.patch(JOBS, "train", {"spec": {"parallelism": 1}})
    assert len(active(bench)) == 1
    await bench.patch(JOBS, "train", {"spec": {"parallelism": 2}})
    assert len(active(bench)) == 2


async def test_an_end_is_counted_once_though_the_controllers_stop_at_any_write(bench: Bench) -> None:
    await begin(bench, completions=2, parallelism=2)
    for name in active(bench):
        await bench.end(name, "Succeeded")
    limit = 0
    while "Complete" not in await verdict(bench):
        limit += 1
        await bench.restart(after=1)
        assert (await status(bench)).get("succeeded", 0) <= 2
        assert limit < 50
    now = await status(bench)
    assert (now["succeeded"], now.get("failed", 0), now["uncountedTerminatedPods"]) == (2, 0, {})
    assert limit > 3


async def test_made_anew_under_its_name_it_has_its_own_pods_and_the_old_ones_go(bench: Bench) -> None:
    await begin(bench)
    old = active(bench)
    await bench.client.delete(JOBS, "train", "default", propagation="Background")
    await begin(bench)
    await bench.quiet()
    assert len(active(bench)) == 1
    assert set(bench.plane.names("pods")).isdisjoint(old)
    assert (await status(bench)).get("failed", 0) == 0
