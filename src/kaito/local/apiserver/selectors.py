"""Label and field selectors of list, watch and deletecollection requests."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kaito.local.apiserver.selector_words import complaint
from kaito.local.apiserver.status import bad_request
from kaito.local.schema.registry import Type

Object = dict[str, Any]
_REQUIREMENT = re.compile(
    r"\s*(?P<key>[A-Za-z0-9_./-]+)\s*(?:(?P<op>==|=|!=|>|<)\s*(?P<value>[A-Za-z0-9_.-]*)"
    r"|\s(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?\s*\Z"
)
_KEY = re.compile(r"([A-Za-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\Z")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?\Z")


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector."""

    key: str
    op: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.op == "exists":
            return value is not None
        if self.op == "!":
            return value is None
        if self.op == "in":
            return value in self.values
        if self.op == "notin":
            return value not in self.values
        try:
            number, bound = int(value or ""), int(self.values[0])
        except ValueError:
            return False
        return number > bound if self.op == ">" else number < bound


def _split(text: str) -> list[str]:
    """Terms between commas that are not inside parentheses."""
    terms, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            terms.append(text[start:index])
            start = index + 1
    return [*terms, text[start:]]


def parse_labels(text: str) -> list[Requirement]:
    """The requirements of a label selector. Raises StatusError (400)."""
    if not text.strip():
        return []
    return [_requirement(term, text) for term in _split(text)]


def _requirement(term: str, text: str) -> Requirement:
    absent = re.match(r"\s*!\s*([A-Za-z0-9_./-]+)\s*\Z", term)
    found = _REQUIREMENT.match(term)
    if absent:
        key, op, values = absent[1], "!", []
    elif found is None:
        raise bad_request(complaint(text))
    elif found["set"]:
        key, op, values = found["key"], found["set"], [value.strip() for value in found["values"].split(",")]
    elif found["op"]:
        key, op, values = found["key"], found["op"], [found["value"]]
    else:
        key, op, values = found["key"], "exists", []
    if not _KEY.match(key):
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": name part must consist of '
                          "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                          "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                          "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')")  # fmt: skip
    for index, value in enumerate(values):
        if len(value) > 63 or not _VALUE.match(value):
            raise bad_request(f'unable to parse requirement: values[{index}][{key}]: Invalid value: "{value}": a valid '
                              "label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                              "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
                              "or '12345', regex used for validation is "
                              "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")  # fmt: skip
    plain = {"=": "in", "==": "in", "!=": "notin"}.get(op, op)
    return Requirement(key, plain, tuple(values))


def labels_match(requirements: list[Requirement], obj: Object) -> bool:
    labels = obj.get("metadata", {}).get("labels") or {}
    return all(requirement.matches(labels) for requirement in requirements)


def _field(*path: str, default: str = "") -> Callable[[Object], str]:
    def read(obj: Object) -> str:
        value: Any = obj
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, bool):
            return "true" if value else "false"
        return default if value is None else str(value)

    return read


_META = {"metadata.name": _field("metadata", "name"), "metadata.namespace": _field("metadata", "namespace")}
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIELDS: dict[str, dict[str, Callable[[Object], str]]] = {
    "pods": {
        "spec.nodeName": _field("spec", "nodeName"),
        "spec.restartPolicy": _field("spec", "restartPolicy"),
        "spec.schedulerName": _field("spec", "schedulerName"),
        "spec.serviceAccountName": _field("spec", "serviceAccountName"),
        "spec.hostNetwork": _field("spec", "hostNetwork", default="false"),
        "status.phase": _field("status", "phase"),
        "status.podIP": _field("status", "podIP"),
        "status.podIPs": _field("status", "podIP"),
        "status.nominatedNodeName": _field("status", "nominatedNodeName"),
    },
    "events": {
        **{f"involvedObject.{key}": _field("involvedObject", key) for key in _INVOLVED},
        **{f"regarding.{key}": _field("involvedObject", key) for key in _INVOLVED},
        "reason": _field("reason"),
        "reportingComponent": _field("reportingComponent"),
        "reportingController": _field("reportingComponent"),
        "source": _field("source", "component"),
        "type": _field("type"),
    },
    "nodes": {"spec.unschedulable": _field("spec", "unschedulable", default="false")},
    "namespaces": {"status.phase": _field("status", "phase")},
    "secrets": {"type": _field("type")},
    "services": {"spec.clusterIP": _field("spec", "clusterIP"), "spec.type": _field("spec", "type")},
    "replicationcontrollers": {"status.replicas": _field("status", "replicas", default="0")},
    "replicasets.apps": {"status.replicas": _field("status", "replicas", default="0")},
    "jobs.batch": {"status.successful": _field("status", "succeeded", default="0")},
    "certificatesigningrequests.certificates.k8s.io": {"spec.signerName": _field("spec", "signerName")},
}


@dataclass(frozen=True)
class FieldTerm:
    """One ``path=value`` or ``path!=value``."""

    path: str
    equal: bool
    value: str
    read: Callable[[Object], str]

    def matches(self, obj: Object) -> bool:
        return (self.read(obj) == self.value) is self.equal


def parse_fields(type: Type, text: str) -> list[FieldTerm]:
    """The terms of a field selector, of those fields that the kind can be selected by. Raises StatusError (400)."""
    terms = []
    resource = "events" if type.kind == "Event" else type.group_resource
    known = _META | _FIELDS.get(resource, {}) | _selectable(type)
    if not type.namespaced:
        known = {path: read for path, read in known.items() if path != "metadata.namespace"}
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        found = re.match(r"(?P<path>[^=!]*)(?P<op>!=|==|=)(?P<value>.*)\Z", part)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        read = known.get(found["path"])
        if read is None:
            raise bad_request(_unknown_field(type, found["path"]))
        value = re.sub(r"\\([,=\\])", r"\1", found["value"])
        terms.append(FieldTerm(found["path"], found["op"] != "!=", value, read))
    return terms


def _selectable(type: Type) -> dict[str, Callable[[Object], str]]:
    return {path: _field(*path.split(".")) for path in type.selectable}


def _unknown_field(type: Type, path: str) -> str:
    if not type.custom and type.group_resource not in _FIELDS:
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {path}"
