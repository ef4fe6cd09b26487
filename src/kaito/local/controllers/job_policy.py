"""What a Job's own rules make of its pods' ends: podFailurePolicy, backoffLimitPerIndex and successPolicy. Pure."""

from collections.abc import Iterable
from typing import Any

from kaito.kube.client import Object
from kaito.local.controllers import indexes
from kaito.local.controllers.podstate import condition

FAILURES = "batch.kubernetes.io/job-index-failure-count"
SUCCESS_POLICY = "SuccessPolicy"


def judge(job: Object, pod: Object) -> tuple[str, str]:
    """What a failed pod means: (FailJob, FailIndex, Ignore or Count, why). The first rule that fits decides."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        found = _exit(rule, pod) if rule.get("onExitCodes") else _condition(rule, pod)
        if found:
            return rule["action"], f"{found} matching {rule['action']} rule at index {number}"
    return "Count", ""


def _exit(rule: Object, pod: Object) -> str:
    wanted, status, meta = rule["onExitCodes"], pod.get("status") or {}, pod["metadata"]
    for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        code = ((one.get("state") or {}).get("terminated") or {}).get("exitCode", 0)
        if code == 0 or wanted.get("containerName") not in (None, one["name"]):
            continue
        if (code in wanted["values"]) == (wanted["operator"] == "In"):
            return f"Container {one['name']} for pod {meta['namespace']}/{meta['name']} failed with exit code {code}"
    return ""


def _condition(rule: Object, pod: Object) -> str:
    meta = pod["metadata"]
    for wanted in rule.get("onPodConditions") or ():
        found = condition(pod, wanted["type"])
        if found is not None and found["status"] == wanted.get("status", "True"):
            return f"Pod {meta['namespace']}/{meta['name']} has condition {wanted['type']}"
    return ""


def is_per_index(job: Object) -> bool:
    """Whether each index has its own number of tries."""
    return job["spec"].get("backoffLimitPerIndex") is not None


def failures_of(job: Object, pod: Object) -> int:
    """How often the pod's index has failed, this failed pod included."""
    return failures_before(pod) + (judge(job, pod)[0] == "Count")


def failures_before(pod: Object) -> int:
    """How often the pod's index had failed when the pod was made."""
    value: Any = (pod["metadata"].get("annotations") or {}).get(FAILURES, "")
    return int(value) if value.isdecimal() else 0


def fails_index(job: Object, pod: Object) -> bool:
    """Whether the failed pod was the last that its index gets."""
    limit = job["spec"].get("backoffLimitPerIndex")
    return limit is not None and (judge(job, pod)[0] == "FailIndex" or failures_of(job, pod) > limit)


def succeeded(job: Object, completed: Iterable[int]) -> str:
    """The successPolicy rule that the completed indexes satisfy, in words; empty when none does."""
    done = set(completed)
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        named = rule.get("succeededIndexes")
        counting = done if named is None else done & indexes.parse(named)
        enough = rule.get("succeededCount")
        if len(counting) >= (enough if enough is not None else len(indexes.parse(named or ""))):
            return f"Matched rules at index {number}"
    return ""
