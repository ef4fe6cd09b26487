"""Discovery: the groups, versions and resources that a set of kinds makes, in the old and the aggregated form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kaito.local.schema.registry import Type

Document = dict[str, Any]
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_STAGES = {None: 2, "beta": 1, "alpha": 0}


def version_rank(version: str) -> tuple[int, int, int]:
    """Sorts versions as Kubernetes does: v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > anything else."""
    match = _VERSION.fullmatch(version)
    if not match:
        return (-1, 0, 0)
    major, stage, minor = match.groups()
    return (_STAGES[stage], int(major), int(minor or 0))


def groups_of(types: Iterable[Type]) -> dict[str, list[str]]:
    """Each named group with its versions, the preferred first."""
    found: dict[str, set[str]] = {}
    for type in types:
        if type.group:
            found.setdefault(type.group, set()).add(type.version)
    return {group: sorted(versions, key=version_rank, reverse=True) for group, versions in found.items()}


def api_versions(address: str) -> Document:
    """`/api`."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def api_group(group: str, versions: list[str]) -> Document:
    """One entry of `/apis`; also, with kind and apiVersion, the answer of `/apis/<group>`."""
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def group_list(types: Iterable[Type]) -> Document:
    """`/apis`."""
    groups = [api_group(group, versions) for group, versions in groups_of(types).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def resource_list(types: Iterable[Type], group: str, version: str) -> Document:
    """`/api/v1` and `/apis/<group>/<version>`."""
    resources: list[Document] = []
    for type in types:
        if (type.group, type.version) == (group, version):
            resources.append(_resource(type))
            resources += [_subresource(type, name) for name in type.subresources]
    group_version = f"{group}/{version}" if group else version
    head = {"kind": "APIResourceList", "groupVersion": group_version, "resources": resources}
    return {**head, "apiVersion": "v1"} if group else head


def _resource(type: Type) -> Document:
    entry: Document = {
        "name": type.plural,
        "singularName": type.singular,
        "namespaced": type.namespaced,
        "kind": type.kind,
        "verbs": _verbs(type),
    }
    if type.short_names:
        entry["shortNames"] = list(type.short_names)
    if type.categories:
        entry["categories"] = list(type.categories)
    return entry


def _verbs(type: Type) -> list[str]:
    """In the order in which a real server names them."""
    if type.custom:
        return [verb for verb in _CUSTOM_VERBS if verb in type.verbs]
    if type.kind == "Namespace":
        return [verb for verb in type.verbs if verb != "deletecollection"]
    return list(type.verbs)


def _subresource_verbs(name: str) -> list[str]:
    return {
        "log": ["get"],
        "binding": ["create"],
        "eviction": ["create"],
        "token": ["create"],
        "finalize": ["update"],
        **{key: ["create", "get"] for key in ("attach", "exec", "portforward")},
        "proxy": ["create", "delete", "get", "patch", "update"],
    }.get(name, ["get", "patch", "update"])


def _subresource_kind(type: Type, name: str) -> tuple[str, str, str]:
    for subresource, group, version, kind in type.subresource_kinds:
        if subresource == name:
            return group, version, kind
    if name in ("attach", "exec", "portforward", "proxy"):
        return (
            "",
            "v1",
            f"{type.kind}{ {'portforward': 'PortForward'}.get(name, name.title()) }Options".replace(" ", ""),
        )
    return type.group, type.version, type.kind


def _subresource(type: Type, name: str) -> Document:
    group, version, kind = _subresource_kind(type, name)
    entry: Document = {
        "name": f"{type.plural}/{name}",
        "singularName": "",
        "namespaced": type.namespaced,
        "kind": kind,
        "verbs": _subresource_verbs(name),
    }
    if (group, version) != (type.group, type.version):
        entry.update(group=group, version=version)
    return entry


def aggregated(types: Iterable[Type], *, core: bool) -> Document:
    """`/api` (core) and `/apis` in the aggregated form, `APIGroupDiscoveryList` v2."""
    chosen = [type for type in types if (not type.group) == core]
    groups = {"": ["v1"]} if core else groups_of(chosen)
    items = []
    for group, versions in groups.items():
        entries = [
            {
                "version": version,
                "resources": [_aggregated(t) for t in chosen if (t.group, t.version) == (group, version)],
                "freshness": "Current",
            }
            for version in versions
        ]
        metadata: Document = {"creationTimestamp": None}
        if group:
            metadata["name"] = group
        items.append({"metadata": metadata, "versions": entries})
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
    return {**head, "items": items}


def _kind(group: str, version: str, kind: str) -> Document:
    return {"group": group, "version": version, "kind": kind}


def _response_kind(type: Type, group: str, version: str, kind: str) -> Document:
    """A built-in resource leaves the group and version out where they are those of the entry itself."""
    if not type.custom and (group, version) == (type.group, type.version):
        return _kind("", "", kind)
    return _kind(group, version, kind)


def _aggregated(type: Type) -> Document:
    entry: Document = {
        "resource": type.plural,
        "responseKind": _response_kind(type, type.group, type.version, type.kind),
        "scope": "Namespaced" if type.namespaced else "Cluster",
        "singularResource": type.singular,
        "verbs": _verbs(type),
    }
    if type.short_names:
        entry["shortNames"] = list(type.short_names)
    if type.categories:
        entry["categories"] = list(type.categories)
    if type.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _response_kind(type, *_subresource_kind(type, name)),
                "verbs": _subresource_verbs(name),
            }
            for name in type.subresources
        ]
    return entry
