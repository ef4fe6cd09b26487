"""Columns and cells of builtin kinds; `table` puts the name in front and builds the document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kaito.local.schema.registry import Column

Object = dict[str, Any]
_NONE, _UNKNOWN = "<none>", "<unknown>"


def duration(seconds: float) -> str:
    """`90s`, `5m30s`, `3h`, `2d4h`, `1y20d`: the longest units that still matter."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(big: int, unit: str, small: int, small_unit: str) -> str:
    return f"{big}{unit}{small}{small_unit}" if small else f"{big}{unit}"


def since(stamp: str | None, now: datetime) -> str:
    if not stamp:
        return _UNKNOWN
    try:
        return duration((now - datetime.fromisoformat(stamp)).total_seconds())
    except ValueError:
        return "<invalid>"


def age(obj: Object, now: datetime) -> str:
    return since(obj.get("metadata", {}).get("creationTimestamp"), now)


def _part(obj: Object, name: str) -> Object:
    part = obj.get(name)
    return part if isinstance(part, dict) else {}


def _selector(selector: Object | None) -> str:
    if not selector:
        return _NONE
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        values = ",".join(term.get("values") or ())
        operator = {"In": "in", "NotIn": "notin"}.get(term.get("operator", ""))
        key = term.get("key", "")
        terms.append(
            f"{key} {operator} ({values})" if operator else key if term.get("operator") == "Exists" else f"!{key}"
        )
    return ",".join(terms) or _NONE


