"""What the webhook says to one write of a Workspace: a refusal with every reason at once, or warnings.

Status writes, objects that are being deleted and changes that leave the spec as it was are never refused: their author
cannot repair them, and a refusal would keep the truth out of the status or the object from going.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kaito.api import kinds
from kaito.api.errors import SpecError, SpecErrors
from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts, validate_create, validate_update, warnings
from kaito.api.workspace import Workspace

Object = Mapping[str, Any]
MAX_WARNING: Final = 256
"""Characters of one warning that every client shows; API servers cut longer ones when there are many."""
_OWN_PARTS: Final = ("apiVersion", "kind", "metadata", "status")


@dataclass(frozen=True)
class Judgement:
    """``refusal`` is None when the write may pass."""

    refusal: str | None = None
    warnings: Sequence[str] = ()


def is_judged(request: Object) -> bool:
    """Whether an AdmissionRequest is a write that rules apply to."""
    obj, old = request.get("object"), request.get("oldObject")
    if request.get("operation") not in ("CREATE", "UPDATE") or request.get("subResource") or not obj:
        return False
    if (obj.get("metadata") or {}).get("deletionTimestamp"):
        return False
    return not old or _spec(obj) != _spec(old)


def judge(request: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> Judgement:
    """The answer to an AdmissionRequest."""
    if not is_judged(request):
        return Judgement()
    obj, old_obj = request["object"], request.get("oldObject")
    try:
        new = _decoded(obj)
    except SpecErrors as exc:
        return Judgement(f"decoding request failed: {exc}")
    version = str(obj.get("apiVersion", "")).rpartition("/")[2]
    try:
        # What an older release stored may have fields of its own; that is no fault of this change.
        old = _decoded(old_obj, strict=False) if old_obj else None
        found: Sequence[SpecError] = validate_create(new, facts) if old is None else validate_update(old, new, facts)
    except SpecErrors as exc:
        return Judgement(f"validation failed: {exc}")
    if found:
        return Judgement(f"validation failed: {SpecErrors(found)}")
    return Judgement(None, [_cut(one) for one in warnings(new, facts, old=old, version=version)])


def _decoded(obj: Object, *, strict: bool = True) -> Workspace:
    """In the stored version, whichever it was written in. Raises SpecErrors."""
    found = kinds.decode({"kind": "Workspace"} | dict(obj), strict=strict)
    assert isinstance(found, Workspace)
    return found


def _spec(obj: Object) -> object:
    """What rules look at: everything but the status and the metadata that others keep."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return {key: value for key, value in obj.items() if key not in _OWN_PARTS}, annotations


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 3] + "..."
