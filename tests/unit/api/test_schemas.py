"""Fields, their defaults and limits, as the contract says: by kind, version and path."""

from typing import Any

import pytest

from kaito.api.kinds import KINDS
from kaito.api.schemas import object_schema, v1alpha1_schema

Schema = dict[str, Any]
SCHEMAS = {
    (kind, version): v1alpha1_schema(info.model) if version == "v1alpha1" else object_schema(info.model)
    for kind, info in KINDS.items()
    for version in info.versions
}
WORKSPACE, SET, ENGINE = ("Workspace", "v1beta1"), ("InferenceSet", "v1beta1"), ("RAGEngine", "v1beta1")
ROLES, MIRROR = ("MultiRoleInference", "v1alpha1"), ("ModelMirror", "v1alpha1")
OLD = {kind: (kind, "v1alpha1") for kind in KINDS}
FREE = {"x-kubernetes-preserve-unknown-fields": True}
WINDOW = "spec.autoUpgrade.maintenanceWindow"
PV = "spec.storage.persistentVolume"


def at(where: tuple[str, str], path: str) -> Schema | None:
    """The schema of the field at a dotted path; [] for items, * for the values of a map. None when it is not there."""
    node: Schema = SCHEMAS[where]
    for part in path.replace("[]", ".[]").split("."):
        if part == "[]":
            node = node["items"]
        elif part == "*":
            node = node["additionalProperties"]
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        else:
            return None
    return node


def fact(where: tuple[str, str], path: str, **facts: Any) -> Any:
    return pytest.param(where, path, facts, id=f"{where[0]}.{where[1]}:{path}")


FACTS = [
    # 2 shared types
    fact(WORKSPACE, "resource.count", type="integer", default=1),
    fact(WORKSPACE, "resource.instanceType", type="string"),
    fact(WORKSPACE, "resource.labelSelector", **{"x-kubernetes-map-type": "atomic"}),
    fact(WORKSPACE, "resource.labelSelector.matchExpressions", **{"x-kubernetes-list-type": "atomic"}),
    fact(WORKSPACE, "resource.labelSelector.matchExpressions[].values", **{"x-kubernetes-list-type": "atomic"}),
    fact(WORKSPACE, "resource.partition.mode", enum=["mig", "accelerator"]),
    fact(WORKSPACE, "resource.partition.count", type="integer", minimum=1),
    fact(WORKSPACE, "inference.preset.accessMode", enum=["public", "private"], default="public"),
    fact(WORKSPACE, "inference.preset.presetOptions.modelAccessSecret", type="string"),
    fact(WORKSPACE, "inference.adapters[].source.volumeSource", **FREE),
    fact(WORKSPACE, "inference.adapters[].strength", type="string"),
    fact(WORKSPACE, "inference.template", **FREE),
    fact(WORKSPACE, "tuning.output.volumeSource", **FREE),
    fact(WORKSPACE, "tuning.output.imagePushSecret", type="string"),
    fact(WORKSPACE, "tuning.method", type="string"),
    fact(WORKSPACE, "status.conditions[].message", maxLength=32768),
    fact(WORKSPACE, "status.conditions[].reason", minLength=1, maxLength=1024),
    fact(WORKSPACE, "status.conditions[].status", enum=["True", "False", "Unknown"]),
    fact(WORKSPACE, "status.conditions[].type", maxLength=316),
    fact(WORKSPACE, "status.conditions[].observedGeneration", type="integer", format="int64", minimum=0),
    fact(WORKSPACE, "status.conditions[].lastTransitionTime", type="string", format="date-time"),
    # 3 Workspace
    fact(WORKSPACE, "status.workerNodes[]", type="string"),
    fact(WORKSPACE, "status.state", type="string"),
    fact(WORKSPACE, "status.targetNodeCount", type="integer", format="int32"),
    fact(WORKSPACE, "status.performance.metrics.*.config.*", type="string"),
    # 4 InferenceSet
    fact(SET, "spec.replicas", type="integer", format="int32", default=1, minimum=0),
    fact(SET, "spec.nodeCountLimit", type="integer"),
    fact(SET, "spec.labelSelector", **{"x-kubernetes-map-type": "atomic"}),
    fact(SET, "spec.template.metadata", **FREE),
    fact(SET, "spec.template.resource.partition.mode", enum=["mig", "accelerator"]),
    fact(SET, "spec.template.inference.template", **FREE),
    fact(SET, "spec.updateStrategy", default={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}, **FREE),
    fact(SET, "spec.autoUpgrade.enabled", type="boolean", default=False),
    fact(SET, "spec.autoUpgrade.strategy", enum=["InPlace", "Surge"], default="InPlace"),
    fact(SET, f"{WINDOW}.duration", type="string", default="4h"),
    fact(SET, "status.replicas", type="integer"),
    fact(SET, "status.selector", type="string"),
    fact(SET, "status.autoUpgrade.numDriftedWorkspaces", type="integer"),
    fact(SET, "status.autoUpgrade.lastSuccessfulUpgradeTime", type="string", format="date-time"),
    fact(OLD["InferenceSet"], "spec.template.inference.preset.presetOptions.modelAccessSecret", type="string"),
    # 5 RAGEngine
    fact(ENGINE, "spec.compute.partition.mode", enum=["mig", "accelerator"]),
    fact(ENGINE, "spec.storage.vectorDB.accessSecret", type="string"),
    fact(ENGINE, "spec.embedding.local.modelID", type="string"),
    fact(ENGINE, "spec.embedding.local.imagePullSecret", type="string"),
    fact(ENGINE, "spec.embedding.remote.accessSecret", type="string"),
    fact(ENGINE, "spec.inferenceService.contextWindowSize", type="integer"),
    fact(ENGINE, "spec.guardrails.enabled", type="boolean"),
    fact(ENGINE, "spec.guardrails.configMapRef.name", type="string"),
    fact(OLD["RAGEngine"], "spec.storage.persistentVolumeClaim", type="string"),
    fact(OLD["RAGEngine"], "spec.storage.mountPath", type="string"),
    fact(OLD["RAGEngine"], "spec.queryServiceName", type="string"),
    fact(OLD["RAGEngine"], "spec.indexServiceName", type="string"),
    # 6 MultiRoleInference
    fact(ROLES, "spec.roles", minItems=2, maxItems=2),
    fact(ROLES, "spec.roles[].type", enum=["prefill", "decode"]),
    fact(ROLES, "spec.roles[].replicas", type="integer", format="int32", minimum=1),
    fact(ROLES, "spec.eppPluginsConfig", type="string"),
    fact(ROLES, "status.observedGeneration", type="integer", format="int64"),
    # 7 ModelMirror
    fact(MIRROR, "spec.mode", enum=["Managed", "Static"], default="Managed"),
    fact(MIRROR, "spec.source.registry", enum=["huggingface"]),
    fact(MIRROR, "spec.source.accessSecret", **{"x-kubernetes-map-type": "atomic"}),
    fact(MIRROR, "spec.storage.storageClassName", type="string"),
    fact(MIRROR, "status.phase", enum=["Pending", "Ready"]),
    fact(MIRROR, "status.lastDownloadTime", type="string", format="date-time"),
    fact(MIRROR, "status.download.speedBytesPerSecond", type="integer", format="int64"),
    fact(MIRROR, "status.download.remainingSeconds", type="integer", format="int64"),
]


