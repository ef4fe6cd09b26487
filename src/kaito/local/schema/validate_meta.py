"""Rules for `metadata` of every kind: names, labels, annotations, owners, and what may not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from kaito.local.schema import names
from kaito.local.schema.errors import FORBIDDEN, AsWritten, FieldError, forbidden, invalid, required
from kaito.local.schema.registry import Type

_NAME_RULES: dict[str, Callable[[str], list[str]]] = {
    "namespaces": names.dns_label,
    "services": names.dns_label,
    **dict.fromkeys(("roles", "clusterroles", "rolebindings", "clusterrolebindings"), names.path_segment),
}
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_OWNER_ORDER = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_ANNOTATION_LIMIT = 256 * 1024


def name_rule(type: Type) -> Callable[[str], list[str]]:
    return names.dns_subdomain if type.custom else _NAME_RULES.get(type.plural, names.dns_subdomain)


def validate_metadata(type: Type, obj: dict[str, Any]) -> list[FieldError]:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return [required("metadata")]
    errors: list[FieldError] = []
    name = metadata.get("name")
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [invalid("metadata.name", name, text) for text in name_rule(type)(str(name))]
    if type.namespaced and not metadata.get("namespace"):
        errors.append(required("metadata.namespace"))
    elif not type.namespaced and metadata.get("namespace"):
        errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    errors += validate_labels(metadata.get("labels"), "metadata.labels")
    errors += validate_annotations(metadata.get("annotations"))
    errors += _validate_finalizers(metadata.get("finalizers") or [], custom=type.custom)
    return errors + _validate_owners(metadata.get("ownerReferences") or [])


def finalizer_warnings(type: Type, obj: dict[str, Any], old: dict[str, Any] | None) -> list[str]:
    """What a client is told of finalizers that a custom object gets and that another writer's could be mistaken for."""
    added = obj["metadata"].get("finalizers")
    if not added or not type.custom:
        return []
    before = ((old or {}).get("metadata") or {}).get("finalizers") or ()
    text = "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
    plain = [name for name in added if name not in before and name not in _STANDARD_FINALIZERS and "/" not in name]
    return [f'metadata.finalizers: "{name}": {text}' for name in plain]


def _validate_finalizers(finalizers: list[Any], *, custom: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, finalizer in enumerate(map(str, finalizers)):
        found = names.qualified_name(finalizer)
        errors += [invalid("metadata.finalizers", finalizer, text) for text in found]
        if not found and not custom and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid(f"metadata.finalizers[{index}]", finalizer, text))
    return errors


def validate_labels(labels: Any, path: str) -> list[FieldError]:
    errors = []
    for key, value in (labels or {}).items():
        errors += [invalid(path, key, text) for text in names.qualified_name(key)]
        if not isinstance(value, str):
            errors.append(invalid(path, value, f"{path}.{key} in body must be of type string"))
        else:
            errors += [invalid(path, value, text) for text in names.label_value(value)]
    return errors


def validate_annotations(annotations: Any) -> list[FieldError]:
    errors, total = [], 0
    for key, value in (annotations or {}).items():
        errors += [invalid("metadata.annotations", key, text) for text in names.qualified_name(key.lower())]
        if not isinstance(value, str):
            text = f"metadata.annotations.{key} in body must be of type string"
            errors.append(invalid("metadata.annotations", value, text))
        else:
            total += len(key) + len(value)
    if total > _ANNOTATION_LIMIT:
        errors.append(
            FieldError("metadata.annotations", "FieldValueTooLong", f"may not be more than {_ANNOTATION_LIMIT} bytes")
        )
    return errors


def _validate_owners(owners: list[dict[str, Any]]) -> list[FieldError]:
    errors = []
    path = "metadata.ownerReferences"
    for owner in owners:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                errors.append(invalid(f"{path}.{key}", owner.get(key, ""), "must not be empty"))
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        said = " and ".join(f"{owner.get('kind')}/{owner.get('name')}" for owner in controllers[:2])
        text = f'Only one reference can have Controller set to true. Found "true" in references for {said}'
        ordered = [{key: owner[key] for key in _OWNER_ORDER if key in owner} for owner in owners]
        errors.append(invalid(path, AsWritten(orjson.dumps(ordered).decode()), text))
    return errors


def validate_metadata_update(new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    errors = []
    after, before = new.get("metadata") or {}, old.get("metadata") or {}
    for key in ("name", "namespace", "uid", "creationTimestamp"):
        if after.get(key) and before.get(key) and after[key] != before[key]:
            errors.append(invalid(f"metadata.{key}", after[key], "field is immutable"))
    if before.get("deletionTimestamp"):
        added = set(after.get("finalizers") or ()) - set(before.get("finalizers") or ())
        if added:
            names = ", ".join(f'"{item}"' for item in sorted(added))
            text = "no new finalizers can be added if the object is being deleted, found new finalizers []string{"
            errors.append(FieldError("metadata.finalizers", FORBIDDEN, text + names + "}"))
    return errors
