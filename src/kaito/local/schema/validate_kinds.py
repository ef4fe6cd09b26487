"""Rules of single builtin kinds: workloads, services, configuration, claims; on create and on update."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from kaito.local.schema import crd_validate, names, quantity
from kaito.local.schema.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from kaito.local.schema.registry import Type
from kaito.local.schema.validate_meta import validate_labels
from kaito.local.schema.validate_pod import validate_pod_spec, validate_port

Object = dict[str, Any]
_IMMUTABLE = "field is immutable"
_BYTES_LIMIT = 1024 * 1024
_STS_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_STS_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_POD_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def selector_matches(selector: Object, labels: Object) -> bool:
    """True when a LabelSelector selects these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or ():
        key, operator, values = term.get("key"), term.get("operator"), term.get("values") or []
        present = key in labels
        matched = {
            "In": present and labels.get(key) in values,
            "NotIn": not present or labels.get(key) not in values,
            "Exists": present,
            "DoesNotExist": not present,
        }.get(operator, False)
        if not matched:
            return False
    return True


def _non_negative(spec: Object, path: str, *keys: str) -> list[FieldError]:
    return [
        invalid(f"{path}.{key}", spec[key], "must be greater than or equal to 0")
        for key in keys
        if isinstance(spec.get(key), int) and spec[key] < 0
    ]


