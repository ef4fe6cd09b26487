"""Defaults of builtin kinds, as a Kubernetes API server fills them in. Objects are changed in place."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from kaito.local.schema.defaults_pod import pod_spec, pod_template
from kaito.local.schema.registry import Type

Object = dict[str, Any]


def _spec(obj: Object) -> Object:
    spec: Object = obj.setdefault("spec", {})
    return spec


def _set(target: Object, **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


def _pod(obj: Object) -> None:
    spec = _spec(obj)
    pod_spec(spec)
    _set(spec, enableServiceLinks=True, serviceAccountName="default", priority=0)
    _set(spec, preemptionPolicy="PreemptLowerPriority", serviceAccount=spec["serviceAccountName"])
    _tolerate(spec)
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        resources = container["resources"]
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    obj["status"].setdefault("qosClass", _qos(spec))


def _tolerate(spec: Object) -> None:
    """A pod stays five minutes on a node that went away, unless it says otherwise."""
    given = spec.get("tolerations") or []
    for trouble in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{trouble}"
        if not any(t.get("key") in (key, None, "") and t.get("effect") in ("NoExecute", None, "") for t in given):
            added = {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            spec["tolerations"] = [*(spec.get("tolerations") or []), added]


def _qos(spec: Object) -> str:
    """Guaranteed when every container's cpu and memory requests equal its limits; BestEffort when none has any."""
    guaranteed, best_effort = True, True
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        limits = container["resources"].get("limits") or {}
        requests = container["resources"].get("requests") or {}
        for name in ("cpu", "memory"):
            if name in limits or name in requests:
                best_effort = False
            if limits.get(name) is None or str(limits[name]) != str(requests.get(name)):
                guaranteed = False
    return "BestEffort" if best_effort else "Guaranteed" if guaranteed else "Burstable"


