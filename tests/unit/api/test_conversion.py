"""Conversion by example: what each version shows, who wins, and what is refused."""

import copy
import json
from typing import Any

import pytest

from kaito.api import keys
from kaito.api.conversion import DEFAULT_INSTANCE_TYPE, convert
from kaito.api.errors import SpecError, SpecErrors

Object = dict[str, Any]
SELECTOR = {"matchLabels": {"pool": "a"}}
SLICE = {"mode": "mig", "profile": "1g.10gb"}
DATABASE = {"engine": "qdrant", "url": "http://db:6333"}
LOCAL = {"local": {"modelID": "BAAI/bge-small-en-v1.5"}}
PEAK = {"description": "stress", "value": "100", "config": {"engine": "vllm"}}


def made(kind: str, version: str, annotations: dict[str, str] | None = None, **fields: Any) -> Object:
    metadata: Object = {"name": "demo", "namespace": "team"} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": metadata, **copy.deepcopy(fields)}


def beta(kind: str, **fields: Any) -> Object:
    return made(kind, "v1beta1", **fields)


def alpha(kind: str, **fields: Any) -> Object:
    return made(kind, "v1alpha1", **fields)


def body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}


def kept(obj: Object, name: str = keys.V1BETA1_FIELDS) -> Object:
    text = obj["metadata"].get("annotations", {}).get(name)
    return json.loads(text) if text else {}


def workspace(**resource: Any) -> Object:
    return {"resource": {"labelSelector": SELECTOR, "instanceType": "Standard_NC24ads_A100_v4", **resource}}


def engine(**spec: Any) -> Object:
    return {"spec": {"embedding": LOCAL, **spec}}


def inference_set(metric: Object) -> Object:
    spec = {"labelSelector": SELECTOR, "template": {"inference": {"preset": {"name": "m"}}}}
    return {"spec": spec, "status": {"performance": {"metrics": {"peak": metric}}}}


SHOWN = [
    pytest.param(
        "Workspace",
        workspace(partition=SLICE),
        workspace(),
        {"/resource/partition": SLICE},
        id="a partition",
    ),
    pytest.param(
        "Workspace",
        {"inference": {"preset": {"name": "m", "presetOptions": {"modelAccessSecret": "hf"}}}},
        {"inference": {"preset": {"name": "m"}}},
        {"/inference/preset/presetOptions": {"modelAccessSecret": "hf"}},
        id="a secret that stands alone takes its parent with it",
    ),
    pytest.param(
        "Workspace",
        {"status": {"workerNodes": ["n"], "state": "Ready", "targetNodeCount": 2}},
        {"status": {"workerNodes": ["n"]}},
        {"/status/state": "Ready", "/status/targetNodeCount": 2},
        id="a status",
    ),
    pytest.param(
        "Workspace",
        {"resource": {"labelSelector": SELECTOR}},
        {"resource": {"labelSelector": SELECTOR}},
        {"/resource/instanceType": None},
        id="brought nodes are marked",
    ),
    pytest.param("Workspace", workspace(count=2), workspace(count=2), {}, id="nothing to keep, no annotation"),
    pytest.param(
        "InferenceSet",
        inference_set(PEAK),
        inference_set({"description": "stress", "value": "100"}),
        {"/status/performance/metrics/peak": PEAK},
        id="a measured figure",
    ),
    pytest.param(
        "RAGEngine",
        engine(storage={"persistentVolume": {"persistentVolumeClaim": "index", "mountPath": "/m"}}),
        engine(storage={"persistentVolumeClaim": "index", "mountPath": "/m"}),
        {},
        id="a volume becomes flat",
    ),
    pytest.param(
        "RAGEngine",
        engine(storage={"persistentVolume": {"persistentVolumeClaim": "index"}, "vectorDB": DATABASE}),
        engine(storage={"persistentVolumeClaim": "index"}),
        {"/spec/storage/vectorDB": DATABASE},
        id="a vector database beside a volume",
    ),
    pytest.param(
        "RAGEngine",
        engine(guardrails={"enabled": True}, inferenceService={"contextWindowSize": 1}),
        engine(inferenceService={"contextWindowSize": 1, "url": ""}),
        {"/spec/guardrails": {"enabled": True}, "/spec/inferenceService/url": None},
        id="v1alpha1 requires an address",
    ),
]


@pytest.mark.parametrize(("kind", "stored", "shown", "annotation"), SHOWN)
def test_what_v1alpha1_shows_and_what_it_keeps(kind: str, stored: Object, shown: Object, annotation: Object) -> None:
    found = convert(beta(kind, **stored), "v1alpha1")
    assert body(found) == shown
    assert kept(found) == annotation
    assert convert(found, "v1beta1") == beta(kind, **stored)


