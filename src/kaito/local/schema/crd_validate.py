"""What is wrong with a CustomResourceDefinition, in the words of a Kubernetes API server."""

from __future__ import annotations

from typing import Any

from kaito.local.schema import names as naming
from kaito.local.schema import structural
from kaito.local.schema.errors import FieldError, Ordered, invalid, not_supported, required
from kaito.local.schema.structural_defaults import check_defaults

Object = dict[str, Any]
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_PROTECTED = ("k8s.io", "kubernetes.io")
_APPROVAL = "api-approved.kubernetes.io"


def validate(crd: Object, old: Object | None = None) -> list[FieldError]:
    """What is wrong with a definition, beyond the types of its fields and what may not change."""
    spec = crd.get("spec") or {}
    if old is not None and old.get("spec") == spec:
        return []  # what was good stays good: a controller that writes a status need not wait for it
    errors = _check_names(crd, spec, old) + _check_versions(spec)
    if old is None and not errors:
        errors += _check_protected(crd, spec)
    return errors + _check_conversion(spec)


def _check_names(crd: Object, spec: Object, old: Object | None) -> list[FieldError]:
    names = spec.get("names") or {}
    errors = [required(f"spec.{key}") for key in ("group", "scope") if not spec.get(key)]
    errors += [required(f"spec.names.{key}") for key in ("plural", "kind") if not names.get(key)]
    if spec.get("scope") and spec["scope"] not in ("Cluster", "Namespaced"):
        errors.append(not_supported("spec.scope", spec["scope"], ["Cluster", "Namespaced"]))
    name = (crd.get("metadata") or {}).get("name")
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if not errors and name != wanted and old is None:
        errors.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    for key in ("plural", "singular"):
        value = names.get(key)
        if value:
            errors += [invalid(f"spec.names.{key}", value, text) for text in naming.dns_1035(str(value))]
    return errors


def _check_protected(crd: Object, spec: Object) -> list[FieldError]:
    group = str(spec.get("group") or "")
    annotations = (crd.get("metadata") or {}).get("annotations") or {}
    if not any(group == name or group.endswith(f".{name}") for name in _PROTECTED) or annotations.get(_APPROVAL):
        return []
    text = f'protected groups must have approval annotation "{_APPROVAL}", '
    text += "see https://github.com/kubernetes/enhancements/pull/1111"
    return [required(f"metadata.annotations[{_APPROVAL}]", text)]


def _check_conversion(spec: Object) -> list[FieldError]:
    conversion = spec.get("conversion") or {}
    if conversion.get("strategy", "None") == "None":
        return []
    if conversion["strategy"] != "Webhook":
        return [not_supported("spec.conversion.strategy", conversion["strategy"], ["None", "Webhook"])]
    webhook, errors = conversion.get("webhook") or {}, []
    if not webhook.get("conversionReviewVersions"):
        errors.append(required("spec.conversion.conversionReviewVersions"))
    if not webhook.get("clientConfig"):
        errors.append(required("spec.conversion.webhookClientConfig", "required when strategy is set to Webhook"))
    return errors


def _check_versions(spec: Object) -> list[FieldError]:
    versions = spec.get("versions") or []
    shared = {key: bool(versions) and all(version.get(key) == versions[0].get(key) for version in versions)
              for key in ("schema", "additionalPrinterColumns", "subresources", "selectableFields")}  # fmt: skip
    errors: list[FieldError] = []
    stored = [version.get("name") for version in versions if version.get("storage")]
    if len(stored) != 1:
        shown = [_shown(version, shared) for version in versions]
        errors.append(invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
        if stored:
            text = f"must have the storage version {stored[-1]}"
            errors.append(invalid("status.storedVersions", stored[:1], text))
        else:
            errors.append(invalid("status.storedVersions", None, "must have at least one stored version"))
    for index, version in enumerate(versions):
        # What all versions agree on is looked at as one, and its errors have the path of the shared one.
        path = f"spec.versions[{index}]"
        schema = "spec.validation" if shared["schema"] else f"{path}.schema"
        columns = "spec" if shared["additionalPrinterColumns"] else path
        errors += [error for error in _check_version(version, path, schema, columns) if error not in errors]
    return errors


def _shown(version: Object, shared: dict[str, bool]) -> Ordered:
    """A version as the API server shows one: what all versions share is not in it."""
    own = {key: None if hoisted else version.get(key) for key, hoisted in shared.items()}
    return Ordered(
        Name=version.get("name", ""),
        Served=bool(version.get("served")),
        Storage=bool(version.get("storage")),
        Deprecated=bool(version.get("deprecated")),
        DeprecationWarning=version.get("deprecationWarning"),
        Schema=own["schema"],
        Subresources=own["subresources"],
        AdditionalPrinterColumns=own["additionalPrinterColumns"],
        SelectableFields=own["selectableFields"],
    )


def _check_version(version: Object, path: str, schema_path: str, columns_path: str) -> list[FieldError]:
    if not version.get("name"):
        return [required(f"{path}.name")]
    raw = (version.get("schema") or {}).get("openAPIV3Schema")
    if raw is None:
        return [required(f"{path}.schema.openAPIV3Schema")]
    here = f"{schema_path}.openAPIV3Schema"
    errors = structural.check(raw, here)
    if not errors and structural.has_rules(raw):
        from kaito.local.schema import cel_rules  # brings the CEL library along: only for definitions with rules

        errors += cel_rules.check(raw, here)
    if not errors:
        errors += check_defaults(raw, here)
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        where = f"{columns_path}.additionalPrinterColumns[{index}]"
        errors += [required(f"{where}.{key}") for key in ("name", "type", "jsonPath") if not column.get(key)]
        if column.get("type") and column["type"] not in _COLUMN_TYPES:
            errors.append(invalid(f"{where}.type", column["type"], f"must be one of {','.join(_COLUMN_TYPES)}"))
    return errors