@pytest.mark.parametrize(("where", "path", "facts"), FACTS)
def test_a_field_is_what_the_contract_says(where: tuple[str, str], path: str, facts: Schema) -> None:
    node = at(where, path)
    assert node is not None
    limits = {"default", "minimum", "minItems", "maxItems", "enum"}
    assert {key: node.get(key) for key in facts} == facts
    assert set(node) & limits <= set(facts), "has a limit or a default that the contract does not know"
    assert ("type" in node) != (facts | FREE == facts)


REQUIRED = [
    (WORKSPACE, "", None),
    (WORKSPACE, "resource", ["labelSelector"]),
    (WORKSPACE, "resource.labelSelector.matchExpressions[]", ["key", "operator"]),
    (WORKSPACE, "resource.partition", ["mode"]),
    (WORKSPACE, "inference", None),
    (WORKSPACE, "inference.preset", ["name"]),
    (WORKSPACE, "inference.adapters[]", None),
    (WORKSPACE, "tuning", ["input", "output"]),
    (WORKSPACE, "status.conditions[]", ["lastTransitionTime", "message", "reason", "status", "type"]),
    (WORKSPACE, "status.performance.metrics.*", ["description", "value"]),
    (SET, "", ["spec"]),
    (SET, "spec", ["labelSelector", "template"]),
    (SET, "spec.template", ["inference"]),
    (SET, WINDOW, ["schedule"]),
    (ENGINE, "", None),
    (ENGINE, "spec", ["embedding"]),
    (ENGINE, PV, ["persistentVolumeClaim"]),
    (ENGINE, "spec.storage.vectorDB", ["engine", "url"]),
    (ENGINE, "spec.embedding.remote", ["url"]),
    (ENGINE, "spec.embedding.local", None),
    (ENGINE, "spec.inferenceService", ["contextWindowSize"]),
    (ENGINE, "spec.guardrails.configMapRef", ["name"]),
    (OLD["RAGEngine"], "spec.inferenceService", ["contextWindowSize", "url"]),
    (OLD["RAGEngine"], "spec.storage", None),
    (ROLES, "", ["spec"]),
    (ROLES, "spec", ["labelSelector", "model", "roles"]),
    (ROLES, "spec.model", ["name"]),
    (ROLES, "spec.roles[]", ["type"]),
    (MIRROR, "", None),
    (MIRROR, "spec.source", ["modelID", "registry"]),
    (MIRROR, "spec.source.accessSecret", None),
    (MIRROR, "spec.storage", ["size"]),
    (MIRROR, "status.download", ["remainingSeconds", "speedBytesPerSecond"]),
]


