"""What a Job's pods and its own record say: who is active, who ended how, is it over. Pure.

A pod carries a finalizer until its end is in the Job's status. First its uid is noted as uncounted, then the finalizer
goes, then the count takes it over: so each end is counted exactly once, whoever dies in between and whoever deletes
the pod.
"""

from dataclasses import dataclass, field

from kaito.kube.client import Object
from kaito.local.controllers import indexes, job_policy
from kaito.local.controllers.podstate import condition, is_ready, is_terminating, phase, restarts, seconds

FINALIZER = "batch.kubernetes.io/job-tracking"
OVER = ("Complete", "Failed")
BACKOFF_BASE, BACKOFF_MAX = 10.0, 600.0


@dataclass
class Tally:
    """The counts so far; ``noted`` are ends that are recorded but whose finalizers may still be there.

    ``ignored`` are pods whose failure a rule of the Job overlooks; ``fatal`` says why one of them ends the Job.
    """

    succeeded: int
    failed: int
    completed: set[int]
    noted_succeeded: list[str] = field(default_factory=list)
    noted_failed: list[str] = field(default_factory=list)
    failed_indexes: set[int] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    fatal: str = ""

    @property
    def noted(self) -> set[str]:
        return {*self.noted_succeeded, *self.noted_failed}

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.noted_failed)

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.noted_succeeded)


def is_indexed(job: Object) -> bool:
    return job["spec"].get("completionMode") == "Indexed"


def index_of(pod: Object) -> int | None:
    value = (pod["metadata"].get("annotations") or {}).get(indexes.INDEX, "")
    return int(value) if value.isdecimal() else None


def is_over(job: Object) -> bool:
    return any((condition(job, kind) or {}).get("status") == "True" for kind in OVER)


def verdict(job: Object) -> Object | None:
    """The condition that decided the Job, while its last pods still end."""
    for kind in ("FailureTarget", "SuccessCriteriaMet"):
        found = condition(job, kind)
        if found is not None and found["status"] == "True":
            return dict(found)
    return None


def ended(pod: Object) -> str | None:
    """How a pod ended: a pod that is deleted before it finished counts as failed once nothing of it runs."""
    if phase(pod) in ("Succeeded", "Failed"):
        return phase(pod)
    never_ran = is_terminating(pod) and not pod["spec"].get("nodeName")
    gone = is_terminating(pod) and pod["metadata"].get("deletionGracePeriodSeconds") == 0
    return "Failed" if never_ran or gone else None


def tally(job: Object, pods: list[Object]) -> Tally:
    """The record in the status, with the ends of ``pods`` that it lacks."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    counted = Tally(
        status.get("succeeded", 0),
        status.get("failed", 0),
        indexes.parse(status.get("completedIndexes", "")),
        list(uncounted.get("succeeded") or ()),
        list(uncounted.get("failed") or ()),
        indexes.parse(status.get("failedIndexes") or ""),
    )
    held = {pod["metadata"]["uid"] for pod in pods if FINALIZER in (pod["metadata"].get("finalizers") or ())}
    # Whose finalizer is gone is counted for good.
    counted.succeeded += sum(uid not in held for uid in counted.noted_succeeded)
    counted.failed += sum(uid not in held for uid in counted.noted_failed)
    counted.noted_succeeded = [uid for uid in counted.noted_succeeded if uid in held]
    counted.noted_failed = [uid for uid in counted.noted_failed if uid in held]
    for pod in sorted(pods, key=lambda pod: pod["metadata"]["name"]):
        uid, end = pod["metadata"]["uid"], ended(pod)
        if end == "Failed" and job_policy.judge(job, pod)[0] == "Ignore":
            counted.ignored.add(uid)
            continue
        if end is None or uid not in held or uid in counted.noted:
            continue
        index = index_of(pod)
        if end == "Failed":
            _failed(job, counted, pod)
        elif not is_indexed(job):
            counted.noted_succeeded.append(uid)
        elif index is not None and index < job["spec"]["completions"]:
            counted.completed.add(index)
    if is_indexed(job):
        counted.noted_succeeded, counted.succeeded = [], len(counted.completed)
    return counted


def _failed(job: Object, counted: Tally, pod: Object) -> None:
    action, why = job_policy.judge(job, pod)
    counted.noted_failed.append(pod["metadata"]["uid"])
    if action == "FailJob":
        counted.fatal = counted.fatal or why
    index = index_of(pod)
    if index is not None and is_indexed(job) and job_policy.fails_index(job, pod):
        counted.failed_indexes.add(index)


def decide(job: Object, counted: Tally, active: list[Object], now: float) -> tuple[str, str, str] | None:
    """(condition, reason, message) when the Job's fate is sealed."""
    spec, status = job["spec"], job.get("status") or {}
    if counted.fatal:
        return "FailureTarget", "PodFailurePolicy", counted.fatal
    limit = spec.get("backoffLimit", 6)
    retries = counted.all_failed
    in_place = spec["template"]["spec"].get("restartPolicy") == "OnFailure"
    if in_place:
        retries += sum(restarts(pod) for pod in active if phase(pod) in ("Pending", "Running"))
    if retries > limit or (in_place and limit > 0 and retries >= limit):
        return "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline = spec.get("activeDeadlineSeconds")
    started = None if spec.get("suspend") else status.get("startTime")
    if deadline is not None and started and now - seconds(started) >= deadline:
        return "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"
    most = spec.get("maxFailedIndexes")
    if most is not None and len(counted.failed_indexes) > most:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return "FailureTarget", "MaxFailedIndexesExceeded", text
    early = job_policy.succeeded(job, counted.completed)
    if early:
        return "SuccessCriteriaMet", job_policy.SUCCESS_POLICY, early
    wanted = spec.get("completions")
    if counted.failed_indexes and len(counted.completed | counted.failed_indexes) >= wanted:
        return "FailureTarget", "FailedIndexes", "Job has failed indexes"
    if wanted is None:
        # A work queue: one success means that there is no more work; the others finish what they have.
        done = counted.all_succeeded > 0 and not active
    else:
        done = counted.all_succeeded >= wanted
    if done:
        return "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
    return None


