"""A Job's own rules about failures and success: which failure counts, which ends it, and what is enough."""

from kaito.kube.client import Object
from kaito.kube.resources import JOBS, PODS
from tests.unit.local_controllers.bench import Bench
from tests.unit.local_controllers.test_job import active, begin, index_of, status, verdict


def policy(*rules: Object) -> Object:
    return {"podFailurePolicy": {"rules": list(rules)}}


def on_exit(action: str, *codes: int, operator: str = "In", container: str | None = None) -> Object:
    named = {"containerName": container} if container else {}
    return {"action": action, "onExitCodes": {**named, "operator": operator, "values": list(codes)}}


DISRUPTED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


async def message(bench: Bench, kind: str) -> str:
    return next(one["message"] for one in (await status(bench))["conditions"] if one["type"] == kind)


async def test_an_exit_code_that_is_hopeless_ends_the_job_at_once(bench: Bench) -> None:
    await begin(bench, **policy(on_exit("FailJob", 42)))
    (name,) = active(bench)
    await bench.end(name, "Failed", code=42)
    await bench.quiet()
    assert await verdict(bench) == {"FailureTarget": "PodFailurePolicy", "Failed": "PodFailurePolicy"}
    text = f"Container c for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
    assert await message(bench, "Failed") == text
    assert (await status(bench))["failed"] == 1


async def test_other_exit_codes_are_tried_again(bench: Bench) -> None:
    await begin(bench, **policy(on_exit("FailJob", 42)))
    await bench.end(active(bench)[0], "Failed", code=1)
    await bench.quiet()
    assert len(active(bench)) == 1
    assert await verdict(bench) == {}


async def test_not_in_means_every_other_failure(bench: Bench) -> None:
    await begin(bench, **policy(on_exit("FailJob", 1, 2, operator="NotIn")))
    await bench.end(active(bench)[0], "Failed", code=3)
    await bench.quiet()
    assert (await verdict(bench))["Failed"] == "PodFailurePolicy"


async def test_a_rule_for_another_container_does_not_apply(bench: Bench) -> None:
    await begin(bench, **policy(on_exit("FailJob", 1, container="other")))
    await bench.end(active(bench)[0], "Failed", code=1)
    await bench.quiet()
    assert await verdict(bench) == {}


async def test_a_disruption_is_no_failure_and_the_pod_is_replaced_at_once(bench: Bench) -> None:
    await begin(bench, backoffLimit=0, **policy(DISRUPTED, on_exit("Count", 0, operator="NotIn")))
    for _ in range(5):
        await bench.end(active(bench)[0], "Failed", code=137, reason="DisruptionTarget")
        await bench.quiet(2)
        assert len(active(bench)) == 1
    assert ((await status(bench)).get("failed", 0), await verdict(bench)) == (0, {})
    assert all("finalizers" not in pod["metadata"] for pod in bench.plane.all("pods")[:-1] if ended(pod))
    await bench.end(active(bench)[0], "Failed", code=137)
    await bench.quiet()
    assert (await verdict(bench))["Failed"] == "BackoffLimitExceeded"


def ended(pod: Object) -> bool:
    return pod["status"]["phase"] == "Failed"


async def test_the_first_rule_that_fits_decides(bench: Bench) -> None:
    await begin(bench, backoffLimit=1, **policy(on_exit("Count", 42), on_exit("FailJob", 42)))
    await bench.end(active(bench)[0], "Failed", code=42)
    await bench.quiet()
    assert len(active(bench)) == 1


async def test_with_replacement_after_failure_a_dying_pod_keeps_its_place(bench: Bench) -> None:
    await begin(bench, podReplacementPolicy="Failed")
    (name,) = active(bench)
    await bench.client.delete(PODS, name, "default")
    await bench.quiet(1)
    assert active(bench) == []
    await bench.quiet(20)
    assert len(active(bench)) == 1


async def test_without_it_the_replacement_does_not_wait(bench: Bench) -> None:
    await begin(bench, podReplacementPolicy="TerminatingOrFailed")
    (name,) = active(bench)
    await bench.client.delete(PODS, name, "default")
    await bench.quiet(1)
    assert len(active(bench)) == 1
    assert name in bench.plane.names("pods")


