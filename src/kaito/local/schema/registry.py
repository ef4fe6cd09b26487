"""The kinds that the embedded API server knows, as data: names, verbs, subresources, printer columns.

A `Type` carries everything that discovery needs. Field schemas are elsewhere (`fields`), and so are the
functions that draw a row of a table (`table`); custom kinds are made into a `Type` by `crd.compile`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaito.local.schema.fields import Schema

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CREATE_ONLY = ("create",)


@dataclass(frozen=True)
class Column:
    """One printer column; `json_path` is empty for a builtin kind, whose cells `table` computes."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0
    json_path: str = ""


@dataclass(frozen=True)
class Type:
    """One kind in one version of one group."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    columns: tuple[Column, ...] = ()
    custom: bool = False
    # The compiled schema of a custom kind; a builtin's is found by `fields.schema_for`.
    schema: Schema | None = field(default=None, compare=False, repr=False)
    # What PATCH/GET of a subresource speaks, when it is not the kind itself: {"scale": ("autoscaling", "v1", "Scale")}.
    subresource_kinds: tuple[tuple[str, str, str, str], ...] = ()
    # Where a custom kind with a `scale` subresource keeps its replicas: (".spec.replicas", ".status.replicas").
    replica_paths: tuple[str, ...] = ()
    # The fields that a custom kind can be selected by, beside its name and namespace: ("spec.color",).
    selectable: tuple[str, ...] = ()

    @cached_property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def group_resource(self) -> str:
        """`deployments.apps`, or `pods` for the core group: the name that error messages use."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    @cached_property
    def path(self) -> str:
        """`/api/v1` or `/apis/<group>/<version>`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def stored(self) -> bool:
        """False for kinds that are only asked (reviews): a create of one is answered, never kept."""
        return "get" in self.verbs or "list" in self.verbs


_SCALE = ("scale", "autoscaling", "v1", "Scale")
_ALL = ("all",)


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith(("s", "ss")) and not word.endswith("endpoints"):
        return f"{word}es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return word if word.endswith("s") else f"{word}s"


def _type(
    group_version: str,
    kind: str,
    short: str = "",
    *,
    cluster: bool = False,
    categories: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
) -> Type:
    group, _, version = group_version.rpartition("/")
    kinds: tuple[tuple[str, str, str, str], ...] = (_SCALE,) if "scale" in subresources else ()
    if kind == "Pod":
        kinds = (("eviction", "policy", "v1", "Eviction"), ("binding", "", "v1", "Binding"))
    if kind == "ServiceAccount":
        kinds = (("token", "authentication.k8s.io", "v1", "TokenRequest"),)
    return Type(
        group=group,
        version=version,
        kind=kind,
        plural=_plural(kind),
        singular=kind.lower(),
        namespaced=not cluster,
        short_names=tuple(short.split()),
        categories=categories,
        subresources=subresources,
        verbs=verbs,
        subresource_kinds=kinds,
    )


_RBAC = "rbac.authorization.k8s.io/v1"
_NET = "networking.k8s.io/v1"
_STORAGE = "storage.k8s.io/v1"
_ADMISSION = "admissionregistration.k8s.io/v1"
_AUTHZ = "authorization.k8s.io/v1"
_STATUS = ("status",)
_SCALABLE = ("scale", "status")
_POD_SUBRESOURCES = (
    "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize", "status",
)  # fmt: skip

BUILTIN: tuple[Type, ...] = (
    _type("v1", "Binding", verbs=_CREATE_ONLY),
    _type("v1", "ConfigMap", "cm"),
    _type("v1", "Endpoints", "ep"),
    _type("v1", "Event", "ev"),
    _type("v1", "LimitRange", "limits"),
    _type("v1", "Namespace", "ns", cluster=True, subresources=("finalize", "status")),
    _type("v1", "Node", "no", cluster=True, subresources=("proxy", "status")),
    _type("v1", "PersistentVolumeClaim", "pvc", subresources=_STATUS),
    _type("v1", "PersistentVolume", "pv", cluster=True, subresources=_STATUS),
    _type("v1", "Pod", "po", categories=_ALL, subresources=_POD_SUBRESOURCES),
    _type("v1", "PodTemplate"),
    _type("v1", "ReplicationController", "rc", categories=_ALL, subresources=_SCALABLE),
    _type("v1", "ResourceQuota", "quota", subresources=_STATUS),
    _type("v1", "Secret"),
    _type("v1", "ServiceAccount", "sa", subresources=("token",)),
    _type("v1", "Service", "svc", categories=_ALL, subresources=("proxy", "status")),
    _type(_ADMISSION, "MutatingWebhookConfiguration", cluster=True, categories=("api-extensions",)),
    _type(_ADMISSION, "ValidatingWebhookConfiguration", cluster=True, categories=("api-extensions",)),
    _type(_ADMISSION, "ValidatingAdmissionPolicy", cluster=True, categories=("api-extensions",), subresources=_STATUS),
    _type(_ADMISSION, "ValidatingAdmissionPolicyBinding", cluster=True, categories=("api-extensions",)),
    _type("apiextensions.k8s.io/v1", "CustomResourceDefinition", "crd crds", cluster=True,
          categories=("api-extensions",), subresources=_STATUS),
    _type("apiregistration.k8s.io/v1", "APIService", cluster=True, categories=("api-extensions",),
          subresources=_STATUS),
    _type("apps/v1", "ControllerRevision"),
    _type("apps/v1", "DaemonSet", "ds", categories=_ALL, subresources=_STATUS),
    _type("apps/v1", "Deployment", "deploy", categories=_ALL, subresources=_SCALABLE),
    _type("apps/v1", "ReplicaSet", "rs", categories=_ALL, subresources=_SCALABLE),
    _type("apps/v1", "StatefulSet", "sts", categories=_ALL, subresources=_SCALABLE),
    _type("authentication.k8s.io/v1", "SelfSubjectReview", cluster=True, verbs=_CREATE_ONLY),
    _type("authentication.k8s.io/v1", "TokenReview", cluster=True, verbs=_CREATE_ONLY),
    _type(_AUTHZ, "LocalSubjectAccessReview", verbs=_CREATE_ONLY),
    _type(_AUTHZ, "SelfSubjectAccessReview", cluster=True, verbs=_CREATE_ONLY),
    _type(_AUTHZ, "SelfSubjectRulesReview", cluster=True, verbs=_CREATE_ONLY),
    _type(_AUTHZ, "SubjectAccessReview", cluster=True, verbs=_CREATE_ONLY),
    _type("autoscaling/v2", "HorizontalPodAutoscaler", "hpa", categories=_ALL, subresources=_STATUS),
    _type("batch/v1", "CronJob", "cj", categories=_ALL, subresources=_STATUS),
    _type("batch/v1", "Job", categories=_ALL, subresources=_STATUS),
    _type("certificates.k8s.io/v1", "CertificateSigningRequest", "csr", cluster=True,
          subresources=("approval", "status")),
    _type("coordination.k8s.io/v1", "Lease"),
    _type("discovery.k8s.io/v1", "EndpointSlice"),
    _type("events.k8s.io/v1", "Event", "ev"),
    _type(_NET, "IngressClass", cluster=True),
    _type(_NET, "Ingress", "ing", subresources=_STATUS),
    _type(_NET, "NetworkPolicy", "netpol"),
    _type("policy/v1", "PodDisruptionBudget", "pdb", subresources=_STATUS),
    _type(_RBAC, "ClusterRoleBinding", cluster=True),
    _type(_RBAC, "ClusterRole", cluster=True),
    _type(_RBAC, "RoleBinding"),
    _type(_RBAC, "Role"),
    _type("scheduling.k8s.io/v1", "PriorityClass", "pc", cluster=True),
    _type(_STORAGE, "CSIDriver", cluster=True),
    _type(_STORAGE, "CSINode", cluster=True),
    _type(_STORAGE, "CSIStorageCapacity"),
    _type(_STORAGE, "StorageClass", "sc", cluster=True),
    _type(_STORAGE, "VolumeAttachment", cluster=True, subresources=_STATUS),
)  # fmt: skip

BY_GVK: dict[tuple[str, str, str], Type] = {(t.group, t.version, t.kind): t for t in BUILTIN}
BY_RESOURCE: dict[tuple[str, str, str], Type] = {(t.group, t.version, t.plural): t for t in BUILTIN}


def by_gvk(group: str, version: str, kind: str) -> Type | None:
    return BY_GVK.get((group, version, kind))


def by_resource(group: str, version: str, plural: str) -> Type | None:
    return BY_RESOURCE.get((group, version, plural))