@pytest.mark.parametrize(("where", "path", "names"), REQUIRED, ids=[f"{w[0]}.{w[1]}:{p}" for w, p, _ in REQUIRED])
def test_what_is_required(where: tuple[str, str], path: str, names: list[str] | None) -> None:
    node = at(where, path) if path else SCHEMAS[where]
    assert node is not None
    assert node.get("required") == names


def paths(node: Schema, prefix: str = "") -> set[str]:
    """Every path of a schema."""
    found = set()
    for name, child in node.get("properties", {}).items():
        found |= {f"{prefix}{name}"} | paths(child, f"{prefix}{name}.")
    for word, key in (("[]", "items"), ("*", "additionalProperties")):
        if key in node:
            found |= paths(node[key], f"{prefix}{word}.")
    return found


def top(found: set[str]) -> set[str]:
    """The paths that are not below another of them."""
    return {path for path in found if not any(path.startswith(f"{other}.") for other in found)}


@pytest.mark.parametrize(
    ("kind", "newer", "older"),
    [
        (
            "Workspace",
            {
                "resource.partition",
                "inference.preset.presetOptions.modelAccessSecret",
                "tuning.preset.presetOptions.modelAccessSecret",
                "status.state",
                "status.targetNodeCount",
                "status.performance",
            },
            set(),
        ),
        ("InferenceSet", {"spec.template.resource.partition", "status.performance.metrics.*.config"}, set()),
        (
            "RAGEngine",
            {"spec.compute.partition", "spec.guardrails", "spec.storage.vectorDB", "spec.storage.persistentVolume"},
            {
                "spec.queryServiceName",
                "spec.indexServiceName",
                "spec.storage.persistentVolumeClaim",
                "spec.storage.mountPath",
            },
        ),
    ],
)
def test_what_only_one_version_has(kind: str, newer: set[str], older: set[str]) -> None:
    old, new = paths(SCHEMAS[kind, "v1alpha1"]), paths(SCHEMAS[kind, "v1beta1"])
    assert top(new - old) == newer
    assert top(old - new) == older


@pytest.mark.parametrize(("kind", "version"), SCHEMAS)
def test_conditions_are_kept_by_type(kind: str, version: str) -> None:
    node = at((kind, version), "status.conditions")
    assert node is not None
    assert (node["x-kubernetes-list-type"], node["x-kubernetes-list-map-keys"]) == ("map", ["type"])


@pytest.mark.parametrize("kind", ["Workspace", "RAGEngine"])
def test_no_version_has_a_machine_type_by_default(kind: str) -> None:
    """An API server would give it to brought nodes whenever a v1alpha1 client writes; see kaito.api.conversion."""
    for version in ("v1alpha1", "v1beta1"):
        node = at((kind, version), "resource.instanceType" if kind == "Workspace" else "spec.compute.instanceType")
        assert node is not None
        assert "default" not in node


RULES = [
    (
        ROLES,
        "spec.labelSelector",
        "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
        "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "labelSelector must have at least one matchLabels or matchExpressions entry",
    ),
    (
        ROLES,
        "spec.roles",
        "self.exists(r, r.type == 'prefill') && self.exists(r, r.type == 'decode')",
        "exactly one prefill and one decode role required",
    ),
    (
        ROLES,
        "spec.model.name",
        "self == oldSelf",
        "cannot be changed: make another MultiRoleInference for another model",
    ),
    (MIRROR, "spec", "self == oldSelf", "cannot be changed: make another ModelMirror"),
]


@pytest.mark.parametrize(("where", "path", "rule", "message"), RULES)
def test_rules(where: tuple[str, str], path: str, rule: str, message: str) -> None:
    node = at(where, path)
    assert node is not None
    assert node["x-kubernetes-validations"] == [{"rule": rule, "message": message}]


def test_there_are_no_other_rules() -> None:
    assert sum(str(schema).count("x-kubernetes-validations") for schema in SCHEMAS.values()) == len(RULES)