def retry_delay(pods: list[Object], now: float) -> float:
    """Seconds until a failed pod may be replaced: 10 s after the last failure, doubling, at most 10 min."""
    failures = [pod for pod in pods if ended(pod) == "Failed"]
    if not failures:
        return 0.0
    last_success = max((_finished_at(pod) for pod in pods if ended(pod) == "Succeeded"), default=0.0)
    recent = [at for pod in failures if (at := _finished_at(pod)) > last_success]
    if not recent:
        return 0.0
    wait = min(BACKOFF_MAX, BACKOFF_BASE * 2 ** min(len(recent) - 1, 16))
    return max(0.0, max(recent) + wait - now)


def _finished_at(pod: Object) -> float:
    times = [
        one["state"]["terminated"]["finishedAt"]
        for one in (pod.get("status") or {}).get("containerStatuses") or ()
        if ((one.get("state") or {}).get("terminated") or {}).get("finishedAt")
    ]
    ready = condition(pod, "Ready") or {}
    fallback = pod["metadata"].get("deletionTimestamp") or ready.get("lastTransitionTime")
    return seconds(max(times) if times else fallback or pod["metadata"]["creationTimestamp"])


def missing(job: Object, counted: Tally, active: list[Object]) -> list[int | None]:
    """The pods to create: completion indexes, or None for each pod of a Job without. ``active`` hold their places."""
    spec = job["spec"]
    parallel, completions = spec.get("parallelism", 1), spec.get("completions")
    if is_indexed(job):
        running = {index_of(pod) for pod in active}
        over = running | counted.completed | counted.failed_indexes
        waiting = [index for index in range(completions) if index not in over]
        return list(waiting[: max(0, parallel - len(active))])
    if completions is None:
        wanted = len(active) if counted.all_succeeded else parallel
    else:
        wanted = min(parallel, completions - counted.all_succeeded)
    return [None] * max(0, wanted - len(active))


def excess(job: Object, counted: Tally, active: list[Object]) -> list[Object]:
    """Active pods that are too many: doubles of an index, finished or cut-off indexes, and beyond the parallelism."""
    spec = job["spec"]
    parallel, completions = spec.get("parallelism", 1), spec.get("completions")
    ready_first = sorted(active, key=lambda pod: (is_ready(pod), pod["metadata"]["name"]), reverse=True)
    if not is_indexed(job):
        most = parallel if completions is None else min(parallel, max(0, completions - counted.all_succeeded))
        return ready_first[most:]
    kept: set[int] = set()
    over = counted.completed | counted.failed_indexes
    surplus = []
    for pod in sorted(ready_first, key=lambda pod: -1 if (index := index_of(pod)) is None else index):
        index = index_of(pod)
        wanted = index is not None and index < completions and index not in kept | over
        if index is not None and wanted and len(kept) < parallel:
            kept.add(index)
        else:
            surplus.append(pod)
    return surplus
