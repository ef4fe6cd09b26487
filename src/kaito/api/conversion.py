"""Objects from one version to another, and back, with nothing lost.

v1beta1 is the hub, and what is stored. What v1alpha1 cannot say is kept in one annotation of the object as v1alpha1
shows it (``kaito.sh/v1beta1-fields``), and put back when the object is written; what only v1alpha1 says is kept the
same way in v1beta1 (``kaito.sh/v1alpha1-fields``). A client that changes what a kept field belongs to wins over it,
and so does one that takes the annotation away. Kept fields cannot say what v1alpha1 says itself, so no conditions are
written through them; a Workspace's state, node count and performance are, until the controller next writes its status.

**The machine type of v1alpha1.** v0.12 has a default in the v1alpha1 schema. An API server applies it to every
v1alpha1 request, so a client that reads a Workspace on brought nodes and writes it back gives it a machine type. Here
the schema has no default. A new v1alpha1 object without a machine type gets ``instance_type`` on its way to v1beta1;
one that had none in v1beta1 is marked in the annotation and gets none. Where nodes are brought, nothing is filled in.
"""

import copy
import json
from typing import Any, Final

import orjson

from kaito.api import keys
from kaito.api.base import Kind, Object
from kaito.api.errors import SpecError, SpecErrors
from kaito.api.inference_set import InferenceSet
from kaito.api.kept import Kept, difference, field_path, put_back, without_empty
from kaito.api.rag_engine import RAGEngine
from kaito.api.shape_errors import metadata_errors
from kaito.api.shapes import lift, lower, part
from kaito.api.workspace import Workspace

DEFAULT_INSTANCE_TYPE: Final = "Standard_NC24ads_A100_v4"
"""What a v1alpha1 Workspace or RAGEngine without a machine type means where nodes are provisioned."""
ANNOTATIONS_LIMIT: Final = 256 << 10
"""Bytes that all annotations of an object, keys and values, may have; Kubernetes' own limit."""

_VERSIONS: Final = ("v1alpha1", "v1beta1")
_MODELS: Final[dict[str, type[Kind]]] = {"Workspace": Workspace, "InferenceSet": InferenceSet, "RAGEngine": RAGEngine}
_MACHINES: Final[dict[str, tuple[str, ...]]] = {"Workspace": ("resource",), "RAGEngine": ("spec", "compute")}


def convert(obj: Object, to_version: str, *, instance_type: str | None = DEFAULT_INSTANCE_TYPE) -> Object:
    """``obj`` in another version, such as "v1beta1"; the argument is not changed.

    ``instance_type`` is the machine type of new v1alpha1 objects that name none; None where nodes are brought.
    Raises SpecError for a kind or version that is not converted, for an annotation with kept fields that is damaged,
    and for what is nested too deeply; SpecErrors when metadata or what an annotation holds has the wrong type.
    """
    try:
        return _converted(obj, to_version, instance_type)
    except RecursionError as exc:
        raise SpecError("object", None, "is nested too deeply to be converted: write it flatter") from exc


def _converted(obj: Object, to_version: str, instance_type: str | None) -> Object:
    kind, version = str(obj.get("kind", "")), _version(obj)
    if found := list(metadata_errors(obj)):
        raise SpecErrors(found)
    if to_version == version:
        return copy.deepcopy(obj)
    if kind not in _MODELS:
        raise SpecError("kind", kind, f"has no other version than its own: {version} is asked for as {to_version}")
    if to_version not in _VERSIONS:
        raise SpecError("apiVersion", f"{keys.GROUP}/{to_version}", f"is no version of {kind}: use {_served()}")
    return _up(kind, obj, instance_type) if to_version == "v1beta1" else _down(kind, obj)


def review(asked: Object, *, instance_type: str | None = DEFAULT_INSTANCE_TYPE) -> Object:
    """The ConversionReview (apiextensions.k8s.io/v1) that answers ``asked``: all objects in their order, or a failure.

    Raises ValueError when ``asked`` is no ConversionReview with a request.
    """
    request = asked.get("request") if isinstance(asked, dict) else None
    if not isinstance(request, dict) or "uid" not in request or "desiredAPIVersion" not in request:
        raise ValueError("the body is no ConversionReview of apiextensions.k8s.io/v1 with a request")
    objects = request.get("objects")
    if not isinstance(objects, list | None):
        raise ValueError("request.objects is no list: send the objects to convert in a list")
    group, _, version = str(request["desiredAPIVersion"]).rpartition("/")
    response: Object = {"uid": request["uid"], "convertedObjects": [], "result": {"status": "Success"}}
    for obj in objects or ():
        try:
            if group != keys.GROUP or not isinstance(obj, dict):
                raise SpecError("desiredAPIVersion", request["desiredAPIVersion"], f"is not of {keys.GROUP}")
            response["convertedObjects"].append(convert(obj, version, instance_type=instance_type))
        except (SpecError, SpecErrors) as exc:
            response["convertedObjects"] = []
            response["result"] = {"status": "Failure", "message": f"{_named(obj)}: {exc}"}
            break
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}


