"""What the types, the rules, the schemas and the conversion say of one object agrees."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kaito.api import keys, kinds
from kaito.api.base import Kind
from kaito.api.conversion import convert
from kaito.api.errors import SpecError, SpecErrors
from kaito.api.kinds import KINDS
from kaito.api.shape_errors import shape_errors
from kaito.api.validation import AdmissionFacts, validate_create, validate_update, warnings
from kaito.api.workspace import Workspace
from tests.fuzz.manifests import SERVED, WHOLE, any_of, spoilt
from tests.fuzz.reviews import facts
from tests.fuzz.schemas import complaints, stored
from tests.fuzz.tally import TALLY, cases

Object = dict[str, Any]
each_kind = pytest.mark.parametrize("kind", KINDS)
CONVERTED = [(kind, version) for kind, version in SERVED if len(KINDS[kind].versions) > 1]
pytestmark = pytest.mark.timeout(3600)


def decoded(obj: Object, *, strict: bool = True) -> Kind | None:
    """The typed object; None when it is refused, which must be for a reason that names a field."""
    try:
        return kinds.decode(obj, strict=strict)
    except SpecErrors as exc:
        assert exc.errors
        assert all(error.field and error.fix for error in exc.errors)
        return None


@each_kind
@cases(60)
@given(data=st.data())
def test_what_is_decoded_stays_what_it_is(kind: str, data: st.DataObject) -> None:
    obj = data.draw(any_of(kind))
    before = repr(obj)
    with TALLY.case(f"a {kind} is decoded and encoded", obj):
        found = decoded(obj)
        decoded(obj, strict=False)
        if found is not None:
            encoded = found.encode()
            again = decoded(encoded)
            assert again is not None  # and where a null stood, it has the default now
            assert decoded(again.encode()) == again
            assert complaints({key: value for key, value in encoded.items() if key != "status"}) == []
    assert repr(obj) == before


@cases(150)
@given(obj=any_of("Workspace"), later=any_of("Workspace"), known=facts())
def test_a_workspace_that_is_accepted_stays_accepted(obj: Object, later: Object, known: AdmissionFacts) -> None:
    first, second = decoded(obj), decoded(later)
    assume(isinstance(first, Workspace))
    assert isinstance(first, Workspace)
    with TALLY.case("a Workspace is validated", obj):
        found = validate_create(first, known)
    assert [str(one) for one in validate_create(first, known)] == [str(one) for one in found]
    assert validate_update(first, first, known) == []
    assert all(isinstance(one, str) for one in warnings(first, known))
    if isinstance(second, Workspace):
        with TALLY.case("a change of a Workspace is validated", later):
            changed = validate_update(second, first, known)
        assert all(one.field and one.fix for one in changed)
        going = second.metadata | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
        assert validate_update(first, second.model_copy(update={"metadata": going}), known) == []


def without_kept(obj: Object) -> Object:
    """Without the annotations in which conversion keeps the way back."""
    metadata = dict(obj.get("metadata") or {})
    ours = (keys.V1ALPHA1_FIELDS, keys.V1BETA1_FIELDS)
    annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key not in ours}
    return {**obj, "metadata": metadata | ({"annotations": annotations} if annotations else {})}


@pytest.mark.parametrize(("kind", "version"), CONVERTED)
@cases(50)
@given(data=st.data())
def test_nothing_that_a_server_stores_is_lost_on_the_way_there_and_back(
    kind: str, version: str, data: st.DataObject
) -> None:
    whole = WHOLE[kind, version].map(lambda obj: {**obj, "apiVersion": f"kaito.sh/{version}"})
    drawn = data.draw(st.one_of(whole, spoilt(whole), spoilt(whole)))
    assume(drawn.get("kind") == kind and drawn.get("apiVersion") == f"kaito.sh/{version}")
    assume(not list(shape_errors(drawn)))
    obj = stored(without_kept(drawn))
    assume(obj is not None)
    assert obj is not None
    other = "v1alpha1" if version == "v1beta1" else "v1beta1"
    before = copy.deepcopy(obj)
    with TALLY.case(f"a {kind} goes from {version} and back", obj):
        back = convert(convert(obj, other, instance_type=None), version, instance_type=None)
    assert without_kept(back) == without_kept(before)
    assert obj == before


@pytest.mark.parametrize(("kind", "version"), SERVED)
@cases(40)
@given(data=st.data())
def test_conversion_of_anything_ends_in_an_object_or_words(kind: str, version: str, data: st.DataObject) -> None:
    obj = data.draw(spoilt(WHOLE[kind, version]))
    wanted = data.draw(st.sampled_from(["v1alpha1", "v1beta1"]))
    machine = data.draw(st.sampled_from([None, "Standard_NC6s_v3"]))
    with TALLY.case(f"a spoilt {kind} of {version} is converted", obj):
        try:
            found = convert(obj, wanted, instance_type=machine)
        except (SpecError, SpecErrors) as exc:
            assert ": " in str(exc)
        else:
            assert found["apiVersion"] == f"kaito.sh/{wanted}"
