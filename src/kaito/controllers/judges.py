"""Who judges a write of which kind, and what is said of a deletion."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from kaito.api import keys, kinds
from kaito.api.shapes import part
from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts
from kaito.controllers import writes
from kaito.controllers.writes import Judgement

Object = Mapping[str, Any]
Judge = Callable[[Object, AdmissionFacts], Judgement]


JUDGES: Final[Mapping[str, Judge]] = {kind: partial(writes.judge, kind) for kind in kinds.KINDS}
"""By kind."""


def judge(kind: str, request: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> Judgement:
    """The answer to an AdmissionRequest for an object of ``kind``. A deletion is never refused."""
    return deletion(request) if request.get("operation") == "DELETE" else JUDGES[kind](request, facts)


def deletion(request: Object) -> Judgement:
    """A warning to a person who deletes what its owner will make anew; nothing for what cannot be read."""
    user = str((request.get("userInfo") or {}).get("username") or "")
    obj = request.get("oldObject")
    if not isinstance(obj, dict) or user.startswith("system:serviceaccount:"):
        return Judgement()
    metadata = part(obj, ("metadata",)) or {}
    if metadata.get("deletionTimestamp"):
        return Judgement()
    owners = metadata.get("ownerReferences")
    warnings = [
        f"{obj.get('kind')} {metadata.get('name')} belongs to {owner.get('kind')} {owner.get('name')}, which makes "
        f"another in its place: scale or delete the {owner.get('kind')} instead"
        for owner in (owners if isinstance(owners, list) else ())
        if isinstance(owner, dict)
        and owner.get("controller")
        and str(owner.get("apiVersion", "")).partition("/")[0] == keys.GROUP
    ]
    return Judgement(None, warnings)
