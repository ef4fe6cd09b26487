"""A manifest of any kind, in any served version, becomes its type."""

from typing import Any

import pytest

from kaito.api.errors import SpecErrors
from kaito.api.kinds import KINDS, decode
from kaito.api.rag_engine import RAGEngine

Object = dict[str, Any]
SELECTOR = {"matchLabels": {"pool": "a"}}
PRESET = {"preset": {"name": "phi-4-mini-instruct"}}
MINIMAL: dict[str, Object] = {
    "Workspace": {"resource": {"labelSelector": SELECTOR}, "inference": PRESET},
    "InferenceSet": {"spec": {"labelSelector": SELECTOR, "template": {"inference": PRESET}}},
    "RAGEngine": {"spec": {"embedding": {"local": {"modelID": "a/b"}}}},
    "MultiRoleInference": {
        "spec": {"labelSelector": SELECTOR, "model": {"name": "m"}, "roles": [{"type": "prefill"}, {"type": "decode"}]}
    },
    "ModelMirror": {"spec": {"mode": "Static"}},
}


def manifest(kind: str, version: str, **fields: Any) -> Object:
    return {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": {"name": "demo"}, **MINIMAL[kind], **fields}


SERVED = [(kind, version) for kind, info in KINDS.items() for version in info.versions]


@pytest.mark.parametrize(("kind", "version"), SERVED)
def test_each_served_version_decodes_to_the_stored_one(kind: str, version: str) -> None:
    found = decode(manifest(kind, version))
    assert isinstance(found, KINDS[kind].model)
    assert found.api_version == f"kaito.sh/{KINDS[kind].stored}"
    assert decode(found.encode()) == found


def test_an_older_volume_is_found_where_it_is_now() -> None:
    spec = {"embedding": {"local": {"modelID": "a/b"}}, "storage": {"persistentVolumeClaim": "index"}}
    engine = decode(manifest("RAGEngine", "v1alpha1", spec=spec))
    assert isinstance(engine, RAGEngine)
    assert engine.spec is not None
    assert engine.spec.storage is not None
    assert engine.spec.storage.persistent_volume is not None
    assert engine.spec.storage.persistent_volume.persistent_volume_claim == "index"


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        pytest.param(
            {"kind": "Pod", "apiVersion": "v1"}, "kind: 'Pod' is no kind of kaito.sh: use Workspace,", id="kind"
        ),
        pytest.param({}, "kind: is no kind of kaito.sh", id="nothing"),
        pytest.param(
            manifest("ModelMirror", "v1beta1"),
            "apiVersion: 'kaito.sh/v1beta1' is no version of ModelMirror: use kaito.sh/v1alpha1",
            id="version",
        ),
        pytest.param(
            manifest("Workspace", "v1alpha1", inferense={}),
            "inferense: is not a field of this API; did you mean 'inference'?",
            id="a typing error in an older version",
        ),
        pytest.param(
            manifest("RAGEngine", "v1beta1", spec={}), "spec.embedding: is required: set it", id="a required field"
        ),
    ],
)
def test_an_error_names_the_field(obj: Object, says: str) -> None:
    with pytest.raises(SpecErrors) as refused:
        decode(obj)
    assert str(refused.value).startswith(says)


def test_a_mirror_has_no_namespace() -> None:
    assert decode(manifest("ModelMirror", "v1alpha1")).namespace == ""
    assert decode(manifest("InferenceSet", "v1beta1")).namespace == "default"
