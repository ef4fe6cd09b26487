"""Field schemas: one small class for builtin kinds (read from the generated models) and for custom ones.

A builtin schema resolves its fields when they are first asked for, so an idle server holds only the kinds in use.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from kaito.local.schema.merge_keys import (
    ATOMIC_MAPS,
    ATOMIC_STRUCTS,
    MAP_VALUES,
    RETAIN_KEYS_STRUCTS,
    ListRule,
    list_rule,
)
from kaito.local.schema.registry import Type

_NO_RULE = ListRule()
_MODELS = "lightkube.models"


class Schema:
    """What one value may be, and how it merges.

    `kind` is one of object, map, list, string, integer, number, boolean, int-or-string, quantity, time, any.
    """

    def __init__(
        self,
        kind: str,
        *,
        name: str = "",
        fields: Callable[[], dict[str, Schema]] | dict[str, Schema] | None = None,
        items: Schema | None = None,
        rule: ListRule = _NO_RULE,
        required: tuple[str, ...] = (),
        atomic: bool = False,
        retain_keys: bool = False,
        describe: Callable[[], tuple[str, dict[str, str]]] | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self._fields = fields
        self.items = items
        self.rule = rule
        self.required = required
        self.atomic = atomic
        self.retain_keys = retain_keys
        self._describe = describe
        # The fields below belong to custom kinds only; `crd` sets them.
        self.preserve = False
        self.embedded = False
        self.nullable = False
        self.has_default = False
        self.default: Any = None
        self.raw: dict[str, Any] = {}
        self.ruled = False  # whether the schema of a whole kind has rules anywhere

    def __repr__(self) -> str:
        return f"Schema({self.name or self.kind})"

    @cached_property
    def fields(self) -> dict[str, Schema]:
        fields = self._fields
        if fields is None:
            return {}
        return fields() if callable(fields) else fields

    @cached_property
    def descriptions(self) -> tuple[str, dict[str, str]]:
        """The kind's description and those of its fields."""
        return self._describe() if self._describe else ("", {})

    def child(self, key: str) -> Schema | None:
        """The schema of one key of an object or a map; None when the key is unknown."""
        if self.kind == "object":
            found = self.fields.get(key)
            return found if found is not None else self.items
        return self.items if self.kind == "map" else ANY if self.kind == "any" else None

    def merges_list(self) -> bool:
        """True when server-side apply owns the items of this list one by one."""
        return self.kind == "list" and (self.rule.is_set or bool(self.rule.keys))

    def merges_struct(self) -> bool:
        return self.kind in ("object", "map", "any") and not self.atomic


ANY = Schema("any", name="any")
STRING = Schema("string")
INTEGER = Schema("integer")
NUMBER = Schema("number")
BOOLEAN = Schema("boolean")
INT_OR_STRING = Schema("int-or-string", name="io.k8s.apimachinery.pkg.util.intstr.IntOrString")
QUANTITY = Schema("quantity", name="io.k8s.apimachinery.pkg.api.resource.Quantity")
TIME = Schema("time", name="io.k8s.apimachinery.pkg.apis.meta.v1.Time")
MICRO_TIME = Schema("time", name="io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime")
RAW = Schema("any", name="io.k8s.apimachinery.pkg.runtime.RawExtension")
FIELDS_V1 = Schema("any", name="io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", atomic=True)

_SCALARS: dict[str, Schema] = {
    "str": STRING,
    "int": INTEGER,
    "float": NUMBER,
    "bool": BOOLEAN,
    "Any": ANY,
    "IntOrString": INT_OR_STRING,
    "Quantity": QUANTITY,
    "Time": TIME,
    "MicroTime": MICRO_TIME,
    "RawExtension": RAW,
    "JSON": ANY,
    "JSONSchemaPropsOrArray": ANY,
    "JSONSchemaPropsOrBool": ANY,
    "JSONSchemaPropsOrStringArray": ANY,
    "CustomResourceSubresourceStatus": ANY,
}
_MAP_OF = {
    "any": Schema("map", items=ANY),
    "string": Schema("map", items=STRING),
    "quantity": Schema("map", items=QUANTITY),
    "strings": Schema("map", items=Schema("list", items=STRING)),
}
_ATOMIC_STRING_MAP = Schema("map", items=STRING, atomic=True)