def _pod(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = validate_pod_spec(spec, "spec", restart=("Always", "OnFailure", "Never"))
    if old is not None and _frozen_pod(spec) != _frozen_pod(old.get("spec") or {}):
        errors.append(forbidden("spec", _POD_TEXT))
    return errors


def _frozen_pod(spec: Object) -> Object:
    """What may not change in a running pod's spec; the scheduler's own fields are set once by others."""
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName", "schedulingGates")
    frozen = {key: value for key, value in spec.items() if key not in free}
    for field in ("containers", "initContainers"):
        items = [{key: value for key, value in c.items() if key != "image"} for c in spec.get(field) or []]
        if items:
            frozen[field] = items
    return frozen


def _workload(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = _non_negative(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    errors += _selector_and_template(spec, "spec", str(obj.get("kind", "")).lower())
    if old is not None and obj.get("kind") != "StatefulSet":
        before = (old.get("spec") or {}).get("selector")
        if before != spec.get("selector"):
            errors.append(invalid("spec.selector", spec.get("selector"), _IMMUTABLE))
    return errors


def _selector_and_template(spec: Object, path: str, kind: str) -> list[FieldError]:
    errors: list[FieldError] = []
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is None:
        errors.append(required(f"{path}.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(invalid(f"{path}.selector", selector, f"empty selector is invalid for {kind}"))
    # No selector selects nothing, an empty one everything.
    if selector is None or not selector_matches(selector, labels):
        path_labels = f"{path}.template.metadata.labels"
        errors.append(invalid(path_labels, labels or None, "`selector` does not match template `labels`"))
    errors += validate_labels(labels, f"{path}.template.metadata.labels")
    return errors + validate_pod_spec(template.get("spec") or {}, f"{path}.template.spec")


def _deployment(obj: Object, old: Object | None) -> list[FieldError]:
    errors = _workload(obj, old)
    strategy = (obj.get("spec") or {}).get("strategy") or {}
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        errors.append(not_supported("spec.strategy.type", strategy.get("type"), ["Recreate", "RollingUpdate"]))
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate") is not None:
        text = "may not be specified when strategy `type` is 'Recreate'"
        errors.append(forbidden("spec.strategy.rollingUpdate", text))
    return errors


def _stateful_set(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = _workload(obj, old)
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        errors.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    if old is not None:
        before = old.get("spec") or {}
        keys = (before.keys() | spec.keys()) - set(_STS_MUTABLE)
        if any(_without_status(before.get(key)) != _without_status(spec.get(key)) for key in keys):
            errors.append(forbidden("spec", _STS_TEXT))
    return errors


def _without_status(value: Any) -> Any:
    if isinstance(value, list):
        return [{k: v for k, v in item.items() if k != "status"} if isinstance(item, dict) else item for item in value]
    return value


def _unschedulable(template: Object | None) -> Object:
    """A job's template without what may change while it is suspended: where its pods may run, and their marks."""
    spec = (template or {}).get("spec") or {}
    free = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
    return {key: value for key, value in spec.items() if key not in free}


def _job(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors = _non_negative(spec, "spec", "parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished",
                           "activeDeadlineSeconds")  # fmt: skip
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") == "Always":
        errors.append(required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))
    policies = ("Always", "OnFailure", "Never")
    errors += validate_pod_spec(pod, "spec.template.spec", restart=policies)
    selector = spec.get("selector")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if selector is None:
        errors.append(required("spec.selector"))
    elif not selector_matches(selector, labels):
        errors.append(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        errors.append(required("spec.completions", "when completion mode is Indexed"))
    if old is None:
        return errors
    before = old.get("spec") or {}
    for key in ("completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"):
        indexed = key == "completions" and spec.get("completionMode") == "Indexed"
        if key == "template" and before.get("suspend"):
            if _unschedulable(before.get(key)) != _unschedulable(spec.get(key)):
                errors.append(invalid("spec.template.spec", (spec.get(key) or {}).get("spec"), _IMMUTABLE))
        elif before.get(key) != spec.get(key) and not indexed:
            errors.append(invalid(f"spec.{key}", spec.get(key), _IMMUTABLE))
    return errors


def _service(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    errors: list[FieldError] = []
    kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]
    if kind not in kinds:
        errors.append(not_supported("spec.type", kind, kinds))
    headless = spec.get("clusterIP") == "None"
    if not ports and kind != "ExternalName" and not headless:
        errors.append(required("spec.ports"))
    if kind == "ExternalName" and not spec.get("externalName"):
        errors.append(required("spec.externalName"))
    seen: set[str] = set()
    used: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name")
        if len(ports) > 1 and not name:
            errors.append(required(f"{path}.name"))
        if name:
            errors += [invalid(f"{path}.name", name, text) for text in names.dns_label(name)]
            if name in seen:
                errors.append(duplicate(f"{path}.name", name))
            seen.add(name)
        errors += validate_port(port.get("port"), f"{path}.port")
        errors += validate_port(port.get("targetPort"), f"{path}.targetPort")
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            errors.append(not_supported(f"{path}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
        pair = (port.get("protocol"), port.get("port"))
        if pair in used:
            errors.append(duplicate(path, {"port": pair[1], "protocol": pair[0]}))
        used.add(pair)
    if spec.get("selector"):
        errors += validate_labels(spec["selector"], "spec.selector")
    before = (old or {}).get("spec") or {}
    had, has = before.get("clusterIP"), spec.get("clusterIP")
    if had and kind != "ExternalName" and before.get("type") != "ExternalName" and had != has:
        text = "may not change once set"
        errors.append(invalid("spec.clusterIPs[0]", [has] if has else [], text))
    return errors


def _config(obj: Object, old: Object | None) -> list[FieldError]:
    errors: list[FieldError] = []
    total = 0
    for field in ("data", "binaryData"):
        for key, value in (obj.get(field) or {}).items():
            errors += [invalid(f"{field}[{key}]", key, text) for text in names.config_key(key)]
            total += len(value) if isinstance(value, str) else 0
    if obj.get("kind") == "Secret":
        errors += _secret_data(obj)
    if total > _BYTES_LIMIT * (4 / 3 if obj.get("kind") == "Secret" else 1):
        field = "data" if obj.get("kind") == "Secret" else "[]"
        errors.append(FieldError(field, "FieldValueTooLong", f"may not be more than {_BYTES_LIMIT} bytes"))
    if old is None:
        return errors
    if old.get("immutable"):
        text = "field is immutable when `immutable` is set"
        if not obj.get("immutable"):
            errors.append(forbidden("immutable", text))
        errors += [forbidden(field, text) for field in ("data", "binaryData") if obj.get(field) != old.get(field)]
    if obj.get("kind") == "Secret" and old.get("type") != obj.get("type"):
        errors.append(invalid("type", obj.get("type"), _IMMUTABLE))
    return errors


def _secret_data(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    data = obj.get("data") or {}
    for key, value in data.items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            # The value itself is secret: name the key only.
            errors.append(invalid(f"data[{key}]", "<redacted>", "must be base64: encode it, or use stringData"))
    needed = {
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
        "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    }.get(obj.get("type", ""), ())
    return errors + [required(f"data[{key}]") for key in needed if key not in data]


def _claim(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj.get("spec") or {}
    errors: list[FieldError] = []
    if not spec.get("accessModes"):
        errors.append(required("spec.accessModes", "at least 1 access mode is required"))
    modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
    errors += [not_supported("spec.accessModes", m, modes) for m in spec.get("accessModes") or () if m not in modes]
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        errors.append(required("spec.resources[storage]"))
    elif (quantity.parse(storage) or 0) <= 0:
        errors.append(invalid("spec.resources[storage]", storage, "must be greater than zero"))
    if old is not None:
        before = old.get("spec") or {}
        bound = {"volumeName", "storageClassName"}
        changed = {
            key
            for key in before.keys() | spec.keys()
            if before.get(key) != spec.get(key) and key != "resources" and not (key in bound and not before.get(key))
        }
        if changed:
            text = (
                "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                "for bound claims"
            )
            errors.append(forbidden("spec", text))
    return errors


def _crd(obj: Object, old: Object | None) -> list[FieldError]:
    errors = crd_validate.validate(obj, old)
    before, spec = (old or {}).get("spec") or {}, obj.get("spec") or {}
    for path, was, now in (
        ("spec.scope", before.get("scope"), spec.get("scope")),
        ("spec.group", before.get("group"), spec.get("group")),
        ("spec.names.kind", (before.get("names") or {}).get("kind"), (spec.get("names") or {}).get("kind")),
    ):
        if was and was != now:
            errors.append(invalid(path, now, _IMMUTABLE))
    return errors


def _binding(obj: Object, old: Object | None) -> list[FieldError]:
    reference = obj.get("roleRef") or {}
    errors = [required(f"roleRef.{key}") for key in ("name",) if not reference.get(key)]
    if reference.get("kind") not in ("Role", "ClusterRole"):
        errors.append(not_supported("roleRef.kind", reference.get("kind", ""), ["ClusterRole", "Role"]))
    if old is not None and old.get("roleRef") != reference:
        errors.append(invalid("roleRef", reference, "cannot change roleRef"))
    return errors


def _event(obj: Object, old: Object | None) -> list[FieldError]:
    about = (obj.get("involvedObject") or {}).get("namespace") or ""
    own = obj["metadata"].get("namespace", "")
    if about == own or (not about and own == "default"):
        return []
    return [invalid("involvedObject.namespace", about, "does not match event.namespace")]


_RULES: dict[str, Callable[[Object, Object | None], list[FieldError]]] = {
    "pods": _pod,
    "events": _event,
    "deployments.apps": _deployment,
    "replicasets.apps": _workload,
    "daemonsets.apps": _workload,
    "statefulsets.apps": _stateful_set,
    "jobs.batch": _job,
    "services": _service,
    "configmaps": _config,
    "secrets": _config,
    "persistentvolumeclaims": _claim,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
}


def validate_kind(type: Type, obj: Object, old: Object | None) -> list[FieldError]:
    rule = _RULES.get(type.group_resource)
    return rule(obj, old) if rule else []
