"""A scheduler for one node: does the pod fit, and if not, why, in kube's words. The choice is pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kaito.local.kubelet import quantity

Obj = Mapping[str, Any]


def unfit(pod: Obj, node: Obj, others: Iterable[Obj]) -> str | None:
    """None when the pod may run on the node beside ``others``; else the message of its PodScheduled condition."""
    reasons = _reasons(pod, node, others)
    if not reasons:
        return None
    return f"0/1 nodes are available: {', '.join(f'1 {reason}' for reason in sorted(reasons))}."


def needs_scheduling(pod: Obj) -> bool:
    """A pending pod without a node, not being deleted, not held back by a gate, for the default scheduler."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not pod["metadata"].get("deletionTimestamp")
        and not spec.get("schedulingGates")
        and (spec.get("schedulerName") or "default-scheduler") == "default-scheduler"
        and (pod.get("status") or {}).get("phase") in (None, "Pending")
    )


def occupies(pod: Obj) -> bool:
    """Whether a pod holds resources of the node."""
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _reasons(pod: Obj, node: Obj, others: Iterable[Obj]) -> list[str]:
    spec = pod["spec"]
    if node.get("spec", {}).get("unschedulable") and not _tolerates(spec, UNSCHEDULABLE):
        return ["node(s) were unschedulable"]
    for taint in node.get("spec", {}).get("taints") or []:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerates(spec, taint):
            return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
    if not _selected(spec, node):
        return ["node(s) didn't match Pod's node affinity/selector"]
    holding = [other for other in others if occupies(other)]
    allocatable = {name: quantity.parse(value) for name, value in node["status"]["allocatable"].items()}
    used = quantity.total_requests(holding)
    short = [
        f"Insufficient {name}"
        for name, amount in quantity.pod_requests(pod).items()
        if amount > 0 and used.get(name, Decimal(0)) + amount > allocatable.get(name, Decimal(0))
    ]
    if len(holding) + 1 > allocatable.get("pods", Decimal(0)):
        short.append("Too many pods")
    return short


UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _tolerates(spec: Obj, taint: Obj) -> bool:
    for toleration in spec.get("tolerations") or []:
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            continue
        operator = toleration.get("operator") or "Equal"
        if operator == "Exists" and toleration.get("key") in (None, "", taint["key"]):
            return True
        same = toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")
        if operator == "Equal" and same:
            return True
    return False


def _selected(spec: Obj, node: Obj) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term(term, labels, node["metadata"]["name"]) for term in required.get("nodeSelectorTerms") or [])


def _term(term: Obj, labels: Mapping[str, str], name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not expressions and not fields:
        return False
    return all(_matches(e, labels) for e in expressions) and all(_matches(f, {"metadata.name": name}) for f in fields)


def _matches(expression: Obj, labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    present = key in labels
    if operator == "Exists":
        return present
    if operator == "DoesNotExist":
        return not present
    if operator == "In":
        return present and labels[key] in values
    if operator == "NotIn":
        return not present or labels[key] not in values
    try:
        have, want = int(labels[key]), int(values[0])
    except (KeyError, ValueError, IndexError):
        return False
    return have > want if operator == "Gt" else operator == "Lt" and have < want