def _service(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, type="ClusterIP", sessionAffinity="None")
    kind = spec["type"]
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    for port in spec.get("ports") or ():
        _set(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if kind != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if kind in ("NodePort", "LoadBalancer"):
        _set(spec, externalTrafficPolicy="Cluster")
    if kind == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def _deployment(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")
    pod_template(spec)
    obj.setdefault("status", {})


def _replicas(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, replicas=1)
    pod_template(spec)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def _replication_controller(obj: Object) -> None:
    labels = (_spec(obj).get("template") or {}).get("metadata", {}).get("labels")
    if labels:
        _set(_spec(obj), selector=dict(labels))
    _replicas(obj)


def _stateful_set(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, serviceName="")
    _set(spec, updateStrategy={}, persistentVolumeClaimRetentionPolicy={})
    _set(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    strategy = spec["updateStrategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), partition=0)
    pod_template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        _set(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        _claim(claim)
    obj.setdefault("status", {}).setdefault("replicas", 0)


def _daemon_set(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, revisionHistoryLimit=10, updateStrategy={})
    strategy = spec["updateStrategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), maxUnavailable=1, maxSurge=0)
    pod_template(spec)


def job_labels(obj: Object) -> None:
    """A job without labels takes those of its pods."""
    labels = ((obj["spec"].get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _job_spec(spec: Object) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    per_index = spec.get("backoffLimitPerIndex") is not None
    _set(spec, parallelism=1, backoffLimit=2**31 - 1 if per_index else 6, completionMode="NonIndexed", suspend=False)
    _set(spec, podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    pod_template(spec)


def _job(obj: Object) -> None:
    _job_spec(_spec(obj))
    obj["spec"].setdefault("manualSelector", False)
    obj.setdefault("status", {})


def _cron_job(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    template = spec.get("jobTemplate")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        job = template["spec"]
        pod_template(job)


def _claim(obj: Object) -> None:
    _set(_spec(obj), volumeMode="Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def _volume(obj: Object) -> None:
    _set(_spec(obj), volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def _secret(obj: Object) -> None:
    _set(obj, type="Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        data = obj.setdefault("data", {})
        for key, value in plain.items():
            data[key] = base64.b64encode(str(value).encode()).decode()


def _namespace(obj: Object) -> None:
    name = obj.get("metadata", {}).get("name")
    if name:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    if "deletionTimestamp" not in obj.get("metadata", {}):
        _set(_spec(obj), finalizers=["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def _endpoints(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            _set(port, protocol="TCP")


def _endpoint_slice(obj: Object) -> None:
    for port in obj.get("ports") or ():
        _set(port, name="", protocol="TCP")


def _autoscaler(obj: Object) -> None:
    _set(_spec(obj), minReplicas=1)
    cpu = {"type": "Utilization", "averageUtilization": 80}
    if not _spec(obj).get("metrics"):
        _spec(obj)["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}]
    obj.setdefault("status", {})


def _binding(obj: Object) -> None:
    _set(obj.setdefault("roleRef", {}), apiGroup="rbac.authorization.k8s.io")
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _set(subject, apiGroup="rbac.authorization.k8s.io")


def _network_policy(obj: Object) -> None:
    spec = _spec(obj)
    _set(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def _storage_class(obj: Object) -> None:
    _set(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _webhooks(obj: Object) -> None:
    for hook in obj.get("webhooks") or ():
        _set(hook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        _set(hook, namespaceSelector={}, objectSelector={})
        if obj.get("kind") == "MutatingWebhookConfiguration":
            _set(hook, reinvocationPolicy="Never")
        for rule in hook.get("rules") or ():
            _set(rule, scope="*")
        service = hook.get("clientConfig", {}).get("service")
        if service:
            _set(service, port=443)


def _crd(obj: Object) -> None:
    spec = _spec(obj)
    names = spec.setdefault("names", {})
    if names.get("kind"):
        _set(names, singular=names["kind"].lower(), listKind=f"{names['kind']}List")
    _set(spec, conversion={"strategy": "None"})
    for version in spec.get("versions") or ():
        for column in version.get("additionalPrinterColumns") or ():
            _set(column, type="string")
    stored = [version.get("name") for version in spec.get("versions") or () if version.get("storage")]
    status = obj.setdefault("status", {})
    known = list(status.get("storedVersions") or ())
    status["storedVersions"] = [*known, *(name for name in stored if name not in known)]


def _event(obj: Object) -> None:
    _set(obj, source={}, firstTimestamp=None, lastTimestamp=None)
    for key, empty in (("eventTime", None), ("reportingComponent", ""), ("reportingInstance", "")):
        obj.setdefault(key, empty)


def _new_event(obj: Object) -> None:
    _set(obj, deprecatedSource={}, deprecatedFirstTimestamp=None, deprecatedLastTimestamp=None)


_DEFAULTERS: dict[str, Callable[[Object], None]] = {
    "pods": _pod,
    "events": _event,
    "events.events.k8s.io": _new_event,
    "services": _service,
    "podtemplates": pod_template,
    "deployments.apps": _deployment,
    "replicasets.apps": _replicas,
    "replicationcontrollers": _replication_controller,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "secrets": _secret,
    "namespaces": _namespace,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "networkpolicies.networking.k8s.io": _network_policy,
    "storageclasses.storage.k8s.io": _storage_class,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}


def apply_defaults(type: Type, obj: Object) -> None:
    defaulter = _DEFAULTERS.get(type.group_resource)
    if defaulter:
        defaulter(obj)


def job_selector(obj: Object) -> None:
    """Give a new Job the selector and pod labels that tie pods to it; needs `metadata.uid`."""
    spec, metadata = _spec(obj), obj["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = metadata["uid"], metadata["name"]
    template = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    template.update(
        {
            "controller-uid": uid,
            "job-name": name,
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
        }
    )
    labels = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    labels["batch.kubernetes.io/controller-uid"] = uid
