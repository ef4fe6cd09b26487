"""What conversion refuses, and what it passes over so that everybody can read."""

import json

import pytest

from kaito.api import keys
from kaito.api.conversion import ANNOTATIONS_LIMIT, convert
from kaito.api.errors import SpecError, SpecErrors
from tests.unit.api.converted import (
    DATABASE,
    SELECTOR,
    Object,
    alpha,
    beta,
    engine,
    kept,
    made,
)

NEW = {"resource": {"labelSelector": SELECTOR}}
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


@pytest.mark.parametrize("length", [ANNOTATIONS_LIMIT // 2, ANNOTATIONS_LIMIT])
def test_what_is_too_long_for_an_annotation_keeps_nobody_from_reading(length: int) -> None:
    stored = engine(
        storage={"vectorDB": {**DATABASE, "url": "\N{EURO SIGN}" * (length // 3)}}, guardrails={"enabled": True}
    )
    shown = convert(beta("RAGEngine", annotations={"team/note": "x" * (ANNOTATIONS_LIMIT // 3)}, **stored), "v1alpha1")
    sizes = [len(key.encode()) + len(value.encode()) for key, value in shown["metadata"]["annotations"].items()]
    assert sum(sizes) <= ANNOTATIONS_LIMIT
    assert kept(shown)["/spec/guardrails"] == {"enabled": True}
    assert ("/spec/storage" in kept(shown)) is (length < ANNOTATIONS_LIMIT)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"/spec/storage": ' + '{"a":' * 900 + "1" + "}" * 901])
def test_a_deep_annotation_does_not_stop_a_reader(text: str) -> None:
    obj = beta("RAGEngine", annotations={keys.V1ALPHA1_FIELDS: text}, **engine())
    assert convert(obj, "v1alpha1") == alpha("RAGEngine", **engine())
