"""Conversion by example: what each version shows, who wins, and what is refused."""

from typing import Any

import pytest

from kaito.api import keys
from kaito.api.conversion import DEFAULT_INSTANCE_TYPE, convert
from tests.unit.api.converted import (
    DATABASE,
    LOCAL,
    PEAK,
    SELECTOR,
    SLICE,
    Object,
    alpha,
    beta,
    body,
    engine,
    kept,
    workspace,
)


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
