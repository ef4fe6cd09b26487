"""IS rules; ids carry the row of the v0.12 contract (section 10.11)."""

from typing import Any

import pytest

from kaito.api.children import replica_of
from kaito.api.inference_set import InferenceSet
from kaito.api.validation import AdmissionFacts, validate_create
from kaito.controllers.judges import judge
from tests.unit.api.rules.objects import LABELS, byo, gpu_node, nap
from tests.unit.api.rules.writes import (
    Object,
    Write,
    accepted,
    change_accepted,
    change_refused,
    check,
    deep,
    refused,
    request,
)

SCHEDULE = "spec.autoUpgrade.maintenanceWindow.schedule"
DURATION = "spec.autoUpgrade.maintenanceWindow.duration"
INSTANCE_TYPE = "spec.template.resource.instanceType"
A100 = {"instanceType": "Standard_NC24ads_A100_v4"}
KARPENTER = nap(provisioner="karpenter")
GOOD: Object = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "InferenceSet",
    "metadata": {"name": "chat", "namespace": "team"},
    "spec": {
        "replicas": 2,
        "labelSelector": LABELS,
        "template": {"inference": {"preset": {"name": "kaito-demo"}}},
    },
}


def made(name: str = "chat", **spec: Any) -> Object:
    """A good set with parts of its spec replaced."""
    return deep(GOOD, {"metadata": {"name": name}, "spec": spec})


def of(**template: Any) -> Object:
    return made(template=template)


def window(schedule: str, duration: str | None = None) -> Object:
    opens = {"schedule": schedule} | ({"duration": duration} if duration is not None else {})
    return made(autoUpgrade={"enabled": True, "maintenanceWindow": opens})


def old(obj: Object) -> Object:
    return obj | {"apiVersion": "kaito.sh/v1alpha1"}


BAD_MODEL = of(inference={"preset": {"name": "a/b/c"}})
PARTITION = {"mode": "accelerator", "count": 2}
GONE = AdmissionFacts(config_maps={("team", "mine"): None})
ONE = {"spec": {"replicas": 1}}
CONFIGURED = of(inference={"config": "mine"})
EXISTS = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}


