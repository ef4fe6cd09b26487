"""The CustomResourceDefinitions, made from the types: what the API server checks is what we decode."""

import copy
from typing import Any

from kaito.api import keys
from kaito.api.workspace import Base, InferenceSpec, ResourceSpec, TuningSpec, WorkspaceStatus

Schema = dict[str, Any]

V1ALPHA1_INSTANCE_TYPE = "Standard_NC24ads_A100_v4"
_REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
_CONDITION_TYPE = (
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
CONDITION_LIMITS: dict[str, Schema] = {
    "type": {"maxLength": 316, "pattern": _CONDITION_TYPE},
    "reason": {"minLength": 1, "maxLength": 1024, "pattern": _REASON},
    "message": {"maxLength": 32768},
    "lastTransitionTime": {"format": "date-time"},
    "observedGeneration": {"format": "int64"},
}
FREE_FORM = ("template", "volumeSource")


def all_crds() -> list[Schema]:
    """Every CRD of this release, ready to be applied."""
    return [workspace_crd()]


def workspace_crd() -> Schema:
    """Workspace: v1beta1 is stored, v1alpha1 is served."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"workspaces.{keys.GROUP}"},
        "spec": {
            "group": keys.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "Workspace",
                "listKind": "WorkspaceList",
                "plural": "workspaces",
                "singular": "workspace",
                "shortNames": ["wk", "wks"],
                "categories": ["workspace"],
            },
            "versions": [
                _version("v1alpha1", _as_v1alpha1(_workspace_schema()), storage=False),
                _version("v1beta1", _workspace_schema(), storage=True),
            ],
        },
    }


def _version(name: str, schema: Schema, *, storage: bool) -> Schema:
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(beta=storage),
        "schema": {"openAPIV3Schema": schema},
    }


def _columns(*, beta: bool) -> list[Schema]:
    def condition(name: str) -> Schema:
        return {"name": name, "type": "string", "jsonPath": f'.status.conditions[?(@.type=="{name}")].status'}

    columns = [{"name": "Instance", "type": "string", "jsonPath": ".resource.instanceType"}]
    columns += [condition(name) for name in ("ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded")]
    if beta:
        columns.append({"name": "TargetNodeCount", "type": "integer", "jsonPath": ".status.targetNodeCount"})
        columns.append({"name": "State", "type": "string", "jsonPath": ".status.state"})
    return [*columns, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]


def _workspace_schema() -> Schema:
    return {
        "type": "object",
        "description": "One model served, or one model tuned.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "resource": schema_of(ResourceSpec),
            "inference": schema_of(InferenceSpec),
            "tuning": schema_of(TuningSpec),
            "status": schema_of(WorkspaceStatus),
        },
    }


def _as_v1alpha1(schema: Schema) -> Schema:
    """v1alpha1 has an instance type by default and lacks what came later."""
    old = copy.deepcopy(schema)
    properties = old["properties"]
    resource = properties["resource"]["properties"]
    resource["instanceType"]["default"] = V1ALPHA1_INSTANCE_TYPE
    del resource["partition"]
    for part in ("inference", "tuning"):
        del properties[part]["properties"]["preset"]["properties"]["presetOptions"]["properties"]["modelAccessSecret"]
    for field in ("state", "targetNodeCount", "performance"):
        del properties["status"]["properties"][field]
    return old


def schema_of(model: type[Base]) -> Schema:
    """The structural schema of a type: references resolved, nothing nullable, no titles."""
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Schema, defs: dict[str, Schema]) -> Schema:
    node = _resolved(node, defs)
    name = node.get("title", "")
    out: Schema = {k: node[k] for k in ("type", "description", "enum", "minimum", "pattern") if k in node}
    if node.get("default") is not None:
        out["default"] = node["default"]
    if node.get("type") == "array":
        out["items"] = _structural(node["items"], defs)
    if "properties" in node:
        out["properties"] = {k: _property(k, v, defs) for k, v in node["properties"].items()}
        if node.get("required"):
            out["required"] = sorted(node["required"])
    elif isinstance(node.get("additionalProperties"), dict):
        out["additionalProperties"] = _structural(node["additionalProperties"], defs)
    if name == "Condition":
        for field, limits in CONDITION_LIMITS.items():
            out["properties"][field] |= limits
    if name == "LabelSelector":
        out["x-kubernetes-map-type"] = "atomic"
        expressions = out["properties"]["matchExpressions"]
        expressions["x-kubernetes-list-type"] = "atomic"
        expressions["items"]["properties"]["values"]["x-kubernetes-list-type"] = "atomic"
    return out


def _property(name: str, node: Schema, defs: dict[str, Schema]) -> Schema:
    if name in FREE_FORM:
        return {"description": node["description"], "x-kubernetes-preserve-unknown-fields": True}
    return _structural(node, defs)


def _resolved(node: Schema, defs: dict[str, Schema]) -> Schema:
    """``node`` with its reference, and its "or null", replaced by what they stand for; its own words win."""
    own = {k: v for k, v in node.items() if k not in ("$ref", "anyOf", "allOf", "title")}
    if "anyOf" in node:
        (inner,) = (part for part in node["anyOf"] if part.get("type") != "null")
        return _resolved(inner, defs) | own
    if "$ref" in node:
        return _resolved(defs[node["$ref"].rsplit("/", 1)[-1]], defs) | own
    return node
