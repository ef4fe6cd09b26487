"""CustomResourceDefinitions compiled into kinds: a `Type` per version, with its schema and its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaito.local.schema import openapi_validate, structural
from kaito.local.schema.errors import FieldError, invalid, not_supported, required
from kaito.local.schema.fields import ANY, Schema
from kaito.local.schema.registry import Column, Type

Object = dict[str, Any]
_AGE = Column("Age", "date", json_path=".metadata.creationTimestamp")
_SCALE = ("scale", "autoscaling", "v1", "Scale")


@dataclass(frozen=True)
class ScalePaths:
    """Where a custom kind keeps what the `scale` subresource shows."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


@dataclass(frozen=True)
class CompiledVersion:
    """One version of a custom kind."""

    type: Type
    schema: Schema
    served: bool
    storage: bool
    has_status: bool
    scale: ScalePaths | None
    deprecation_warning: str = ""

    def prune(self, obj: Object) -> tuple[Object, list[str]]:
        return structural.prune(self.schema, obj)

    def default(self, obj: Object) -> None:
        structural.apply_defaults(self.schema, obj)

    def validate(self, obj: Object) -> list[FieldError]:
        return openapi_validate.validate_object(self.schema.raw, obj)


@dataclass(frozen=True)
class CompiledCRD:
    """All versions of one CustomResourceDefinition."""

    name: str
    group: str
    kind: str
    plural: str
    versions: dict[str, CompiledVersion]
    list_kind: str = ""

    @property
    def storage(self) -> CompiledVersion:
        return next(version for version in self.versions.values() if version.storage)

    @property
    def types(self) -> list[Type]:
        """The served kinds, in the order of the definition."""
        return [version.type for version in self.versions.values() if version.served]

    def convert(self, obj: Object, version: str) -> Object:
        """The object as another version shows it: with the `None` strategy only `apiVersion` changes."""
        wanted = self.versions[version].type.api_version
        return obj if obj.get("apiVersion") == wanted else {**obj, "apiVersion": wanted}


def validate(crd: Object) -> list[FieldError]:
    """What is wrong with a definition, beyond the types of its fields."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    errors = [required(f"spec.{key}") for key in ("group", "scope") if not spec.get(key)]
    errors += [required(f"spec.names.{key}") for key in ("plural", "kind") if not names.get(key)]
    if spec.get("scope") and spec["scope"] not in ("Cluster", "Namespaced"):
        errors.append(not_supported("spec.scope", spec["scope"], ["Cluster", "Namespaced"]))
    name = (crd.get("metadata") or {}).get("name")
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if not errors and name != wanted:
        errors.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if not versions:
        errors.append(required("spec.versions", "must have at least one version"))
    stored = [version for version in versions if version.get("storage")]
    if versions and len(stored) != 1:
        errors.append(invalid("spec.versions", [v.get("name") for v in versions],
                              "must have exactly one version marked as storage version"))  # fmt: skip
    schemas = [version.get("schema") for version in versions]
    shared = bool(schemas) and all(schema == schemas[0] for schema in schemas)
    for index, version in enumerate(versions):
        # Versions that agree on their schema are looked at as one, and its errors have the path of the shared schema.
        where = "spec.validation" if shared else f"spec.versions[{index}].schema"
        found = _validate_version(version, f"spec.versions[{index}]", where)
        errors += [error for error in found if error not in errors]
    return errors


def _validate_version(version: Object, path: str, schema_path: str) -> list[FieldError]:
    if not version.get("name"):
        return [required(f"{path}.name")]
    raw = (version.get("schema") or {}).get("openAPIV3Schema")
    if raw is None:
        return [required(f"{path}.schema.openAPIV3Schema", "schemas are required")]
    errors = structural.check(raw, f"{schema_path}.openAPIV3Schema")
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        here = f"{path}.additionalPrinterColumns[{index}]"
        errors += [required(f"{here}.{key}") for key in ("name", "type", "jsonPath") if not column.get(key)]
    return errors


def unevaluated_rules(crd: Object) -> list[str]:
    """Where a definition has CEL rules (`x-kubernetes-validations`): kept but never evaluated: warn of them."""
    found: list[str] = []

    def walk(raw: Any, path: str) -> None:
        if isinstance(raw, dict):
            if raw.get("x-kubernetes-validations"):
                found.append(path)
            for name, child in (raw.get("properties") or {}).items():
                walk(child, f"{path}.{name}")
            walk(raw.get("items"), f"{path}[*]")
            walk(raw.get("additionalProperties"), f"{path}.*")

    for version in crd.get("spec", {}).get("versions") or ():
        walk((version.get("schema") or {}).get("openAPIV3Schema"), version.get("name", ""))
    return found


def compile(crd: Object) -> CompiledCRD:
    """Compile a valid definition; call `validate` first for one that a user sent."""
    spec = crd["spec"]
    names = spec["names"]
    versions = {version["name"]: _compile_version(spec, version) for version in spec["versions"]}
    return CompiledCRD(
        name=f"{names['plural']}.{spec['group']}",
        group=spec["group"],
        kind=names["kind"],
        plural=names["plural"],
        versions=versions,
        list_kind=names.get("listKind") or f"{names['kind']}List",
    )


def _compile_version(spec: Object, version: Object) -> CompiledVersion:
    names = spec["names"]
    raw = (version.get("schema") or {}).get("openAPIV3Schema")
    preserve_all = bool(spec.get("preserveUnknownFields"))
    schema = structural.build(raw or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, root=True)
    if preserve_all:
        schema.preserve, schema.items = True, ANY
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    has_status = "status" in subresources
    offered = (*(("scale",) if scale else ()), *(("status",) if has_status else ()))
    columns = tuple(
        Column(
            name=column["name"],
            type=column.get("type", "string"),
            format=column.get("format", ""),
            description=column.get("description", ""),
            priority=column.get("priority", 0),
            json_path=column.get("jsonPath", ""),
        )
        for column in version.get("additionalPrinterColumns") or ()
    )
    kind = Type(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=offered,
        columns=columns or (_AGE,),
        custom=True,
        schema=schema,
        subresource_kinds=(_SCALE,) if scale else (),
    )
    warning = ""
    if version.get("deprecated"):
        warning = version.get("deprecationWarning") or f"{kind.api_version} {kind.kind} is deprecated"
    paths = None
    if scale:
        selector = scale.get("labelSelectorPath", "")
        paths = ScalePaths(scale["specReplicasPath"], scale["statusReplicasPath"], selector)
    return CompiledVersion(
        type=kind,
        schema=schema,
        served=bool(version.get("served", True)),
        storage=bool(version.get("storage")),
        has_status=has_status,
        scale=paths,
        deprecation_warning=warning,
    )
