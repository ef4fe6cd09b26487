"""What a write's query and body ask for: how it is done, and with what. Everything wrong is told before it starts."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from kaito.local.apiserver import status
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import (
    PATCHES,
    PROTOBUF,
    YAML,
    Request,
    duplicate_fields,
    media_type,
    not_an_object,
    parse,
    read_body,
    repeated_keys,
    summary,
)
from kaito.local.schema.decode import decode
from kaito.local.schema.fields import builtin

Object = dict[str, Any]


@dataclass
class Options:
    """How a write is to be done. ``warnings`` collects what the client should be told."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    duplicates: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    raw: bytes = b""
    # The options as they were sent, for admission webhooks.
    sent: Object = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_object(kind: Kind, request: Request, options: Options) -> Any:
    """The object in the body of a create or an update; one of a custom kind has to name its kind itself.

    Raises StatusError (400, 413, 415).
    """
    try:
        body = read_body(request, merged=bool(options.duplicates), custom=kind.type.custom)
    except status.StatusError as refused:
        if refused.code != 400 or media_type(request) == PROTOBUF:
            raise
        raise _unrecognized(kind, request, str(refused).removeprefix("error converting YAML to JSON: ")) from refused
    if body is None and not kind.type.custom:
        return {}
    if not isinstance(body, dict) and body is not None:
        raise _unrecognized(kind, request, f"couldn't get version/kind; {not_an_object(body)}")
    if kind.type.custom and not (body and body.get("kind") and body.get("apiVersion")):
        word = "Kind" if not body or not body.get("kind") else "apiVersion"
        text = request.body.decode(errors="replace")
        raise _unrecognized(kind, request, f"Object '{word}' is missing in '{text}'")
    return body


def _unrecognized(kind: Kind, request: Request, why: str) -> status.StatusError:
    head = f"the object provided is unrecognized (must be of type {kind.type.kind})"
    return status.bad_request(f"{head}: {why} ({summary(request.body)})")


def read_options(request: Request, body: bytes, *, force: bool = False) -> Options:
    """How a write is to be done. Raises StatusError (422)."""
    kind = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(
        request.method, "DeleteOptions"
    )
    dry_run = request.options.get("dryRun", [])
    problems: list[tuple[str, str, str]] = []
    if any(value not in ("All",) for value in dry_run):
        shown = orjson.dumps(dry_run).decode()
        text = f'Unsupported value: {shown}: supported values: "All"'
        problems.append(("dryRun", "FieldValueNotSupported", text))
    validation = request.option("fieldValidation") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        text = f'Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
        problems.append(("fieldValidation", "FieldValueNotSupported", text))
    manager = request.option("fieldManager")
    sent = {"dryRun": dry_run, "fieldManager": manager, "fieldValidation": request.option("fieldValidation")}
    if len(manager) > 128:
        problems.append(("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"))
    if problems:
        causes = [{"reason": reason, "message": text, "field": field} for field, reason, text in problems]
        details = {"group": "meta.k8s.io", "kind": kind, "causes": causes}
        texts = [f"{field}: {text}" for field, _, text in problems]
        joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        raise status.refusal(422, f'{kind}.meta.k8s.io "" is invalid: {joined}', details)
    if not manager:
        manager = request.headers.get("user-agent", "").split("/")[0][:128] or "unknown"
    options = Options(manager, bool(dry_run), validation, force)
    options.raw = body
    options.sent = {key: value for key, value in sent.items() if value}
    if body and media_type(request) in (YAML, "text/yaml"):
        options.repeated = repeated_keys(body)
    elif body and "json" in (media_type(request) or "json") and "patch" not in media_type(request):
        try:
            options.duplicates = duplicate_fields(body)
        except ValueError:
            options.duplicates = []  # not JSON: the reader of the body says so
    return options


def read_patch(kind: Kind, request: Request) -> tuple[str, Any, Options]:
    """(form, patch, options) of a PATCH. Raises StatusError."""
    form = PATCHES.get(media_type(request))
    accepted = list(PATCHES) if not kind.type.custom else [m for m, f in PATCHES.items() if f != "strategic"]
    if form is None and not kind.type.custom:
        raise status.refusal(415, "415: Unsupported Media Type", {})
    if form is None or (form == "strategic" and kind.type.custom):
        raise status.unsupported_media_type(accepted)
    force = request.options.get("force")
    if form == "apply" and not request.option("fieldManager"):
        cause = {"reason": "FieldValueRequired", "message": "Required value: is required for apply patch",
                 "field": "fieldManager"}  # fmt: skip
        details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}
        text = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        raise status.refusal(422, text, details)
    if force is not None and form != "apply":
        cause = {"reason": "FieldValueForbidden", "message": "Forbidden: may not be specified for non-apply patch",
                 "field": "force"}  # fmt: skip
        details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}
        text = 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
        raise status.refusal(422, text, details)
    options = read_options(request, request.body, force=request.flag("force"))
    try:
        patch = parse(request.body, is_yaml=form == "apply")
    except status.StatusError as refused:
        text = str(refused).removeprefix("couldn't get version/kind; json parse error: ")
        raise status.bad_request(f"error decoding {'YAML' if form == 'apply' else 'patch'}: {text}") from refused
    if form != "json" and not isinstance(patch, dict):
        raise status.bad_request("the patch must be an object")
    return form, patch, options


def read_delete(request: Request) -> tuple[Object, Options]:
    """(DeleteOptions, options) of a DELETE, from its body and its query. Raises StatusError."""
    how: Object = {}
    if request.body.strip():
        found = read_body(request)
        if not isinstance(found, dict):
            raise status.bad_request("the body of a delete must be DeleteOptions")
        if found.get("kind") not in (None, "", "DeleteOptions"):
            version = found.get("apiVersion") or "v1"
            text = f'no kind "{found["kind"]}" is registered for version "{version}" in scheme '
            scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
            raise status.bad_request(f'{text}"{scheme}"')
        _, _, errors = decode(builtin("meta_v1", "DeleteOptions"), found)
        if errors:
            raise status.bad_request(errors[0].replace("int32", "int64"))
        how = {key: value for key, value in found.items() if key not in ("apiVersion", "kind")}
    if request.option("gracePeriodSeconds"):
        how.setdefault("gracePeriodSeconds", int(request.option("gracePeriodSeconds")))
    if request.option("propagationPolicy"):
        how.setdefault("propagationPolicy", request.option("propagationPolicy"))
    if "orphanDependents" in request.options:
        how.setdefault("orphanDependents", request.flag("orphanDependents"))
    problems: list[tuple[str, str, str]] = []
    policy = how.get("propagationPolicy")
    if policy is not None and how.get("orphanDependents") is not None:
        text = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        problems.append(("propagationPolicy", "FieldValueInvalid", text))
    elif policy not in (None, "Background", "Foreground", "Orphan"):
        text = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        problems.append(("propagationPolicy", "FieldValueNotSupported", text))
    if problems:
        causes = [{"reason": reason, "message": text, "field": field} for field, reason, text in problems]
        details = {"group": "meta.k8s.io", "kind": "DeleteOptions", "causes": causes}
        text = ", ".join(f"{field}: {text}" for field, _, text in problems)
        raise status.refusal(422, f'DeleteOptions.meta.k8s.io "" is invalid: {text}', details)
    options = read_options(request, b"")
    dry_run = {"dryRun": options.sent["dryRun"]} if "dryRun" in options.sent else {}
    options.sent = dry_run | how
    if how.get("dryRun"):
        options.dry_run = True
    return how, options
