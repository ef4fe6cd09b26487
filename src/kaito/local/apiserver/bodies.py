"""What a body may say: its kind, its place, its name; and what a patch makes of an object."""

import copy
from typing import Any

import orjson

from kaito.local.apiserver import jsonpatch, status
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import Target, not_an_object
from kaito.local.schema import smp, typed
from kaito.local.schema.errors import FieldError, invalid_status
from kaito.local.schema.registry import by_gvk
from kaito.local.schema.validation import prepare

Object = dict[str, Any]
_META_ORDER = ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
               "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
               "ownerReferences", "finalizers", "managedFields")  # fmt: skip


def bad_result(kind: Kind, patched: Object, why: str) -> status.StatusError:
    """422 for a patch whose result is no object of the kind; the object is shown as a real server shows it."""
    if kind.type.custom:
        text = orjson.dumps(patched, option=orjson.OPT_SORT_KEYS).decode()
    else:
        meta = patched.get("metadata") or {}
        ordered = {key: meta[key] for key in _META_ORDER if key in meta} | meta
        text = orjson.dumps(dict(sorted((patched | {"metadata": ordered}).items()))).decode()
    detail = f"{_quoted(text)}: {why}"
    cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {detail}", "field": "patch"}
    return status.refusal(422, f' "" is invalid: patch: Invalid value: {detail}', {"causes": [cause]})


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def refuse(kind: Kind, name: str, errors: list[FieldError]) -> None:
    """Raises the 422 for these errors."""
    raise status.StatusError(invalid_status(kind.type.group, kind.type.kind, name, errors))


def patch_object(kind: Kind, form: str, old: Object, patch: Any) -> Object:
    """The old object with a patch of this form applied. Raises StatusError."""
    try:
        if form == "json":
            result = jsonpatch.apply(old, patch)
        elif form == "strategic":
            result = smp.apply(kind.type, old, patch)
        else:
            result = _merge(old, patch)
    except jsonpatch.PatchError as exc:
        if exc.code != 422:
            raise status.refusal(exc.code, exc.message) from exc
        raise status.refusal(422, "the server rejected our request due to an error in our request", {}) from exc
    except smp.NoMergeKey as exc:
        raise status.StatusError.of(500, "", str(exc)) from exc
    except smp.PatchError as exc:
        raise status.bad_request(str(exc)) from exc
    if not isinstance(result, dict):
        raise status.bad_request("the patch leaves no object")
    return result


def _merge(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), item)
    return result


def own_copy(kind: Kind, body: Any) -> Object:
    """The request's object with its kind filled in, ready to be changed. Raises StatusError (400)."""
    if not isinstance(body, dict):
        raise status.bad_request(f"couldn't get version/kind; {not_an_object(body)}")
    check_kind(kind, body)
    obj = dict(body)
    obj["apiVersion"], obj["kind"] = kind.type.api_version, kind.type.kind
    meta = obj.get("metadata") or {}
    if not isinstance(meta, dict):
        raise status.bad_request("metadata: expected an object")
    obj["metadata"] = dict(meta)
    return obj


def _foreign_version(kind: Kind, given: str, name: str) -> status.StatusError:
    """400 for a built-in kind in a version that has no such kind."""
    head = f'{name} in version "{given.rpartition("/")[2]}" cannot be handled as a {kind.type.kind}'
    scheme = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
    return status.bad_request(f'{head}: no kind "{name}" is registered for version "{given}" in scheme "{scheme}"')


