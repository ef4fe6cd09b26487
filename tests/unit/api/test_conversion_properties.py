"""Whatever the API server accepts goes to the other version and comes back as it was."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaito.api import keys
from kaito.api.conversion import DEFAULT_INSTANCE_TYPE, convert
from kaito.api.kinds import KINDS
from kaito.api.schemas import object_schema, v1alpha1_schema
from tests.unit.api.generated import objects

Object = dict[str, Any]
CONVERTED = sorted(kind for kind, info in KINDS.items() if len(info.versions) > 1)
BETA = {kind: objects(object_schema(KINDS[kind].model), kind, "v1beta1") for kind in CONVERTED}
ALPHA = {kind: objects(v1alpha1_schema(KINDS[kind].model), kind, "v1alpha1") for kind in CONVERTED}
each_kind = pytest.mark.parametrize("kind", CONVERTED)
machines = st.sampled_from([None, DEFAULT_INSTANCE_TYPE])
many = settings(max_examples=150, deadline=None)


def plain(obj: Object) -> Object:
    """Without the annotations that conversion makes for the way back."""
    annotations = {k: v for k, v in obj["metadata"].get("annotations", {}).items() if not k.endswith("-fields")}
    metadata = {**obj["metadata"], "annotations": annotations}
    return {**obj, "metadata": metadata if annotations else {k: v for k, v in metadata.items() if k != "annotations"}}


@each_kind
@many
@given(data=st.data())
def test_a_stored_object_read_and_written_in_v1alpha1_is_the_same(kind: str, data: st.DataObject) -> None:
    beta = data.draw(BETA[kind])
    shown = convert(beta, "v1alpha1")
    assert convert(shown, "v1beta1", instance_type=data.draw(machines)) == beta


@each_kind
@many
@given(data=st.data())
def test_a_v1alpha1_object_reads_back_as_it_was_written(kind: str, data: st.DataObject) -> None:
    alpha = data.draw(ALPHA[kind])
    stored = convert(alpha, "v1beta1", instance_type=None)
    assert plain(convert(stored, "v1alpha1")) == alpha


@each_kind
@many
@given(data=st.data())
def test_reading_and_writing_in_v1alpha1_settles_at_once(kind: str, data: st.DataObject) -> None:
    stored = convert(data.draw(ALPHA[kind]), "v1beta1", instance_type=data.draw(machines))
    again = convert(convert(stored, "v1alpha1"), "v1beta1", instance_type=data.draw(machines))
    assert again == stored


@each_kind
@many
@given(data=st.data())
def test_only_annotations_of_the_metadata_change(kind: str, data: st.DataObject) -> None:
    beta = data.draw(BETA[kind])
    before = repr(beta)
    shown = convert(beta, "v1alpha1")
    assert {k: v for k, v in shown["metadata"].items() if k != "annotations"} == {
        "name": "demo",
        "namespace": "team",
        "uid": "1",
    }
    assert set(shown["metadata"].get("annotations", {})) <= {"team/note", keys.V1BETA1_FIELDS}
    assert repr(beta) == before