LIFTED = [
    pytest.param(
        engine(storage={"persistentVolumeClaim": "index"}),
        engine(storage={"persistentVolume": {"persistentVolumeClaim": "index"}}),
        {},
        id="the volume is not lost",
    ),
    pytest.param(
        engine(storage={"mountPath": "/m"}),
        engine(storage={"persistentVolume": {"persistentVolumeClaim": "", "mountPath": "/m"}}),
        {},
        id="a path alone",
    ),
    pytest.param(
        engine(storage={"persistentVolumeClaim": "", "mountPath": ""}),
        engine(),
        {"/spec/storage": {"persistentVolumeClaim": "", "mountPath": ""}},
        id="empty texts are no volume",
    ),
    pytest.param(
        engine(queryServiceName="q", indexServiceName="i"),
        engine(),
        {"/spec/queryServiceName": "q", "/spec/indexServiceName": "i"},
        id="names of services are kept",
    ),
]


@pytest.mark.parametrize(("written", "stored", "annotation"), LIFTED)
def test_a_v1alpha1_engine_is_stored_with_all_that_it_says(written: Object, stored: Object, annotation: Object) -> None:
    found = convert(alpha("RAGEngine", **written), "v1beta1")
    assert body(found) == stored
    assert kept(found, keys.V1ALPHA1_FIELDS) == annotation
    assert body(convert(found, "v1alpha1")) == written


def written_back(kind: str, stored: Object, change: Any) -> Object:
    """What is stored when a v1alpha1 client reads ``stored``, changes it and writes it."""
    shown = convert(beta(kind, **stored), "v1alpha1")
    change(shown)
    return body(convert(shown, "v1beta1"))


def setting(path: str, value: Any) -> Any:
    """Set the field at a dotted path; None takes it away."""

    def change(obj: Object) -> None:
        *parents, key = path.split(".")
        for part in parents:
            obj = obj[part]
        if value is None:
            del obj[key]
        else:
            obj[key] = value

    return change


PRESET = {"inference": {"preset": {"name": "m", "presetOptions": {"modelAccessSecret": "hf"}}}}
BOTH = engine(storage={"persistentVolume": {"persistentVolumeClaim": "index"}, "vectorDB": DATABASE})
CHANGES = [
    pytest.param(
        "Workspace",
        workspace(partition=SLICE),
        setting("resource.count", 3),
        workspace(partition=SLICE, count=3),
        id="a change elsewhere keeps the field",
    ),
    pytest.param(
        "Workspace", workspace(partition=SLICE), setting("resource", None), {}, id="a removed parent drops the field"
    ),
    pytest.param(
        "Workspace",
        workspace(partition=SLICE),
        setting("metadata.annotations", None),
        workspace(),
        id="a removed annotation drops the field",
    ),
    pytest.param(
        "Workspace",
        PRESET,
        setting("inference.preset.presetOptions", {}),
        PRESET,
        id="an empty parent is as good as none",
    ),
    pytest.param(
        "Workspace",
        PRESET,
        setting("inference.preset.presetOptions", {"image": "i"}),
        {"inference": {"preset": {"name": "m", "presetOptions": {"modelAccessSecret": "hf", "image": "i"}}}},
        id="a parent that came back is completed",
    ),
    pytest.param(
        "InferenceSet",
        inference_set(PEAK),
        setting("status.performance.metrics.peak.value", "200"),
        inference_set({"description": "stress", "value": "200"}),
        id="a new figure was measured otherwise",
    ),
    pytest.param(
        "RAGEngine",
        BOTH,
        setting("spec.storage.persistentVolumeClaim", "other"),
        engine(storage={"persistentVolume": {"persistentVolumeClaim": "other"}, "vectorDB": DATABASE}),
        id="a changed value wins",
    ),
    pytest.param("RAGEngine", BOTH, setting("spec.storage", None), engine(), id="storage removed"),
    pytest.param(
        "RAGEngine",
        engine(inferenceService={"contextWindowSize": 1}),
        setting("spec.inferenceService.url", "http://llm"),
        engine(inferenceService={"contextWindowSize": 1, "url": "http://llm"}),
        id="an address wins over none",
    ),
]


@pytest.mark.parametrize(("kind", "stored", "change", "after"), CHANGES)
def test_a_v1alpha1_client_changes_what_it_sees(kind: str, stored: Object, change: Any, after: Object) -> None:
    assert written_back(kind, stored, change) == after


