"""Table rows for kinds whose rules are asked as an API server asks: a request in, the refusal out."""

import copy
from typing import Any, NamedTuple

import pytest

from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts
from kaito.controllers.judges import judge

Object = dict[str, Any]


class Write(NamedTuple):
    """Refused at exactly ``field`` with a sentence that has ``says``; accepted when field is None."""

    old: Object | None
    new: Object
    field: str | None
    says: str
    facts: AdmissionFacts


def deep(base: Object, changes: Object) -> Object:
    """``base`` with ``changes`` put in at every depth; what is None there is left out."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = deep(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def refused(id: str, new: Object, field: str, says: str, facts: AdmissionFacts = NOTHING_KNOWN) -> Any:
    return pytest.param(Write(None, new, field, says, facts), id=id)


def accepted(id: str, new: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> Any:
    return pytest.param(Write(None, new, None, "", facts), id=id)


def change_refused(
    id: str, old: Object, new: Object, field: str, says: str, facts: AdmissionFacts = NOTHING_KNOWN
) -> Any:
    return pytest.param(Write(old, new, field, says, facts), id=id)


def change_accepted(id: str, old: Object, new: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> Any:
    return pytest.param(Write(old, new, None, "", facts), id=id)


def request(new: Object, old: Object | None = None, **more: Any) -> Object:
    return {"uid": "u", "operation": "UPDATE" if old else "CREATE", "object": new, "oldObject": old, **more}


def check(case: Write) -> None:
    found = judge(case.new["kind"], request(case.new, case.old), case.facts).refusal
    if case.field is None:
        assert found is None
        return
    said, _, reasons = (found or "").partition("failed: ")
    assert said in ("validation ", "decoding request "), found
    assert [line.partition(": ")[0] for line in reasons.splitlines()] == [case.field], found
    assert case.says in reasons