def _plain(labels: Object | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or _NONE


def _images(template: Object) -> list[str]:
    containers = _part(template, "spec").get("containers") or []
    names = ",".join(container.get("name", "") for container in containers)
    return [names, ",".join(container.get("image", "") for container in containers)]


def _template_tail(obj: Object) -> list[str]:
    spec = _part(obj, "spec")
    return [*_images(_part(spec, "template")), _selector(spec.get("selector"))]


# Pods


def _terminated(state: Object) -> str:
    ended = state["terminated"]
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _init_reason(obj: Object) -> str:
    """The status word while init containers run; empty once they are done."""
    status, spec = _part(obj, "status"), _part(obj, "spec")
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    total = len(spec.get("initContainers") or ())
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and not ended.get("exitCode"):
            continue
        if container.get("name") in sidecars and container.get("started"):
            continue
        if ended is not None:
            return f"Init:{_terminated(state)}"
        reason = (state.get("waiting") or {}).get("reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{index}/{total}"
    return ""


def pod_status(obj: Object) -> str:
    """The STATUS word of a pod, as `kubectl get pods` computes it."""
    metadata, status = _part(obj, "metadata"), _part(obj, "status")
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    starting = _init_reason(obj)
    if starting:
        reason = starting
    else:
        running = False
        for container in reversed(status.get("containerStatuses") or []):
            state = container.get("state") or {}
            if (state.get("waiting") or {}).get("reason"):
                reason = state["waiting"]["reason"]
            elif state.get("terminated") is not None:
                reason = _terminated(state)
            elif container.get("ready") and state.get("running") is not None:
                running = True
        if reason == "Completed" and running:
            reason = "Running" if _is_ready(status) else "NotReady"
    if metadata.get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(reason)


def _is_ready(status: Object) -> bool:
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ())


def _restarts(statuses: list[Object], now: datetime) -> str:
    count = sum(container.get("restartCount", 0) for container in statuses)
    ends = [((c.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for c in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({since(last, now)} ago)" if count and last else str(count)


def _pod(obj: Object, now: datetime) -> list[Any]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    statuses = status.get("containerStatuses") or []
    ready = sum(bool(c.get("ready")) and "running" in (c.get("state") or {}) for c in statuses)
    gates = spec.get("readinessGates") or []
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    passed = sum(gate.get("conditionType") in true for gate in gates)
    return [
        f"{ready}/{len(spec.get('containers') or [])}",
        pod_status(obj),
        _restarts([*(status.get("initContainerStatuses") or []), *statuses], now)
        if _init_reason(obj)
        else _restarts(statuses, now),
        age(obj, now),
        status.get("podIP") or _NONE,
        spec.get("nodeName") or _NONE,
        status.get("nominatedNodeName") or _NONE,
        f"{passed}/{len(gates)}" if gates else _NONE,
    ]


# Workloads


def _deployment(obj: Object, now: datetime) -> list[Any]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [
        ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), age(obj, now),
        *_template_tail(obj),
    ]  # fmt: skip


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    status = _part(obj, "status")
    desired = _part(obj, "spec").get("replicas", 0)
    return [desired, status.get("replicas", 0), status.get("readyReplicas", 0), age(obj, now), *_template_tail(obj)]


def _stateful_set(obj: Object, now: datetime) -> list[Any]:
    ready = f"{_part(obj, 'status').get('readyReplicas', 0)}/{_part(obj, 'spec').get('replicas', 0)}"
    return [ready, age(obj, now), *_images(_part(_part(obj, "spec"), "template"))]


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    status, spec = _part(obj, "status"), _part(obj, "spec")
    keys = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    counts = [status.get(key, 0) for key in keys]
    node_selector = _plain(_part(_part(spec, "template"), "spec").get("nodeSelector"))
    return [*counts, node_selector, age(obj, now), *_template_tail(obj)]


def _job_status(obj: Object) -> str:
    true = {c.get("type") for c in _part(obj, "status").get("conditions") or () if c.get("status") == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if _part(obj, "metadata").get("deletionTimestamp"):
        return "Terminating"
    if "Suspended" in true:
        return "Suspended"
    if "FailureTarget" in true:
        return "FailureTarget"
    return "SuccessCriteriaMet" if "SuccessCriteriaMet" in true else "Running"


def _job(obj: Object, now: datetime) -> list[Any]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    done, wanted = status.get("succeeded", 0), spec.get("completions")
    if wanted is not None:
        completions = f"{done}/{wanted}"
    else:
        parallel = spec.get("parallelism", 0)
        completions = f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"
    took = ""
    if status.get("startTime"):
        end = datetime.fromisoformat(status["completionTime"]) if status.get("completionTime") else now
        took = duration((end - datetime.fromisoformat(status["startTime"])).total_seconds())
    return [_job_status(obj), completions, took, age(obj, now), *_template_tail(obj)]


# Network, configuration, storage, cluster


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = _part(obj, "spec")
    ingress = _part(_part(obj, "status"), "loadBalancer").get("ingress") or []
    addresses = [item.get("ip") or item.get("hostname", "") for item in ingress] + (spec.get("externalIPs") or [])
    external = ",".join(addresses) or ("<pending>" if spec.get("type") == "LoadBalancer" else _NONE)
    if spec.get("type") == "ExternalName":
        external = spec.get("externalName", "")
    ports = [
        f"{p.get('port')}:{p['nodePort']}/{p.get('protocol')}"
        if p.get("nodePort")
        else f"{p.get('port')}/{p.get('protocol')}"
        for p in spec.get("ports") or ()
    ]
    cluster_ip = spec.get("clusterIP") or _NONE
    return [
        spec.get("type", ""), cluster_ip, external, ",".join(ports) or _NONE, age(obj, now),
        _plain(spec.get("selector")),
    ]  # fmt: skip


def _endpoints(obj: Object, now: datetime) -> list[Any]:
    found: list[str] = []
    for subset in obj.get("subsets") or ():
        addresses = [item.get("ip", "") for item in subset.get("addresses") or ()]
        ports = [port.get("port") for port in subset.get("ports") or ()]
        found += [f"{ip}:{port}" for port in ports for ip in addresses] if ports else addresses
    return [_shorten(found), age(obj, now)]


def _shorten(found: list[str]) -> str:
    if not found:
        return _NONE
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")


def _endpoint_slice(obj: Object, now: datetime) -> list[Any]:
    ports = [str(port.get("port", "*")) for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [obj.get("addressType", ""), ",".join(ports) or "<unset>", _shorten(addresses), age(obj, now)]


def _node(obj: Object, now: datetime) -> list[Any]:
    metadata, status = _part(obj, "metadata"), _part(obj, "status")
    ready = next((c.get("status") for c in status.get("conditions") or () if c.get("type") == "Ready"), None)
    state = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    if _part(obj, "spec").get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key[len(prefix) :] for key in metadata.get("labels") or () if key.startswith(prefix))
    info = _part(status, "nodeInfo")
    addresses = {item.get("type"): item.get("address") for item in status.get("addresses") or ()}
    return [
        state, ",".join(roles) or _NONE, age(obj, now), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", _NONE), addresses.get("ExternalIP", _NONE),
        *(info.get(key) or _UNKNOWN for key in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]  # fmt: skip


def _claim(obj: Object, now: datetime) -> list[Any]:
    spec, status = _part(obj, "spec"), _part(obj, "status")
    phase = "Terminating" if _part(obj, "metadata").get("deletionTimestamp") else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    capacity = _part(status, "capacity").get("storage", "") if bound else ""
    modes = _access_modes(status.get("accessModes")) if bound else ""
    return [
        phase, spec.get("volumeName", ""), capacity, modes, spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>", age(obj, now), spec.get("volumeMode") or "<unset>",
    ]  # fmt: skip


def _access_modes(modes: list[str] | None) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    return ",".join(short.get(mode, mode) for mode in modes or ())


def _event(obj: Object, now: datetime) -> list[Any]:
    involved, source = _part(obj, "involvedObject"), _part(obj, "source")
    series, metadata = _part(obj, "series"), _part(obj, "metadata")
    first = obj.get("firstTimestamp") or obj.get("eventTime") or metadata.get("creationTimestamp")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    who = ", ".join(part for part in (source.get("component"), source.get("host")) if part)
    return [
        since(last, now), obj.get("type", ""), obj.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}", involved.get("fieldPath", ""),
        who or obj.get("reportingComponent", ""), str(obj.get("message", "")).strip(), since(first, now),
        series.get("count") or obj.get("count", 1), metadata.get("name", ""),
    ]  # fmt: skip


def _columns(text: str) -> tuple[Column, ...]:
    """`Ready Age:date IP*`: a type after a colon, a star for the wide view, `_` for a space."""
    columns = []
    for word in text.split():
        name, _, kind = word.rstrip("*").partition(":")
        columns.append(Column(name.replace("_", " "), kind or "string", priority=int(word.endswith("*"))))
    return tuple(columns)


_TAIL = "Containers* Images* Selector*"
COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": _columns("Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*"),
    "deployments.apps": _columns(f"Ready Up-to-date Available Age {_TAIL}"),
    "replicasets.apps": _columns(f"Desired:integer Current:integer Ready:integer Age {_TAIL}"),
    "statefulsets.apps": _columns("Ready Age Containers* Images*"),
    "daemonsets.apps": _columns(
        "Desired:integer Current:integer Ready:integer Up-to-date:integer Available:integer Node_Selector Age " + _TAIL
    ),
    "jobs.batch": _columns(f"Status Completions Duration Age {_TAIL}"),
    "services": _columns("Type Cluster-IP External-IP Port(s) Age Selector*"),
    "endpoints": _columns("Endpoints Age"),
    "endpointslices.discovery.k8s.io": _columns("AddressType Ports Endpoints Age"),
    "nodes": _columns(
        "Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* Container-Runtime*"
    ),
    "namespaces": _columns("Status Age"),
    "configmaps": _columns("Data Age"),
    "secrets": _columns("Type Data Age"),
    "serviceaccounts": _columns("Age"),
    "persistentvolumeclaims": _columns(
        "Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age VolumeMode*"
    ),
    "events": _columns("Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count:integer* Name*"),
    "leases.coordination.k8s.io": _columns("Holder Age"),
    "controllerrevisions.apps": _columns("Controller Revision:integer Age"),
    "customresourcedefinitions.apiextensions.k8s.io": _columns("Created_At:date"),
}


def _controller_revision(obj: Object, now: datetime) -> list[Any]:
    owners = _part(obj, "metadata").get("ownerReferences") or []
    owner = next((o for o in owners if o.get("controller")), None)
    group = owner["apiVersion"].rpartition("/")[0] if owner else ""
    title = f"{owner['kind'].lower()}{'.' + group if group else ''}/{owner['name']}" if owner else _NONE
    return [title, obj.get("revision", 0), age(obj, now)]


CELLS: dict[str, Callable[[Object, datetime], list[Any]]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "services": _service,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "nodes": _node,
    "namespaces": lambda obj, now: [_part(obj, "status").get("phase", ""), age(obj, now)],
    "configmaps": lambda obj, now: [len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)],
    "secrets": lambda obj, now: [obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)],
    "serviceaccounts": lambda obj, now: [age(obj, now)],
    "persistentvolumeclaims": _claim,
    "events": _event,
    "leases.coordination.k8s.io": lambda obj, now: [_part(obj, "spec").get("holderIdentity", ""), age(obj, now)],
    "controllerrevisions.apps": _controller_revision,
    "customresourcedefinitions.apiextensions.k8s.io": lambda obj, now: [
        _part(obj, "metadata").get("creationTimestamp", "")
    ],
}
