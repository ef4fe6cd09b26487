"""What an API server says of an object, by the definitions of the kinds: the embedded one's own validation."""

import copy
from functools import cache
from typing import Any

from kaito.api.crds import all_crds
from kaito.local.schema import crd, openapi_validate
from kaito.local.schema.crd import CompiledVersion

Object = dict[str, Any]


@cache
def definition(kind: str, version: str) -> CompiledVersion:
    (one,) = (one for one in all_crds() if one["spec"]["names"]["kind"] == kind)
    return crd.compile(one).versions[version]


def stored(obj: Object) -> Object | None:
    """The object as an API server would keep it, with defaults and without unknown fields; None for one it refuses."""
    version = definition(obj["kind"], obj["apiVersion"].rpartition("/")[2])
    kept, _ = version.prune(copy.deepcopy(obj))
    version.default(kept)
    return None if complaints(kept) else kept


def complaints(obj: Object) -> list[str]:
    """What the schema, without its rules in CEL, has against an object."""
    version = definition(obj["kind"], obj["apiVersion"].rpartition("/")[2])
    return [str(one) for one in openapi_validate.validate_object(version.schema.raw, obj, None)]