def module_of(group: str, version: str) -> str:
    """`rbac.authorization.k8s.io/v1` is in the generated module `rbac_v1`."""
    return f"{group.partition('.')[0] or 'core'}_{version}"


def definition_name(module: str, model: str) -> str:
    """The name Kubernetes publishes for a model in its OpenAPI documents."""
    group, _, version = module.rpartition("_")
    package = {
        "meta": "io.k8s.apimachinery.pkg.apis.meta",
        "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        "apiregistration": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    }.get(group, f"io.k8s.api.{group}")
    return f"{package}.{version}.{model}"


def _hints(module: str, model: str) -> tuple[type, list[tuple[str, str]]]:
    cls = getattr(importlib.import_module(f"{_MODELS}.{module}"), model)
    annotations = cls.__annotations__
    names = zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True)
    return cls, [(json_name, annotations[name]) for name, json_name in names]


def _parse(hint: str) -> tuple[bool, bool, str]:
    """`Optional[List[core_v1.Container]]` is (optional, list, `core_v1.Container`)."""
    optional = hint.startswith("Optional[")
    inner = hint[9:-1] if optional else hint
    is_list = inner.startswith("List[")
    return optional, is_list, inner[5:-1] if is_list else inner


def _field(module: str, model: str, name: str, hint: str) -> Schema:
    _, is_list, inner = _parse(hint)
    path = f"{model}.{name}"
    owner, _, base = inner.rpartition(".")
    if base == "FieldsV1":
        value = FIELDS_V1
    elif base == "dict":
        value = _map(module, path, name)
    elif base in _SCALARS:
        value = _SCALARS[base]
    elif not isinstance(getattr(importlib.import_module(f"{_MODELS}.{owner or module}"), base), type):
        value = ANY  # an alias of Dict: a struct without fields
    else:
        value = builtin(owner or module, base, path in RETAIN_KEYS_STRUCTS)
    if not is_list:
        return value
    return Schema("list", items=value, rule=list_rule(model, name) or _NO_RULE)


def _map(module: str, path: str, name: str) -> Schema:
    if path in ATOMIC_MAPS:
        return _ATOMIC_STRING_MAP
    if path in ("ManagedFieldsEntry.fieldsV1", "Scale.fieldsV1"):
        return FIELDS_V1
    of = MAP_VALUES.get(name, "string")
    if of == "JSONSchemaProps":
        return Schema("map", items=builtin(module, of))
    if path in ("ControllerRevision.data", "DeviceAttribute.data", "Webhook.data"):
        return RAW
    return _MAP_OF[of]


@cache
def builtin(module: str, model: str, retain_keys: bool = False) -> Schema:
    """The schema of one generated model; its fields are read when first asked for."""

    def fields() -> dict[str, Schema]:
        return {name: _field(module, model, name, hint) for name, hint in _hints(module, model)[1]}

    cls, hints = _hints(module, model)
    required = tuple(name for name, hint in hints if not hint.startswith("Optional["))
    return Schema(
        "object",
        name=definition_name(module, model),
        fields=fields,
        required=required,
        atomic=model in ATOMIC_STRUCTS,
        retain_keys=retain_keys,
        describe=lambda: _descriptions(cls.__doc__ or ""),
    )


_BULLET = re.compile(r"^\s*\* \*\*(\S+)\*\* ``[^`]*`` - ", re.MULTILINE)


def _descriptions(doc: str) -> tuple[str, dict[str, str]]:
    """Split a model's docstring into the kind's text and its fields' texts."""
    head, _, tail = doc.partition("**parameters**")
    parts = _BULLET.split(tail)
    texts = {parts[i]: " ".join(parts[i + 1].split()) for i in range(1, len(parts) - 1, 2)}
    return " ".join(head.split()), texts


def schema_for(type: Type) -> Schema:
    """The schema of a kind: its own for a custom kind, the generated model's for a builtin."""
    if type.schema is not None:
        return type.schema
    return builtin(module_of(type.group, type.version), type.kind)


def object_meta() -> Schema:
    return builtin("meta_v1", "ObjectMeta")