def _up(kind: str, alpha: Object, instance_type: str | None) -> Object:
    kept = _read(alpha, keys.V1BETA1_FIELDS)
    beta = lift(kind, copy.deepcopy(alpha))
    if kept:
        lifted = copy.deepcopy(beta)
        put_back(beta, kept)
        if _bare(lower(kind, copy.deepcopy(beta))) != _bare(lower(kind, lifted)):
            says = "changes fields that v1alpha1 has itself: remove the annotation, and set those fields"
            raise SpecError(_path(keys.V1BETA1_FIELDS), _text(kept), says)
        _check_types(kind, beta, kept)
    lost = difference(alpha, lower(kind, copy.deepcopy(beta)))
    machine = part(beta, _MACHINES[kind]) if kind in _MACHINES else None
    if machine is not None and instance_type and _machine_pointer(kind) not in kept:
        machine.setdefault("instanceType", instance_type)
    return _finished(beta, "v1beta1", keys.V1ALPHA1_FIELDS, lost)


def _down(kind: str, beta: Object) -> Object:
    alpha = lower(kind, copy.deepcopy(beta))
    shown = _with_older_fields(kind, alpha, beta)
    lost = difference(beta, lift(kind, copy.deepcopy(shown)))
    machine = part(beta, _MACHINES[kind]) if kind in _MACHINES else None
    if machine is not None and "instanceType" not in machine:
        lost[_machine_pointer(kind)] = None
    return _finished(shown, "v1alpha1", keys.V1BETA1_FIELDS, _that_fits(lost, shown))


def _with_older_fields(kind: str, alpha: Object, beta: Object) -> Object:
    """``alpha`` with what only v1alpha1 says. A damaged annotation is passed over: reading must not fail."""
    try:
        kept = _read(beta, keys.V1ALPHA1_FIELDS)
    except SpecError:
        return alpha
    if not all(map(_is_text, kept.values())):
        return alpha
    shown = copy.deepcopy(alpha)
    put_back(shown, kept)
    same = _bare(lift(kind, copy.deepcopy(shown))) == _bare(lift(kind, copy.deepcopy(alpha)))
    return shown if same else alpha


def _that_fits(lost: Kept, obj: Object) -> Kept:
    """``lost`` without its largest values, if there is no room for all of them.

    An API server fails a whole list over one object whose annotations are too long: one author's absurd value must not
    keep everybody from reading.
    """
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    room = ANNOTATIONS_LIMIT - sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items())
    lost = dict(lost)
    while lost and len(_text(lost).encode()) + len(keys.V1BETA1_FIELDS) > room:
        del lost[max(lost, key=lambda pointer: len(_text(lost[pointer])))]
    return lost


def _check_types(kind: str, beta: Object, kept: Kept) -> None:
    """Raises SpecErrors for restored fields that their types do not accept: no schema has seen them."""
    try:
        _MODELS[kind].decode(beta)
    except SpecErrors as exc:
        restored = tuple(field_path(pointer) for pointer in kept)
        wrong = [one for one in exc.errors if any(f"{one.field}.".startswith(f"{path}.") for path in restored)]
        if wrong:
            raise SpecErrors([SpecError(_path(keys.V1BETA1_FIELDS), None, f"holds {one}") for one in wrong]) from exc


def _finished(obj: Object, version: str, annotation: str, lost: Kept) -> Object:
    metadata = dict(obj.get("metadata") or {})
    ours = (keys.V1ALPHA1_FIELDS, keys.V1BETA1_FIELDS)
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in ours}
    if lost:
        annotations[annotation] = _text(lost)
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    return {**obj, "apiVersion": f"{keys.GROUP}/{version}", "metadata": metadata}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _read(obj: Object, annotation: str) -> Kept:
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(annotation)
    if text is None:
        return {}
    try:
        # Stricter than the standard library, which reads NaN, infinite numbers and halves of characters.
        kept = orjson.loads(text)
    except ValueError:
        kept = None
    if not isinstance(kept, dict) or not all(key.startswith("/") for key in kept):
        raise SpecError(_path(annotation), text, "is not what was written there: remove the annotation")
    return kept


def _version(obj: Object) -> str:
    api_version = str(obj.get("apiVersion", ""))
    group, _, version = api_version.rpartition("/")
    if group != keys.GROUP or version not in _VERSIONS:
        raise SpecError("apiVersion", api_version, f"is no version of this API: use {_served()}")
    return version


def _served() -> str:
    return " or ".join(f"{keys.GROUP}/{version}" for version in _VERSIONS)


def _bare(obj: Object) -> Any:
    return without_empty({key: value for key, value in obj.items() if key not in ("metadata", "apiVersion")})


def _is_text(value: Any) -> bool:
    """Whether it is what v1alpha1 alone has: a text, an object of texts, or nothing."""
    inner = value.values() if isinstance(value, dict) else (value,)
    return all(one is None or isinstance(one, str) for one in inner)


def _machine_pointer(kind: str) -> str:
    return "".join(f"/{word}" for word in (*_MACHINES[kind], "instanceType"))


def _path(annotation: str) -> str:
    return f"metadata.annotations[{annotation}]"


def _named(obj: Any) -> str:
    metadata = part(obj, ("metadata",)) or {}
    kind = obj.get("kind", "object") if isinstance(obj, dict) else "object"
    return f"{kind} {'/'.join(str(metadata[key]) for key in ('namespace', 'name') if metadata.get(key))}".rstrip()
