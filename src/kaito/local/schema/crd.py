"""CustomResourceDefinitions compiled into kinds: a `Type` per version, with its schema and its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaito.local.schema import structural
from kaito.local.schema.fields import ANY, Schema
from kaito.local.schema.registry import Column, Type

Object = dict[str, Any]
_AGE_TEXT = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
_AGE = Column("Age", "date", description=_AGE_TEXT, json_path=".metadata.creationTimestamp")
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


@dataclass(frozen=True)
class CompiledCRD:
    """All versions of one CustomResourceDefinition."""

    name: str
    group: str
    kind: str
    plural: str
    versions: dict[str, CompiledVersion]
    list_kind: str = ""
    # The `clientConfig` of the conversion webhook and the reviews that it understands; None without a webhook.
    webhook: Object | None = None
    review_versions: tuple[str, ...] = ()

    @property
    def storage(self) -> CompiledVersion:
        return next(version for version in self.versions.values() if version.storage)

    @property
    def types(self) -> list[Type]:
        """The served kinds, in the order of the definition."""
        return [version.type for version in self.versions.values() if version.served]

    def renamed(self, obj: Object, version: str) -> Object:
        """The object as another version shows it without a webhook: only `apiVersion` changes."""
        wanted = self.versions[version].type.api_version
        return obj if obj.get("apiVersion") == wanted else {**obj, "apiVersion": wanted}


def compile(crd: Object) -> CompiledCRD:
    """Compile a valid definition; call `crd_validate.validate` first for one that a user sent."""
    spec = crd["spec"]
    names = spec["names"]
    versions = {version["name"]: _compile_version(spec, version) for version in spec["versions"]}
    conversion = spec.get("conversion") or {}
    hook = (conversion.get("webhook") or {}) if conversion.get("strategy") == "Webhook" else {}
    return CompiledCRD(
        name=f"{names['plural']}.{spec['group']}",
        group=spec["group"],
        kind=names["kind"],
        plural=names["plural"],
        versions=versions,
        list_kind=names.get("listKind") or f"{names['kind']}List",
        webhook=hook.get("clientConfig"),
        review_versions=tuple(hook.get("conversionReviewVersions") or ()),
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
        selectable=tuple(item["jsonPath"].removeprefix(".") for item in version.get("selectableFields") or ()),
        custom=True,
        schema=schema,
        subresource_kinds=(_SCALE,) if scale else (),
        replica_paths=(scale["specReplicasPath"], scale["statusReplicasPath"]) if scale else (),
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
