"""The CustomResourceDefinitions, made from the types: what the API server checks is what we decode."""

from typing import Any, Final

from kaito.api import keys
from kaito.api.kinds import KINDS, KindInfo
from kaito.api.schemas import Schema, object_schema, v1alpha1_schema

_DEPRECATED: Final = {
    ("RAGEngine", "v1alpha1"): "kaito.sh/v1alpha1 RAGEngine is deprecated; use kaito.sh/v1beta1 RAGEngine"
}
_SCALE: Final = {
    "InferenceSet": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
}


def all_crds() -> list[Schema]:
    """Every CRD of this release, ready to be applied."""
    return [_crd(info) for info in KINDS.values()]


def workspace_crd() -> Schema:
    """Workspace: v1beta1 is stored, v1alpha1 is served."""
    return _crd(KINDS["Workspace"])


def with_webhook(crd: Schema, client: dict[str, Any]) -> Schema:
    """``crd`` with its versions converted by a webhook: ``client`` is the clientConfig (service or url, caBundle).

    Without it the API server changes nothing but the name of the version, and prunes what the other version lacks.
    A kind of one version stays as it is.
    """
    if len(crd["spec"]["versions"]) == 1:
        return crd
    webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
    return crd | {"spec": crd["spec"] | {"conversion": {"strategy": "Webhook", "webhook": webhook}}}


def _crd(info: KindInfo) -> Schema:
    names: Schema = {
        "kind": info.kind,
        "listKind": f"{info.kind}List",
        "plural": info.plural,
        "singular": info.kind.lower(),
    }
    if info.short_names:
        names["shortNames"] = list(info.short_names)
    if info.categories:
        names["categories"] = list(info.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.plural}.{keys.GROUP}"},
        "spec": {
            "group": keys.GROUP,
            "scope": "Namespaced" if info.namespaced else "Cluster",
            "names": names,
            "versions": [_version(info, name) for name in info.versions],
        },
    }


def _version(info: KindInfo, name: str) -> Schema:
    schema = v1alpha1_schema(info.model) if name == "v1alpha1" else object_schema(info.model)
    warning = _DEPRECATED.get((info.kind, name))
    scale = _SCALE.get(info.kind)
    return {
        "name": name,
        "served": True,
        "storage": name == info.stored,
        **({"deprecated": True, "deprecationWarning": warning} if warning else {}),
        "subresources": {"status": {}, **({"scale": dict(scale)} if scale else {})},
        "additionalPrinterColumns": [*_columns(info.kind, name), _column("Age", ".metadata.creationTimestamp", "date")],
        "schema": {"openAPIV3Schema": schema},
    }


def _columns(kind: str, version: str) -> list[Schema]:
    """What `kubectl get` shows between the name and the age."""
    match kind:
        case "Workspace":
            columns = [_column("Instance", ".resource.instanceType")]
            columns += map(_condition, ("ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded"))
            if version == "v1beta1":
                columns.append(_column("TargetNodeCount", ".status.targetNodeCount", "integer"))
                columns.append(_column("State", ".status.state"))
            return columns
        case "InferenceSet":
            return [
                _column("Replicas", ".spec.replicas", "integer"),
                _column("ReadyReplicas", ".status.readyReplicas", "integer"),
            ]
        case "RAGEngine":
            instance = _column("Instance", ".spec.compute.instanceType")
            return [instance, _condition("ResourceReady"), _condition("ServiceReady")]
        case "MultiRoleInference":
            return [_column("Model", ".spec.model.name"), _condition("Ready")]
    return [_column("Model", ".spec.source.modelID"), _column("Phase", ".status.phase")]


def _column(name: str, path: str, of: str = "string") -> Schema:
    return {"name": name, "type": of, "jsonPath": path}


def _condition(name: str) -> Schema:
    return _column(name, f'.status.conditions[?(@.type=="{name}")].status')
