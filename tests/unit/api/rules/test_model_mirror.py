"""MM rules; ids carry the row of the v0.12 contract (section 10.14)."""

from typing import Any

import pytest

from kaito.api.validation import AdmissionFacts
from kaito.controllers.judges import judge
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

MODEL_ID = "spec.source.modelID"
SIZE = "spec.storage.size"
CLASS = "spec.storage.storageClassName"
THERE, GONE = (AdmissionFacts(storage_classes={"fast": found}) for found in (True, False))
GOOD: Object = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "ModelMirror",
    "metadata": {"name": "coder"},
    "spec": {
        "source": {"registry": "huggingface", "modelID": "Qwen/Qwen2.5-Coder-32B-Instruct"},
        "storage": {"size": "220Gi", "storageClassName": "fast"},
        "jobNamespace": "team",
    },
}
STATIC = GOOD | {"spec": {"mode": "Static"}}


def made(**spec: Any) -> Object:
    return deep(GOOD, {"spec": spec})


def source(**fields: Any) -> Object:
    return made(source=fields)


def storage(**fields: Any) -> Object:
    return made(storage=fields)


BROKEN = storage(size="lots")


@pytest.mark.parametrize(
    "case",
    [
        accepted("MM2-a-static-mirror", STATIC),
        refused("MM2-source", deep(STATIC, {"spec": {"source": GOOD["spec"]["source"]}}), "spec.source", "Static"),
        refused("MM3-storage", deep(STATIC, {"spec": {"storage": {"size": "1Gi"}}}), "spec.storage", "Static"),
        accepted("MM4-a-managed-mirror", GOOD),
        refused("MM4-no-source", made(source=None), "spec.source", "is required"),
        refused("MM4-no-source-of-managed", made(source=None, mode="Managed"), "spec.source", "is required"),
        refused("MM5-no-registry", source(registry=None), "spec.source.registry", "is required"),
        refused("MM5-empty-registry", source(registry=""), "spec.source.registry", "use 'huggingface'"),
        refused("MM5-other-registry", source(registry="ollama"), "spec.source.registry", "use 'huggingface'"),
        refused("MM6-empty", source(modelID=""), MODEL_ID, "is required"),
        refused("MM6-absent", source(modelID=None), MODEL_ID, "is required"),
        refused("MM6-no-organisation", source(modelID="phi-4"), MODEL_ID, "org/model"),
        refused("MM6-three-parts", source(modelID="a/b/c"), MODEL_ID, "org/model"),
        refused("MM7-no-storage", made(storage=None), "spec.storage", "is required"),
        refused("MM8-empty", storage(size=""), SIZE, "is required"),
        refused("MM8-absent", storage(size=None), SIZE, "is required"),
        refused("MM8-no-quantity", storage(size="220 GB"), SIZE, "is no quantity"),
        refused("MM8-zero", storage(size="0"), SIZE, "more than 0"),
        refused("MM8-negative", storage(size="-1Gi"), SIZE, "more than 0"),
        accepted("MM8-fraction", storage(size="1.5Ti")),
        refused("MM9-empty", storage(storageClassName=""), CLASS, "is required"),
        refused("MM9-absent", storage(storageClassName=None), CLASS, "is required"),
        refused("MM9-no-name", storage(storageClassName="Fast class"), CLASS, "kubectl get storageclass"),
        refused("MM9-not-found", GOOD, CLASS, "no StorageClass of this cluster", GONE),
        accepted("MM9-found", GOOD, THERE),
        accepted("MM9-cannot-be-read", GOOD),
        refused("ODDITY-MM-job-namespace", made(jobNamespace=None), "spec.jobNamespace", "is required"),
        refused("ODDITY-MM-empty-job-namespace", made(jobNamespace=""), "spec.jobNamespace", "is required"),
        refused(
            "ODDITY-MM-wrong-job-namespace", made(jobNamespace="Team"), "spec.jobNamespace", "cannot be a namespace"
        ),
        refused(
            "ODDITY-MM-secret-in-another-namespace",
            source(accessSecret={"name": "hf", "namespace": "other"}),
            "spec.source.accessSecret.namespace",
            "is not team, where the download reads the Secret",
        ),
        refused("ODDITY-MM-secret-without-name", source(accessSecret={}), "spec.source.accessSecret.name", "HF_TOKEN"),
        accepted("ODDITY-MM-secret-in-the-same-namespace", source(accessSecret={"name": "hf", "namespace": "team"})),
        accepted("ODDITY-MM-secret-without-namespace", source(accessSecret={"name": "hf"})),
    ],
)
def test_a_new_mirror(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("MM1-size", GOOD, storage(size="300Gi"), "spec", "cannot be changed"),
        change_refused("MM1-spec-removed", GOOD, deep(GOOD, {"spec": None}), "spec", "cannot be changed"),
        change_refused("MM1-mode", GOOD, STATIC, "spec", "cannot be changed"),
        change_refused("MM1-service-account", GOOD, made(serviceAccountName="a"), "spec", "make another ModelMirror"),
        change_accepted("MM1-the-default-mode-is-no-change", GOOD, made(mode="Managed")),
        change_accepted(
            "MM1-what-is-stored-is-not-judged", BROKEN, deep(BROKEN, {"metadata": {"annotations": {"a": "b"}}})
        ),
        change_accepted("MM9-gone-since", GOOD, deep(GOOD, {"metadata": {"annotations": {"a": "b"}}}), GONE),
    ],
)
def test_a_change(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"subResource": "status"}, id="status"),
        pytest.param({"object": deep(BROKEN, {"metadata": {"finalizers": []}})}, id="finalizers"),
    ],
)
def test_oddity_mm_other_writes_are_not_judged(more: Object) -> None:
    assert judge("ModelMirror", request(deep(BROKEN, {"spec": {"mode": "Static"}}), BROKEN, **more)).refusal is None