@pytest.mark.parametrize(
    "case",
    [
        accepted("IS1-a-good-set", GOOD),
        refused("IS1-upper-case", made("Chat"), "metadata.name", "lower-case"),
        refused("IS1-dot", made("a.b"), "metadata.name", "lower-case"),
        refused("IS1-64-characters", made("x" * 64), "metadata.name", "keep to 63"),
        accepted("ODDITY-IS1-63-characters-are-cut-in-names-of-replicas", made("x" * 63)),
        refused("IS2-negative", made(replicas=-1), "spec.replicas", "greater than or equal to 0"),
        accepted("IS2-zero", made(replicas=0)),
        refused("IS3-brought-nodes", of(resource=A100), INSTANCE_TYPE, "nodes are brought", byo()),
        accepted("IS3-local-takes-one", of(resource=A100), AdmissionFacts(provisioner="local")),
        accepted("IS3-unknown-provisioner-takes-one", of(resource=A100)),
        refused("IS4-karpenter", GOOD, INSTANCE_TYPE, "is required", KARPENTER),
        refused("IS4-azure-gpu-provisioner", GOOD, INSTANCE_TYPE, "is required", nap()),
        accepted("IS4-local-takes-none", GOOD, AdmissionFacts(provisioner="local")),
        accepted("IS4-unknown-provisioner-takes-none", GOOD),
        refused("IS5-empty-schedule", window("", "0s"), SCHEDULE, "is required: write when"),
        refused("IS5-no-schedule", made(autoUpgrade={"maintenanceWindow": {}}), SCHEDULE, "is required"),
        refused("IS6-six-fields", window("0 30 1 * * 0"), SCHEDULE, "has 6 fields"),
        refused("IS6-hour-24", window("0 24 * * *"), SCHEDULE, "from 0 to 23"),
        refused("IS6-zone", window("TZ=UTC 0 2 * * *"), SCHEDULE, "names a time zone"),
        refused("IS6-every", window("@every 1h"), SCHEDULE, "use @yearly"),
        refused("IS6-never", window("0 0 30 2 *"), SCHEDULE, "never comes"),
        accepted("IS6-descriptor", window("@daily", "1h30m")),
        accepted("IS6-five-fields", window("30 1 * * 0", "3h")),
        refused("IS7-zero", window("@daily", "0s"), DURATION, "must be more than 0"),
        refused("IS7-negative", window("@daily", "-4h"), DURATION, "must be more than 0"),
        refused("IS7-days", window("@daily", "1d"), DURATION, "write it as 4h"),
        refused("IS7-empty", window("@daily", ""), DURATION, "write it as 4h"),
        refused("IS9-model", BAD_MODEL, "spec.template.inference.preset.name", "Hugging Face id"),
        refused("IS9-selector", made(labelSelector=EXISTS), "spec.labelSelector.matchExpressions[0].operator", "In"),
        refused(
            "IS9-machine-type", of(resource={"instanceType": "Standard_X"}), INSTANCE_TYPE, "no GPU machine type", nap()
        ),
        refused(
            "IS9-annotation",
            of(metadata={"annotations": {"kaito.sh/performance-mode": "fast"}}),
            'spec.template.metadata.annotations["kaito.sh/performance-mode"]',
            "'balanced'",
        ),
        refused("IS9-config", CONFIGURED, "spec.template.inference.config", "is no ConfigMap in namespace team", GONE),
        refused(
            "IS9-partition",
            of(resource={**A100, "partition": PARTITION}),
            "spec.template.resource.partition",
            "needs nodes that their owner brings",
            nap(),
        ),
        refused("IS9-no-node", GOOD, "spec.labelSelector", "", byo(gpu_node("n", apps="other"))),
        refused("IS9-labels-no-map", of(metadata={"labels": ["a"]}), "spec.template.metadata.labels", "is not a map"),
        refused(
            "IS9-label-no-text", of(metadata={"labels": {"a": 1}}), 'spec.template.metadata.labels["a"]', "in quotes"
        ),
        refused("IS9-label-value", of(metadata={"labels": {"a": "b c"}}), 'spec.template.metadata.labels["a"]', "63"),
        refused("ODDITY-IS9-v1alpha1-too", old(BAD_MODEL), "spec.template.inference.preset.name", "Hugging Face id"),
    ],
)
def test_a_new_set(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "case",
    [
        change_accepted("IS1-a-stored-name-is-not-judged", made("a.b"), made("a.b", replicas=3)),
        change_refused("IS3-added", GOOD, of(resource=A100), INSTANCE_TYPE, "nodes are brought", byo()),
        change_accepted("IS3-was-there", of(resource=A100), deep(of(resource=A100), {"spec": {"replicas": 3}}), byo()),
        change_refused("IS4-removed", of(resource=A100), GOOD, INSTANCE_TYPE, "is required", nap()),
        change_accepted("IS4-was-absent", GOOD, made(replicas=3), nap()),
        change_refused("IS5-changed", GOOD, window(""), SCHEDULE, "is required"),
        change_refused("IS6-changed", window("@daily"), window("daily"), SCHEDULE, "has 1 fields"),
        change_refused("IS7-changed", window("@daily"), window("@daily", "0s"), DURATION, "must be more than 0"),
        change_accepted("IS6-unchanged", window("daily"), deep(window("daily"), {"spec": {"replicas": 3}})),
        change_refused(
            "ODDITY-IS8-one-path",
            GOOD,
            of(resource={"partition": PARTITION}),
            "spec.template.resource.partition",
            "cannot be changed: make a new InferenceSet",
        ),
        change_refused(
            "IS8-removed", of(resource={"partition": PARTITION}), GOOD, "spec.template.resource.partition", "cannot"
        ),
        change_refused(
            "IS8-v1alpha1-too",
            of(resource={"partition": PARTITION}),
            old(GOOD),
            "spec.template.resource.partition",
            "cannot be changed",
        ),
        change_refused("IS9-template-changed", GOOD, BAD_MODEL, "spec.template.inference.preset.name", "Hugging"),
        change_accepted("IS9-another-model", GOOD, of(inference={"preset": {"name": "phi-4-mini-instruct"}})),
        change_refused(
            "IS9-selector-changed", GOOD, made(labelSelector={"matchLabels": {"apps": "b"}}), "spec.labelSelector", "",
            byo(gpu_node("n")),
        ),
        change_refused(
            "IS9-runtime-changed",
            CONFIGURED | {"metadata": {**GOOD["metadata"], "annotations": {"kaito.sh/runtime": "transformers"}}},
            CONFIGURED,
            "spec.template.inference.config",
            "is no ConfigMap",
            GONE,
        ),
        change_accepted("ODDITY-IS9-scaled", BAD_MODEL, deep(BAD_MODEL, {"spec": {"replicas": 5}})),
        change_accepted("ODDITY-IS9-a-config-map-is-gone", CONFIGURED, deep(CONFIGURED, ONE), GONE),
        change_accepted("ODDITY-IS9-nodes-are-gone", GOOD, made(replicas=1), byo(gpu_node("n", apps="other"))),
        change_accepted("ODDITY-IS9-a-broken-set-is-put-right", BAD_MODEL, GOOD),
    ],
)  # fmt: skip
def test_a_change(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"subResource": "scale"}, id="scale"),
        pytest.param({"subResource": "status"}, id="status"),
        pytest.param({"object": deep(BAD_MODEL, {"metadata": {"finalizers": ["x"]}})}, id="finalizers"),
        pytest.param({"object": deep(BAD_MODEL, {"metadata": {"deletionTimestamp": "t"}, "spec": {"replicas": -1}})},
                     id="on-its-way-out"),
    ],
)  # fmt: skip
def test_oddity_is9_other_writes_are_not_judged(more: Object) -> None:
    assert judge("InferenceSet", request(deep(BAD_MODEL, {"spec": {"replicas": 9}}), BAD_MODEL, **more)).refusal is None


