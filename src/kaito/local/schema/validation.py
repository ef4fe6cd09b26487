"""The steps of a write: prepare (decode, prune, default), then validate; one door for builtin and custom kinds."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from kaito.local.schema import decode, defaults, structural, validate_custom
from kaito.local.schema.errors import FieldError
from kaito.local.schema.fields import object_meta, schema_for
from kaito.local.schema.registry import Type
from kaito.local.schema.validate_kinds import validate_kind
from kaito.local.schema.validate_meta import validate_metadata, validate_metadata_update

Object = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """An object ready to validate.

    `unknown` are the paths of fields that were dropped: a strict request is refused with `strict_message`, a warning
    one gets `warnings`. `decode_errors` are wrong types in a builtin kind: the request is bad whatever the mode.
    """

    obj: Object
    unknown: list[str] = field(default_factory=list)
    decode_errors: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        return [f'unknown field "{path}"' for path in self.unknown]

    @property
    def strict_message(self) -> str:
        return "strict decoding error: " + ", ".join(self.warnings)


def decode_message(type: Type, errors: list[str]) -> str:
    """The 400 message for wrong types."""
    head = f'{type.kind} in version "{type.version}" cannot be handled as a {type.kind}'
    return f"{head}: {errors[0]}"


def _as_go_reads(value: Any) -> Any:
    """A copy in which 2.0 and 1e3 are the whole numbers that they mean, and keys are in order: as Go reads JSON."""
    if isinstance(value, dict):
        return {key: _as_go_reads(child) for key, child in sorted(value.items())}
    if isinstance(value, list):
        return [_as_go_reads(child) for child in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def prepare(type: Type, obj: Object) -> Prepared:
    """Drop what the kind does not know, then fill in defaults. The argument is not changed."""
    schema = schema_for(type)
    if type.custom:
        decoder = decode.Decoder(object_meta(), "metadata")
        body = _as_go_reads(obj)
        body["metadata"] = decoder.value(object_meta(), body.get("metadata") or {}, "metadata")
        if decoder.errors:
            return Prepared(body, decoder.unknown, decoder.errors)
        pruned, unknown = structural.prune(schema, body)
        structural.apply_defaults(schema, pruned)
        return Prepared(pruned, [*decoder.unknown, *unknown])
    decoded, unknown, errors = decode.decode(schema, obj)
    if type.group_resource == "secrets" and not errors:
        errors = [*filter(None, map(_not_base64, (decoded.get("data") or {}).values()))]
    decoded.setdefault("apiVersion", type.api_version)
    decoded.setdefault("kind", type.kind)
    if not errors:
        defaults.apply_defaults(type, decoded)
    return Prepared(decoded, unknown, errors)


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")


def _not_base64(text: str) -> str:
    """Where a value stops being base64, in the words of Go's decoder; "" when it is."""
    wrong = next((index for index, char in enumerate(text) if char not in _BASE64), None)
    if wrong is None:
        plain = text.replace("\r", "").replace("\n", "")
        wrong = None if len(plain) % 4 == 0 else len(plain) - len(plain) % 4
    return "" if wrong is None else f"illegal base64 data at input byte {wrong}"


def prepare_create(type: Type, obj: Object) -> Prepared:
    """`prepare` for a new object, which gets its uid here: a Job's selector is made of it."""
    prepared = prepare(type, obj)
    metadata = prepared.obj.setdefault("metadata", {})
    metadata.setdefault("uid", str(uuid.uuid4()))
    if type.group_resource == "jobs.batch" and metadata.get("name") and not prepared.decode_errors:
        defaults.job_selector(prepared.obj)
        defaults.job_labels(prepared.obj)
    return prepared


def prepare_update(type: Type, obj: Object, old: Object) -> Prepared:
    """`prepare` for a changed object: what the server once set and a client may leave out comes from the old one."""
    prepared = prepare(type, obj)
    if prepared.decode_errors or type.custom:
        return prepared
    new = prepared.obj
    if type.group_resource == "services" and (new.get("spec") or {}).get("type") != "ExternalName":
        before = old.get("spec") or {}
        for key in ("clusterIP", "clusterIPs"):
            if key in before and not new["spec"].get(key):
                new["spec"][key] = before[key]
    if type.group_resource == "jobs.batch" and "selector" not in (new.get("spec") or {}):
        new["spec"]["selector"] = (old.get("spec") or {}).get("selector")
        labels = ((old["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
        new["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {}).update(labels)
    return prepared


def validate(type: Type, obj: Object, old: Object | None = None, *, subresource: str = "") -> list[FieldError]:
    """Everything wrong with a prepared object; with `old`, also what may not change."""
    errors = validate_metadata(type, obj)
    if old is not None:
        # A real server looks several times at the metadata of an update, and lists each cause as often.
        errors = errors * (3 if type.custom else 4) + validate_metadata_update(obj, old) * 2
    if type.custom:
        return validate_custom.validate(type, obj, old, errors, subresource=subresource)
    return errors + validate_kind(type, obj, old)