async def test_each_index_has_its_own_tries(bench: Bench) -> None:
    await begin(bench, completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1)
    by_index = {index_of(bench, name): name for name in active(bench)}
    for _ in range(2):
        await bench.end(by_index["0"], "Failed", code=1)
        await bench.quiet(25)
        by_index = {index_of(bench, name): name for name in active(bench)}
    assert sorted(by_index) == ["1"]
    assert (await status(bench))["failedIndexes"] == "0"
    assert await verdict(bench) == {}
    await bench.end(by_index["1"], "Succeeded")
    await bench.quiet()
    now = await status(bench)
    assert (now["completedIndexes"], now["failedIndexes"], now["succeeded"], now["failed"]) == ("1", "0", 1, 2)
    assert await verdict(bench) == {"FailureTarget": "FailedIndexes", "Failed": "FailedIndexes"}


async def test_the_tries_of_an_index_are_counted_on_its_pods(bench: Bench) -> None:
    await begin(bench, completions=1, completionMode="Indexed", backoffLimitPerIndex=5)
    for number in range(3):
        (name,) = active(bench)
        noted = (await bench.get(PODS, name))["metadata"]["annotations"]
        assert noted["batch.kubernetes.io/job-index-failure-count"] == str(number)
        await bench.end(name, "Failed", code=1)
        await bench.quiet(60)
    assert (await status(bench))["failedIndexes"] == ""


async def test_a_hopeless_index_is_given_up_alone(bench: Bench) -> None:
    rules = policy(on_exit("FailIndex", 42))
    await begin(bench, completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=9, **rules)
    by_index = {index_of(bench, name): name for name in active(bench)}
    await bench.end(by_index["1"], "Failed", code=42)
    await bench.quiet(60)
    assert sorted(index_of(bench, name) for name in active(bench)) == ["0", "2"]
    assert (await status(bench))["failedIndexes"] == "1"


async def test_too_many_failed_indexes_end_the_job(bench: Bench) -> None:
    tries = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 1}
    await begin(bench, completions=3, parallelism=3, completionMode="Indexed", **tries)
    by_index = {index_of(bench, name): name for name in active(bench)}
    await bench.end(by_index["0"], "Failed", code=1)
    await bench.quiet()
    assert await verdict(bench) == {}
    await bench.end(by_index["2"], "Failed", code=1)
    await bench.quiet()
    assert (await verdict(bench))["Failed"] == "MaxFailedIndexesExceeded"
    assert active(bench) == []


async def test_the_leaders_success_may_be_enough(bench: Bench) -> None:
    rules = {"successPolicy": {"rules": [{"succeededIndexes": "0"}]}}
    await begin(bench, completions=3, parallelism=3, completionMode="Indexed", **rules)
    by_index = {index_of(bench, name): name for name in active(bench)}
    await bench.end(by_index["2"], "Succeeded")
    await bench.quiet()
    assert await verdict(bench) == {}
    await bench.end(by_index["0"], "Succeeded")
    await bench.quiet()
    assert await verdict(bench) == {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}
    assert await message(bench, "Complete") == "Matched rules at index 0"
    assert active(bench) == []


async def test_a_number_of_successes_may_be_enough(bench: Bench) -> None:
    rules = {"successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}, {"succeededCount": 2}]}}
    await begin(bench, completions=4, parallelism=4, completionMode="Indexed", **rules)
    by_index = {index_of(bench, name): name for name in active(bench)}
    await bench.end(by_index["2"], "Succeeded")
    await bench.quiet()
    assert await verdict(bench) == {}
    await bench.end(by_index["3"], "Succeeded")
    await bench.quiet()
    assert await message(bench, "Complete") == "Matched rules at index 1"


async def test_a_verdict_outlives_its_pods(bench: Bench) -> None:
    await begin(bench, **policy(on_exit("FailJob", 42)))
    await bench.end(active(bench)[0], "Failed", code=42)
    await bench.quiet()
    for name in bench.plane.names("pods"):
        await bench.delete(PODS, name)
    await bench.restart()
    assert (await verdict(bench))["Failed"] == "PodFailurePolicy"
    assert (active(bench), bench.plane.names("jobs.batch")) == ([], ["train"])
    await bench.patch(JOBS, "train", {"metadata": {"labels": {"x": "y"}}})
    assert active(bench) == []