def check_kind(kind: Kind, body: Object) -> None:
    """The apiVersion and kind in a body, where they are given, must be those of the URL."""
    given, wanted = body.get("apiVersion"), kind.type.api_version
    name = body.get("kind")
    if given and given != wanted:
        if not kind.type.custom and by_gvk(*_split(given), name or kind.type.kind) is None:
            raise _foreign_version(kind, given, name or kind.type.kind)
        text = f"the API version in the data ({given}) does not match the expected API version ({wanted})"
        refused = status.bad_request(text)
        # A version without a schema here knows no field but those of every object.
        unknown = [key for key in body if key not in ("apiVersion", "kind", "metadata")]
        refused.warnings = [f'unknown field "{key}"' for key in unknown] if kind.type.custom else []
        raise refused
    if name and name != kind.type.kind and kind.type.custom:
        error = FieldError("kind", "FieldValueInvalid", f"must be {kind.type.kind}", name)
        own = (body.get("metadata") or {}).get("name") or ""
        raise status.StatusError(invalid_status(kind.type.group, name, own, [error]))
    if name and name != kind.type.kind:
        text = f'{name} in version "{kind.type.version}" cannot be handled as a {kind.type.kind}: converting '
        inner = kind.type.group.partition(".")[0] or "core"
        raise status.bad_request(text + f"({wanted}.{name}) to ({inner}.{kind.type.kind}): unknown conversion")


def _split(api_version: str) -> tuple[str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version


def match_namespace(kind: Kind, meta: Object, namespace: str) -> None:
    if not kind.type.namespaced:
        return
    if meta.get("namespace") not in (None, "", namespace):
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    meta["namespace"] = namespace


def unnamed(name: str) -> status.StatusError:
    return status.bad_request(f"the name of the object (empty) does not match the name on the URL ({name})")


def check_identity(kind: Kind, target: Target, new: Object, old: Object) -> None:
    """A patch may not rename, move or retype an object."""
    meta = new["metadata"]
    if meta.get("name") != target.name:
        text = f"the name of the object ({meta.get('name')}) does not match the name on the URL ({target.name})"
        raise status.bad_request(text)
    match_namespace(kind, meta, target.namespace)
    other = by_gvk(*_split(str(new.get("apiVersion"))), str(new.get("kind")))
    if other is not None and other != kind.type and (errors := prepare(other, new).decode_errors):
        raise bad_result(kind, new, errors[0])
    check_kind(kind, new)


def is_applied(obj: Object) -> bool:
    return any(entry.get("operation") == "Apply" for entry in obj["metadata"].get("managedFields") or ())


def check_typed(kind: Kind, body: Object) -> None:
    """What an apply is refused for before it is merged."""
    if body.get("metadata", {}).get("managedFields"):
        raise status.bad_request("metadata.managedFields must be nil")
    problems = typed.problems(kind.type, body)
    if problems:
        meta = body.get("metadata") or {}
        where = (
            f"{meta.get('namespace') or ''}/{meta.get('name') or ''}; {kind.type.api_version}, Kind={kind.type.kind}"
        )
        if not kind.type.group:
            where = where.replace("; ", "; /", 1)
        text = f"failed to create typed patch object ({where}): {typed.message(problems)}"
        raise status.StatusError.of(500, "", text)


def _no_type(body: Object) -> status.StatusError:
    version = body.get("apiVersion") or ""
    shown = version if "/" in version else f"/{version}"
    return status.bad_request(f"invalid object type: {shown}, Kind={body.get('kind') or ''}")


def applied_body(kind: Kind, target: Target, body: Object) -> Object:
    """An applied configuration without what this path may not set. Raises StatusError (400)."""
    if not body.get("kind") or not body.get("apiVersion"):
        raise _no_type(body)
    if not kind.type.custom and by_gvk(*_split(body["apiVersion"]), body["kind"]) is None:
        raise _no_type(body)
    check_kind(kind, body)
    meta = body.get("metadata") or {}
    if not isinstance(meta, dict):
        raise status.bad_request("metadata: expected an object")
    if meta.get("name", target.name) != target.name:
        text = f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        raise status.bad_request(text)
    if target.subresource == "status":
        return {key: value for key, value in body.items() if key in ("apiVersion", "kind", "metadata", "status")}
    if kind.has_status:
        return {key: value for key, value in body.items() if key != "status"}
    return body