@pytest.mark.parametrize("name", ["chat", "x" * 63, "a" * 45 + "-b"], ids=["short", "longest", "cut-at-a-dash"])
def test_oddity_is1_a_replica_can_be_made_under_any_name(name: str) -> None:
    replica = replica_of(InferenceSet.decode(made(name)), brought=False)
    generated = replica.model_copy(update={"metadata": {"name": f"{replica.metadata['generateName']}x7k2m"}})
    assert validate_create(generated) == []
    assert replica.metadata["labels"]["inferenceset.kaito.sh/created-by"] == name


@pytest.mark.parametrize(
    ("own", "template", "runtime"),
    [
        pytest.param({}, {}, None, id="none"),
        pytest.param({"kaito.sh/runtime": "transformers"}, {}, "transformers", id="the-set's"),
        pytest.param({"kaito.sh/runtime": "a"}, {"kaito.sh/runtime": "vllm"}, "vllm", id="the-template's-first"),
    ],
)
def test_oddity_the_runtime_is_handed_to_replicas(own: Object, template: Object, runtime: str | None) -> None:
    obj = deep(of(metadata={"annotations": template}), {"metadata": {"annotations": own}})
    replica = replica_of(InferenceSet.decode(obj), brought=False)
    assert replica.annotations.get("kaito.sh/runtime") == runtime


def test_what_replicas_have_of_their_set() -> None:
    marks = {"kaito.sh/disable-benchmark": "true", "other": "x"}
    labels = {"kaito.sh/inference-role": "decode", "other": "x"}
    obj = deep(of(resource={**A100, "partition": PARTITION}, metadata={"labels": {"a": "b"}, "finalizers": ["x"]}),
               {"metadata": {"annotations": marks, "labels": labels}})  # fmt: skip
    replica = replica_of(InferenceSet.decode(obj), brought=True)
    assert replica.metadata == {
        "generateName": "chat-",
        "namespace": "team",
        "labels": {"a": "b", "kaito.sh/inference-role": "decode", "inferenceset.kaito.sh/created-by": "chat"},
        "annotations": {"kaito.sh/disable-benchmark": "true"},
    }
    assert replica.encode()["resource"] == {"labelSelector": LABELS, "count": 1, "partition": PARTITION}


def test_warnings_name_the_fields_of_the_set() -> None:
    obj = of(inference={"preset": {"accessMode": "private"}})
    said = judge("InferenceSet", request(old(obj))).warnings
    assert [one.partition(": ")[0] for one in said] == ["apiVersion", "spec.template.inference.preset.accessMode"]
    assert judge("InferenceSet", request(deep(obj, {"spec": {"replicas": 3}}), obj)).warnings == []
