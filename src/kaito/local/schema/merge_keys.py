"""How builtin lists and structs merge: what the Kubernetes type annotations say, as one small table.

Written as `Model.field`. Lists that are not named here are atomic: replaced whole, owned whole.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ListRule:
    """`patch_key` is for strategic merge; `keys` (or `is_set`) is for server-side apply."""

    keys: tuple[str, ...] = ()
    patch_key: str = ""
    is_set: bool = False
    retain_keys: bool = False
    patch_merge: bool = False


def _by(*keys: str, patch: str | None = None, retain_keys: bool = False) -> ListRule:
    patch_key = keys[0] if patch is None else patch
    return ListRule(keys=keys, patch_key=patch_key, retain_keys=retain_keys, patch_merge=bool(patch_key))


_NAME, _TYPE = _by("name"), _by("type")
_SET = ListRule(is_set=True, patch_merge=True)

_CONTAINER = {
    "env": _NAME,
    "ports": _by("containerPort", "protocol"),
    "volumeMounts": _by("mountPath"),
    "volumeDevices": _by("devicePath"),
}

LISTS: dict[str, ListRule] = {
    **{f"{model}.{field}": rule for model in ("Container", "EphemeralContainer") for field, rule in _CONTAINER.items()},
    "ObjectMeta.finalizers": _SET,
    "ObjectMeta.ownerReferences": _by("uid"),
    "ResourceRequirements.claims": _by("name", patch=""),
    "PodSpec.volumes": _by("name", retain_keys=True),
    "PodSpec.containers": _NAME,
    "PodSpec.initContainers": _NAME,
    "PodSpec.ephemeralContainers": _NAME,
    "PodSpec.imagePullSecrets": _NAME,
    "PodSpec.hostAliases": _by("ip"),
    "PodSpec.topologySpreadConstraints": _by("topologyKey", "whenUnsatisfiable"),
    "PodSpec.resourceClaims": _by("name", retain_keys=True),
    "PodSpec.schedulingGates": _NAME,
    "PodStatus.podIPs": _by("ip"),
    "PodStatus.hostIPs": ListRule(patch_key="ip", patch_merge=True),
    "PodStatus.resourceClaimStatuses": _by("name", retain_keys=True),
    "ServiceSpec.ports": _by("port", "protocol"),
    "ServiceAccount.secrets": _NAME,
    "NodeSpec.podCIDRs": _SET,
    "NodeStatus.addresses": _TYPE,
    "NodeStatus.volumesAttached": ListRule(),
    # A Job's conditions are atomic to server-side apply, and still merge by type in a strategic patch.
    "JobStatus.conditions": ListRule(patch_key="type", patch_merge=True),
    "MutatingWebhookConfiguration.webhooks": _NAME,
    "ValidatingWebhookConfiguration.webhooks": _NAME,
    "MutatingWebhook.matchConditions": _NAME,
    "ValidatingWebhook.matchConditions": _NAME,
    "ValidatingAdmissionPolicySpec.matchConditions": _NAME,
    "ValidatingAdmissionPolicySpec.variables": _NAME,
    "CSINodeSpec.drivers": _NAME,
    "ServicePort.ports": _by("port", "protocol"),
}


def list_rule(model: str, field: str) -> ListRule | None:
    """The rule of one list; every `conditions` of a status merges by type unless the table says otherwise."""
    rule = LISTS.get(f"{model}.{field}")
    if rule is None and field == "conditions" and model.endswith("Status"):
        return _TYPE
    return rule


RETAIN_KEYS_STRUCTS = frozenset({"DeploymentSpec.strategy", "DaemonSetSpec.updateStrategy"})

ATOMIC_STRUCTS = frozenset({
    "ConfigMapKeySelector", "CrossVersionObjectReference", "EndpointAddress", "EndpointPort", "LabelSelector",
    "LocalObjectReference", "NodeSelector", "NodeSelectorTerm", "ObjectFieldSelector", "ObjectReference",
    "OwnerReference", "ResourceFieldSelector", "RoleRef", "SecretKeySelector", "SecretReference", "Subject",
    "TypedLocalObjectReference", "TypedObjectReference", "TopologySelectorTerm", "FileKeySelector", "ScopeSelector",
})  # fmt: skip

ATOMIC_MAPS = frozenset({"ServiceSpec.selector", "ReplicationControllerSpec.selector", "PodSpec.nodeSelector"})

# `dict` in the generated models says nothing of the values. Nearly all are strings; these are not.
MAP_VALUES: dict[str, str] = {
    **dict.fromkeys(("properties", "patternProperties", "definitions"), "JSONSchemaProps"),
    "dependencies": "any",
    "extra": "strings",
    **dict.fromkeys(
        ("limits", "requests", "capacity", "allocatable", "allocated", "allocatedResources", "hard", "used", "default",
         "defaultRequest", "min", "max", "maxLimitRequestRatio", "overhead"),
        "quantity",
    ),
}  # fmt: skip
