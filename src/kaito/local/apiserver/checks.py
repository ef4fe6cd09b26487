"""What a write is refused for, whatever form it came in: by its decoding, its values, the versions it knew."""

from typing import Any

from kaito.local.apiserver import status
from kaito.local.apiserver.bodies import bad_result, refuse
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import Target
from kaito.local.apiserver.write_options import Options
from kaito.local.schema.errors import FieldError, invalid_status
from kaito.local.schema.validation import Prepared, decode_message, validate

Object = dict[str, Any]


def check_decoding(
    kind: Kind, prepared: Prepared, options: Options, *, applied: bool = False, patched: Object | None = None
) -> None:
    if prepared.decode_errors and patched is not None:
        raise bad_result(kind, patched, prepared.decode_errors[0])
    if prepared.decode_errors:
        raise status.bad_request(decode_message(kind.type, prepared.decode_errors))
    problems = options.repeated + _in_order(options, prepared, custom=kind.type.custom)
    if not problems or options.validation == "Ignore":
        return
    if options.validation == "Strict":
        lines = ["yaml: unmarshal errors:\n  " + "\n  ".join(options.repeated)] if options.repeated else []
        text = "strict decoding error: " + ", ".join([*lines, *problems[len(options.repeated) :]])
        if patched is not None:
            raise bad_result(kind, patched, text)
        if not applied:
            head = f'{kind.type.kind} in version "{kind.type.version}" cannot be handled as a {kind.type.kind}'
            text = f"{head}: {text}"
        raise status.bad_request(text)
    options.warnings.extend(problem for problem in problems if problem not in options.warnings)


def check_valid(kind: Kind, new: Object, old: Object | None, subresource: str = "") -> None:
    errors = validate(kind.type, new, old, subresource=subresource)
    if errors:
        refuse(kind, new["metadata"].get("name") or "", errors)


def check_versions(kind: Kind, target: Target, meta: Object, old: Object, *, required: bool) -> None:
    """The resourceVersion and uid that the client saw must be the current ones."""
    name = target.name
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if required and not version and kind.type.custom:
        error = FieldError("metadata.resourceVersion", "FieldValueInvalid", "must be specified for an update", 0)
        raise status.StatusError(invalid_status(kind.type.group, kind.type.plural, name, [error]))
    if uid and uid != old["metadata"]["uid"]:
        group = f"{kind.type.group}/" if kind.type.custom else ""
        where = "/".join(filter(None, (kind.type.plural, target.namespace, name)))
        text = f"StorageError: invalid object, Code: 4, Key: /registry/{group}{where}, ResourceVersion: 0, "
        text += f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
        text += f"UID in object meta: {old['metadata']['uid']}"
        raise status.conflict(kind.type.group, kind.type.plural, name, text)
    if version and version != old["metadata"]["resourceVersion"]:
        raise status.modified(kind.type.group, kind.type.plural, name)


def exists(kind: Kind, name: str, current: Object) -> status.StatusError:
    refused = status.already_exists(kind.type.group, kind.type.plural, name)
    if "deletionTimestamp" in current["metadata"]:
        refused.status["message"] = f"object is being deleted: {refused.status['message']}"
    return refused


def uid_mismatch(kind: Kind, name: str, sent: str, real: str) -> status.StatusError:
    text = f"Precondition failed: UID in precondition: {sent}, UID in object meta: {real}"
    return status.conflict(kind.type.group, kind.type.plural, name, text)


def check_preconditions(kind: Kind, name: str, wanted: Object, current: Object) -> None:
    meta = current["metadata"]
    if wanted.get("uid") not in (None, meta["uid"]):
        text = f"the UID in the precondition ({wanted['uid']}) does not match the UID in record ({meta['uid']}). "
        text += "The object might have been deleted and then recreated"
        raise status.conflict(kind.type.group, kind.type.kind, name, text)
    version = wanted.get("resourceVersion")
    if version not in (None, meta["resourceVersion"]):
        text = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
        text += f"({meta['resourceVersion']}). The object might have been modified"
        raise status.conflict(kind.type.group, kind.type.kind, name, text)


def _in_order(options: Options, prepared: Prepared, *, custom: bool) -> list[str]:
    """Doubled and unknown fields in the order in which a decoder meets them; a custom kind has none but the names'."""

    def key(path: str) -> bytes:
        return f'"{path.rpartition(".")[2]}"'.encode()

    found = [(options.raw.rfind(key(path)), f'duplicate field "{path}"') for path in options.duplicates]
    found += [(options.raw.find(key(path)), f'unknown field "{path}"') for path in prepared.unknown]
    if custom:
        return [text for _, text in sorted(found, key=lambda item: (item[1].startswith("unknown"), item[1]))]
    return [text for _, text in sorted(found, key=lambda item: item[0])]
