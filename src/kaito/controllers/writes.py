"""What the webhook says to one write of an object: a refusal with every reason at once, or warnings.

Status writes, objects that are being deleted and changes that leave the spec as it was are never refused: their author
cannot repair them, and a refusal would keep the truth out of the status or the object from going.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from kaito.api import kinds
from kaito.api.base import Kind
from kaito.api.conversion import DEFAULT_INSTANCE_TYPE
from kaito.api.errors import SpecError, SpecErrors
from kaito.api.shapes import part
from kaito.api.validation import NOTHING_KNOWN, RULES, AdmissionFacts

Object = Mapping[str, Any]
MAX_WARNING: Final = 256
"""Characters of one warning that every client shows; API servers cut longer ones when there are many."""
DECODING: Final = "decoding request"
VALIDATION: Final = "validation"
_OWN_PARTS: Final = ("apiVersion", "kind", "metadata", "status")
_OLD_VERSION: Final = "apiVersion: kaito.sh/v1alpha1 is deprecated: use kaito.sh/v1beta1"
_WARNED: Final = ("Workspace", "InferenceSet")
"""Kinds whose definition does not warn of v1alpha1 itself."""


@dataclass(frozen=True)
class Judgement:
    """``refusal`` is None when the write may pass; ``errors`` are its reasons one by one."""

    refusal: str | None = None
    warnings: Sequence[str] = ()
    errors: Sequence[SpecError] = ()

    @classmethod
    def refused(cls, failed: str, errors: Sequence[SpecError]) -> Self:
        """A refusal for all of ``errors``, in the words of v0.12: ``failed`` is what could not be done."""
        return cls(f"{failed} failed: {SpecErrors(errors)}", errors=tuple(errors))


def is_judged(request: Object) -> bool:
    """Whether an AdmissionRequest is a write that rules apply to."""
    obj, old = request.get("object"), request.get("oldObject")
    if request.get("operation") not in ("CREATE", "UPDATE") or request.get("subResource") or not obj:
        return False
    if (part(obj, ("metadata",)) or {}).get("deletionTimestamp"):
        return False
    return not old or _spec(obj) != _spec(old)


def judge(kind: str, request: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> Judgement:
    """The answer to an AdmissionRequest for an object of ``kind``."""
    if not is_judged(request):
        return Judgement()
    obj, old_obj, rules = request["object"], request.get("oldObject"), RULES[kind]
    try:
        new = decoded(kind, obj, makes_nodes=facts.makes_nodes)
    except SpecErrors as exc:
        return Judgement.refused(DECODING, exc.errors)
    old = _stored(kind, old_obj, facts) if old_obj else None
    try:
        found = list(rules.created(new, facts) if old is None else rules.changed(old, new, facts))
    except SpecErrors as exc:
        return Judgement.refused(VALIDATION, exc.errors)
    if found:
        return Judgement.refused(VALIDATION, _distinct(found))
    known = set(rules.advice(old, facts)) if old is not None else set()
    said = [one for one in rules.advice(new, facts) if one not in known]
    if str(obj.get("apiVersion", "")).endswith("/v1alpha1") and kind in _WARNED:
        said.insert(0, _OLD_VERSION)
    return Judgement(None, [_cut(one) for one in said])


def decoded(kind: str, obj: Object, *, makes_nodes: bool, strict: bool = True) -> Kind:
    """In the stored version, whichever it was written in, as the conversion webhook makes it. Raises SpecErrors."""
    if (found := obj.get("kind", kind)) != kind:
        raise SpecErrors([SpecError("kind", found, f"is not judged by these rules: send a {kind}")])
    default = DEFAULT_INSTANCE_TYPE if makes_nodes else None
    return kinds.decode({**obj, "kind": kind}, strict=strict, instance_type=default)


def _stored(kind: str, obj: Object, facts: AdmissionFacts) -> Kind | None:
    """What is there already; None when it can no longer be read: then what replaces it is judged as if it were new.

    What an older release stored may have fields of its own; that is no fault of this change.
    """
    try:
        return decoded(kind, obj, makes_nodes=facts.makes_nodes, strict=False)
    except SpecErrors:
        return None


def _distinct(found: Iterable[SpecError]) -> list[SpecError]:
    return list({str(one): one for one in found}.values())


def _spec(obj: Object) -> object:
    """What rules look at: everything but the status and the metadata that others keep."""
    annotations = part(obj, ("metadata", "annotations")) or {}
    return {key: value for key, value in obj.items() if key not in _OWN_PARTS}, annotations


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 3] + "..."