NEW = {"resource": {"labelSelector": SELECTOR}}
MACHINES = [
    pytest.param(NEW, DEFAULT_INSTANCE_TYPE, "Standard_NC24ads_A100_v4", id="new, nodes provisioned"),
    pytest.param(NEW, None, None, id="new, nodes brought"),
    pytest.param(
        {"resource": {**NEW["resource"], "instanceType": ""}}, DEFAULT_INSTANCE_TYPE, "", id="said to be none"
    ),
    pytest.param({"resource": {**NEW["resource"], "instanceType": "X"}}, DEFAULT_INSTANCE_TYPE, "X", id="named"),
]


@pytest.mark.parametrize(("written", "default", "stored"), MACHINES)
def test_the_machine_type_of_a_new_v1alpha1_object(written: Object, default: str | None, stored: str | None) -> None:
    found = convert(alpha("Workspace", **written), "v1beta1", instance_type=default)
    assert found["resource"].get("instanceType") == stored
    spec = {"spec": {"embedding": LOCAL, "compute": written["resource"]}}
    found = convert(alpha("RAGEngine", **spec), "v1beta1", instance_type=default)
    assert found["spec"]["compute"].get("instanceType") == stored


def test_writing_back_an_object_on_brought_nodes_gives_it_no_machine_type() -> None:
    assert written_back("Workspace", NEW, setting("resource.count", 2)) == {"resource": {**NEW["resource"], "count": 2}}
    named = setting("resource.instanceType", "X")
    assert written_back("Workspace", NEW, named) == {"resource": {**NEW["resource"], "instanceType": "X"}}


def test_an_engine_without_compute_gets_none() -> None:
    assert "compute" not in convert(alpha("RAGEngine", **engine()), "v1beta1")["spec"]


CONDITION = {"type": "InferenceReady", "status": "True"}
REFUSED = [
    pytest.param("{", "is not what was written there: remove the annotation", id="not JSON"),
    pytest.param('["/resource"]', "is not what was written there", id="not a map"),
    pytest.param('{"resource": 1}', "is not what was written there", id="not a pointer"),
    pytest.param(
        json.dumps({"/status": {"conditions": [CONDITION]}}), "changes fields that v1alpha1 has itself", id="conditions"
    ),
    pytest.param('{"/resource/count": 5}', "changes fields that v1alpha1 has itself", id="a field of v1alpha1"),
    pytest.param('{"/future": 5}', "changes fields that v1alpha1 has itself", id="an unknown field"),
    pytest.param('{"/resource/partition": "x"}', "holds resource.partition: 'x' is wrong", id="a wrong type"),
    pytest.param('{"/resource/partition": {}}', "holds resource.partition.mode: is required", id="an incomplete one"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_a_damaged_annotation_is_refused_when_it_is_written(text: str, says: str) -> None:
    obj = alpha("Workspace", annotations={keys.V1BETA1_FIELDS: text}, **NEW)
    with pytest.raises((SpecError, SpecErrors)) as refused:
        convert(obj, "v1beta1")
    assert str(refused.value).startswith(f"metadata.annotations[{keys.V1BETA1_FIELDS}]: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "text", ["{", '{"/spec/queryServiceName": 5}', '{"/spec/embedding": {"remote": {"url": "x"}}}']
)
def test_a_damaged_annotation_does_not_stop_a_reader(text: str) -> None:
    obj = beta("RAGEngine", annotations={keys.V1ALPHA1_FIELDS: text, "team/note": "a"}, **engine())
    shown = convert(obj, "v1alpha1")
    assert shown == alpha("RAGEngine", annotations={"team/note": "a"}, **engine())


@pytest.mark.parametrize(
    ("obj", "version", "says"),
    [
        pytest.param(beta("Box"), "v1alpha1", "kind: 'Box' has no other version", id="unknown kind"),
        pytest.param(beta("Workspace"), "v2", "'kaito.sh/v2' is no version of Workspace: use", id="unknown target"),
        pytest.param(
            made("Workspace", "v3"), "v1beta1", "apiVersion: 'kaito.sh/v3' is no version", id="unknown source"
        ),
        pytest.param(alpha("ModelMirror"), "v1beta1", "kind: 'ModelMirror' has no other version", id="one version"),
    ],
)
def test_what_cannot_be_converted_is_named(obj: Object, version: str, says: str) -> None:
    with pytest.raises(SpecError) as refused:
        convert(obj, version)
    assert says in str(refused.value)
