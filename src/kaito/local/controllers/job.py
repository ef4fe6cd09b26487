"""Job: pods that are to end well, so many times; with or without completion indexes."""

import copy
from functools import partial

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import JOBS, PODS
from kaito.local.controllers import indexes, job_policy, job_state, podstate
from kaito.local.controllers.cluster import Add, Cluster, in_batches
from kaito.local.controllers.job_state import FINALIZER, Tally
from kaito.local.controllers.ownership import controller_of
from kaito.local.controllers.pods import pod_from_template

ENV = "JOB_COMPLETION_INDEX"


class Jobs:
    """Reconciles one Job at a time, or (its key has no name) the pods of a namespace whose Job is gone."""

    name = "job"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        self._cluster.on_change(JOBS, add)
        self._cluster.on_owned(PODS, JOBS, add)

        jobs = self._cluster.informer(JOBS)

        def sweep(old: Object | None, new: Object | None) -> None:
            if old is not None and new is None:
                add((old["metadata"]["namespace"], ""))

        def stray(old: Object | None, new: Object | None) -> None:
            if new is None or FINALIZER not in (new["metadata"].get("finalizers") or ()):
                return
            ref = controller_of(new)
            job = jobs.store.get(new["metadata"]["namespace"], ref["name"]) if ref is not None else None
            if ref is None or job is None or job["metadata"]["uid"] != ref["uid"]:
                add((new["metadata"]["namespace"], ""))

        jobs.add_handler(sweep)
        self._cluster.informer(PODS).add_handler(stray)

    async def reconcile(self, key: Key) -> float | None:
        cluster = self._cluster
        job = cluster.get(JOBS, key)
        if job is None:
            await self._let_go(self._strays(key[0]))
            return None
        if podstate.is_terminating(job):
            await self._let_go(cluster.owned(PODS, job))
            return None
        if job_state.is_over(job):
            await self._let_go(cluster.owned(PODS, job))
            return await self._expire(job)
        pods = cluster.owned(PODS, job)
        counted = job_state.tally(job, pods)
        active = [pod for pod in pods if podstate.is_active(pod)]
        now = cluster.clock()
        decided = job_state.verdict(job) or self._decide(job, counted, active, now)
        wait: float | None = None
        if decided:
            await self._delete_all(job, active)
        elif job["spec"].get("suspend"):
            await self._dismiss(job, active)
        else:
            wait = await self._steer(job, counted, active)
        job = await self._record(job, counted, decided)
        # The ends are recorded: their finalizers may go, and the next look takes them into the count.
        await self._let_go([pod for pod in cluster.owned(PODS, job) if self._is_recorded(pod, counted)])
        return _soonest(wait, self._deadline(job, now))

    def _strays(self, namespace: str) -> list[Object]:
        """Pods whose end no Job counts any more."""
        uids = {job["metadata"]["uid"] for job in self._cluster.all(JOBS, namespace)}
        pods = self._cluster.all(PODS, namespace)
        return [pod for pod in pods if (controller_of(pod) or {}).get("uid") not in uids]

    # Steps.

    def _decide(self, job: Object, counted: Tally, active: list[Object], now: float) -> Object | None:
        found = job_state.decide(job, counted, active, now)
        if found is None:
            return None
        kind, reason, message = found
        return self._condition(kind, reason, message)

    def _condition(self, kind: str, reason: str, message: str, *, status: str = "True") -> Object:
        now = self._cluster.now()
        times = {"lastProbeTime": now, "lastTransitionTime": now}
        return {"type": kind, "status": status, "reason": reason, "message": message, **times}

    async def _steer(self, job: Object, counted: Tally, active: list[Object]) -> float | None:
        """Create what is missing and delete what is too much; returns the wait of a back-off."""
        surplus = job_state.excess(job, counted, active)
        await self._dismiss(job, surplus)
        gone = {pod["metadata"]["uid"] for pod in surplus}
        pods = self._cluster.owned(PODS, job)
        left = [pod for pod in active if pod["metadata"]["uid"] not in gone]
        if job["spec"].get("podReplacementPolicy") == "Failed":
            # A pod on its way out keeps its place until it has ended.
            left += [pod for pod in pods if podstate.is_terminating(pod) and job_state.ended(pod) is None]
        wanted = job_state.missing(job, counted, left)
        waits = {index: self._delay(job, counted, pods, index) for index in set(wanted)}
        await in_batches([partial(self._create, job, pods, index) for index in wanted if waits[index] <= 0])
        return min((wait for wait in waits.values() if wait > 0), default=None)

    def _delay(self, job: Object, counted: Tally, pods: list[Object], index: int | None) -> float:
        """Seconds until a pod may be made; failures of other indexes do not hold up one that has its own tries."""
        if index is not None and job_policy.is_per_index(job):
            pods = [pod for pod in pods if job_state.index_of(pod) == index]
        counting = [pod for pod in pods if pod["metadata"]["uid"] not in counted.ignored]
        return job_state.retry_delay(counting, self._cluster.clock())

    async def _create(self, job: Object, pods: list[Object], index: int | None) -> None:
        pod = _job_pod(job, index)
        if index is not None and job_policy.is_per_index(job):
            before = [pod for pod in pods if job_state.index_of(pod) == index and job_state.ended(pod) == "Failed"]
            tries = max((job_policy.failures_of(job, one) for one in before), default=0)
            pod["metadata"]["annotations"][job_policy.FAILURES] = str(tries)
        try:
            made = await self._cluster.create(PODS, pod)
        except errors.ApiError as exc:
            await self._cluster.event(job, "FailedCreate", f"Error creating: {exc.message}", warning=True)
            raise
        await self._cluster.event(job, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    async def _dismiss(self, job: Object, pods: list[Object]) -> None:
        """Delete pods that did nothing wrong: unmarked first, so that their end counts as no failure."""
        await self._let_go(pods)
        await self._delete_all(job, pods)

    async def _delete_all(self, job: Object, pods: list[Object]) -> None:
        for pod in pods:
            await self._cluster.delete(PODS, pod)
            await self._cluster.event(job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    def _is_recorded(self, pod: Object, counted: Tally) -> bool:
        end = job_state.ended(pod)
        return pod["metadata"]["uid"] in counted.noted | counted.ignored or end == "Succeeded"

    async def _let_go(self, pods: list[Object]) -> None:
        for pod in pods:
            finalizers = pod["metadata"].get("finalizers") or []
            if FINALIZER in finalizers:
                left = [one for one in finalizers if one != FINALIZER]
                try:
                    await self._cluster.patch(PODS, pod, {"metadata": {"finalizers": left or None}})
                except errors.NotFound:
                    continue

    # Status.

    async def _record(self, job: Object, counted: Tally, decided: Object | None) -> Object:
        cluster = self._cluster
        pods = cluster.owned(PODS, job)
        active = [pod for pod in pods if podstate.is_active(pod)]
        terminating = [pod for pod in pods if podstate.is_terminating(pod) and not podstate.is_finished(pod)]
        old = job.get("status") or {}
        status: Object = {
            key: value
            for key, value in {
                "active": len(active),
                "succeeded": counted.succeeded,
                "failed": counted.failed,
                "completedIndexes": indexes.show(counted.completed),
            }.items()
            if value
        }
        status["terminating"] = len(terminating)
        status["ready"] = sum(podstate.is_ready(pod) for pod in active)
        noted = {"succeeded": counted.noted_succeeded, "failed": counted.noted_failed}
        status["uncountedTerminatedPods"] = {key: value for key, value in noted.items() if value}
        suspended = bool(job["spec"].get("suspend"))
        started = old.get("startTime") or (None if suspended else cluster.now())
        if suspended and decided is None:
            started = None
        if started:
            status["startTime"] = started
        conditions = self._suspension(job, list(old.get("conditions") or ()), suspended and decided is None)
        final = None
        if decided is not None:
            conditions = [one for one in conditions if one["type"] != decided["type"]] + [decided]
            if not active and not terminating and not counted.noted:
                good = decided["type"] == "SuccessCriteriaMet"
                final = self._condition("Complete" if good else "Failed", decided["reason"], decided["message"])
                conditions.append(final)
                if good:
                    status["completionTime"] = final["lastTransitionTime"]
        if conditions:
            status["conditions"] = conditions
        if job_policy.is_per_index(job):
            status["failedIndexes"] = indexes.show(counted.failed_indexes)
        job = await cluster.write_status(JOBS, job, status)
        if final is not None:
            good = final["type"] == "Complete"
            reason, text = ("Completed", "Job completed") if good else (final["reason"], final["message"])
            await cluster.event(job, reason, text, warning=not good)
        return job

    def _suspension(self, job: Object, conditions: list[Object], suspended: bool) -> list[Object]:
        known = podstate.condition(job, "Suspended")
        others = [one for one in conditions if one["type"] != "Suspended"]
        if suspended and (known is None or known["status"] != "True"):
            return [*others, self._condition("Suspended", "JobSuspended", "Job suspended")]
        if not suspended and known is not None and known["status"] == "True":
            return [*others, self._condition("Suspended", "JobResumed", "Job resumed", status="False")]
        return conditions

    # Times.

    def _deadline(self, job: Object, now: float) -> float | None:
        limit, started = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
        if limit is None or not started or job_state.is_over(job):
            return None
        return max(0.05, podstate.seconds(started) + limit - now)

    async def _expire(self, job: Object) -> float | None:
        """Delete a Job whose time to live after its end is over."""
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        ends = [one for kind in job_state.OVER if (one := podstate.condition(job, kind))]
        left = podstate.seconds(ends[0]["lastTransitionTime"]) + ttl - self._cluster.clock()
        if left > 0:
            return left
        await self._cluster.delete(JOBS, job, propagation="Background")
        return None


def _soonest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)


def _job_pod(job: Object, index: int | None) -> Object:
    pod = pod_from_template(JOBS, job, job["spec"]["template"])
    meta, spec = pod["metadata"], pod["spec"]
    meta["finalizers"] = [*meta.get("finalizers", ()), FINALIZER]
    if index is None:
        return pod
    name = job["metadata"]["name"]
    meta["generateName"] = f"{name}-{index}-"
    meta["labels"] = {**meta.get("labels", {}), indexes.INDEX: str(index)}
    meta["annotations"] = {**meta.get("annotations", {}), indexes.INDEX: str(index)}
    spec["hostname"] = f"{name}-{index}"
    told = {"name": ENV, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{indexes.INDEX}']"}}}
    for group in ("initContainers", "containers"):
        if spec.get(group):
            spec[group] = [_with_env(container, told) for container in spec[group]]
    return pod


def _with_env(container: Object, told: Object) -> Object:
    known = container.get("env") or []
    if any(one["name"] == ENV for one in known):
        return container
    return {**container, "env": [*known, copy.deepcopy(told)]}
