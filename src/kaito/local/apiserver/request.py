"""What a request asks, apart from any HTTP library: its path as a target, its options, its body, its answer's form."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
import yaml

from kaito.local.apiserver import status
from kaito.local.schema import wire

Object = dict[str, Any]
_SHOWN_BYTES = 30
BODY_LIMIT = 3 * 1024 * 1024
DEPTH_LIMIT = 200
"""Levels of a body: what is deeper could be read but not kept."""
ALIAS_LIMIT = 100_000
"""Values that a short YAML may become: references to references grow without bound."""
JSON, YAML = "application/json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
PATCHES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


@dataclass
class Request:
    """One request. ``path`` is still quoted; header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    options: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.options = {}
        for key, value in parse_qsl(self.query, keep_blank_values=True):
            self.options.setdefault(key, []).append(value)

    def option(self, name: str, default: str = "") -> str:
        return self.options.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        """A boolean option, as Go's parser reads it: present and not "false" or "0" is true."""
        return name in self.options and self.option(name).lower() not in ("false", "0", "f")


@dataclass
class Response:
    """One answer; the body is whole, or comes in chunks."""

    status: int
    body: bytes | AsyncIterator[bytes]
    content_type: str = JSON
    warnings: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """The place in the API that a path names."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str
    subresource: str
    rest: str = ""


def parse_target(path: str) -> Target | None:
    """The target of a resource path; None for any other path."""
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts and parts[-1] == "" and len(parts) < 7:
        parts.pop()
    if len(parts) >= 3 and parts[0] == "api":
        group, version, parts = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) >= 3 and (group or parts[2] not in ("status", "finalize")):
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = (*parts[:3], "", "")[:3]
    if parts[0] == "namespaces" and not group and len(parts) == 2:
        namespace = ""
    return Target(group, version, namespace, plural, name, subresource, "/".join(parts[3:]))


@dataclass(frozen=True)
class Wanted:
    """The form in which the client wants the answer."""

    kind: str = ""  # "", Table, PartialObjectMetadata, PartialObjectMetadataList, APIGroupDiscoveryList
    yaml: bool = False
    protobuf: bool = False
    # Objects of custom kinds are shown with their keys in order, as no struct gives them another.
    ordered: bool = False
    pretty: bool = False

    @property
    def content_type(self) -> str:
        return PROTOBUF if self.protobuf else YAML if self.yaml else JSON


_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def negotiate(accept: str, *, forms: tuple[str, ...] = _FORMS, custom: bool = False) -> Wanted:
    """The first form in an Accept header that this server can give; protobuf only for want of any other.

    Raises StatusError (406).
    """
    if not accept.strip():
        return Wanted(ordered=custom)
    ordered = custom
    for item in accept.split(","):
        media, *parameters = [part.strip() for part in item.split(";")]
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media not in (JSON, YAML, "*/*", "text/yaml") and not (custom and media == "application/*"):
            continue
        form = given.get("as", "")
        if form and (form not in forms or not _known_form(form, given)):
            custom = True  # the type is known, the form is not: that is said plainly, whatever the kind
            continue
        return Wanted(form, media == YAML, ordered=ordered)
    if not ordered and PROTOBUF in (item.strip() for item in accept.split(",")):
        return Wanted(protobuf=True)
    raise status.not_acceptable([JSON, YAML, PROTOBUF], custom=custom)


def answerable(accept: str) -> Wanted:
    """The form of a refusal: JSON, or protobuf for a client that names nothing else."""
    only_protobuf = PROTOBUF in accept and all(item.strip() == PROTOBUF for item in accept.split(","))
    return Wanted(protobuf=only_protobuf)


def _known_form(form: str, given: Mapping[str, str]) -> bool:
    if form == "APIGroupDiscoveryList":
        return (given.get("g"), given.get("v")) == ("apidiscovery.k8s.io", "v2")
    return (given.get("g"), given.get("v")) == ("meta.k8s.io", "v1")


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML whose dates stay text, as in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in _Loader.yaml_implicit_resolvers.items()
}


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def read_body(request: Request, *, limit: int = BODY_LIMIT, merged: bool = False, custom: bool = False) -> Any:
    """The decoded body of a create or an update; ``merged``: what comes twice in an object goes together.

    A custom kind has no binary form.

    Raises StatusError (400, 413, 415).
    """
    if len(request.body) > limit:
        raise status.StatusError.of(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}", {})
    given = request.headers.get("content-type", "")
    media = media_type(request) or (given or JSON)
    if media == PROTOBUF and not custom:
        return _unwrapped(request.body)
    if media not in (JSON, YAML, "text/yaml", "*/*"):
        raise status.unsupported_media_type([JSON, YAML, PROTOBUF])
    if merged and "yaml" not in media:
        return _fold(json.loads(request.body, object_pairs_hook=_Pairs), "", [])
    return parse(request.body, is_yaml="yaml" in media)


def _unwrapped(body: bytes) -> Object:
    try:
        return wire.decode(body)
    except wire.WireError as exc:
        raise status.bad_request(str(exc)) from exc


def parse(raw: bytes, *, is_yaml: bool = False) -> Any:
    """JSON or YAML. Raises StatusError (400)."""
    try:
        if not is_yaml:
            value = orjson.loads(raw)
            if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT:
                _check_size(value, len(raw))
            return value
    except orjson.JSONDecodeError as exc:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {_go_value(raw, exc)}") from exc
    try:
        value = yaml.load(raw, Loader=_Loader)
        _check_size(value, max(len(raw), ALIAS_LIMIT))
        return value
    except RecursionError as exc:
        raise _too_deep() from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line}: " if mark is not None else ""
        text = f"yaml: {where}{getattr(exc, 'problem', None) or exc}"
        raise status.bad_request(f"error converting YAML to JSON: {text}") from exc


def _check_size(value: Any, most: int) -> None:
    """Raises StatusError (400) for what is nested too deeply, or has more values than ``most``."""
    waiting, seen = [(value, 1)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > DEPTH_LIMIT:
            raise _too_deep()
        if seen > most:
            raise status.bad_request("error converting YAML to JSON: yaml: document contains excessive aliasing")
        if isinstance(item, dict):
            waiting += [(child, depth + 1) for child in item.values()]
        elif isinstance(item, list):
            waiting += [(child, depth + 1) for child in item]


def _too_deep() -> status.StatusError:
    return status.bad_request(f"the object is nested more than {DEPTH_LIMIT} levels deep")


def _go_value(raw: bytes, exc: orjson.JSONDecodeError) -> str:
    """orjson's complaint in the words of Go's decoder, where they are easy to tell."""
    if not raw.strip() or exc.pos >= len(exc.doc.rstrip()):
        return "unexpected end of JSON input"
    char, before = exc.doc[exc.pos], exc.doc[: exc.pos].rstrip()
    if _is_whole(before):
        return f"invalid character '{char}' after top-level value"
    expected = "beginning of value"
    if before.endswith("{") or (before.endswith(",") and _inside_object(before)):
        expected = "beginning of object key string"
    if not before or before[-1] in "{,:[":
        return f"invalid character '{char}' looking for {expected}"
    after = "object key:value pair" if _inside_object(before) else "array element"
    return f"invalid character '{char}' after {after}"


def _is_whole(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _inside_object(text: str) -> bool:
    """True when the innermost bracket that is still open is an object's."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    opened: list[str] = []
    for char in bare:
        if char in "{[":
            opened.append(char)
        elif char in "}]" and opened:
            opened.pop()
    return bool(opened) and opened[-1] == "{"


def not_an_object(value: Any) -> str:
    """What Go's decoder says of JSON that is no object."""
    word = {list: "array", str: "string", bool: "bool", type(None): "null"}.get(type(value), "number")
    tags = 'APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\""'
    return f"json parse error: json: cannot unmarshal {word} into Go value of type struct {{ {tags} }}"


def summary(raw: bytes) -> str:
    """The start of a body, as a refusal shows it: JSON as it is, anything else in hexadecimal."""
    if not raw:
        return "<empty>"
    more = " ..." if len(raw) > _SHOWN_BYTES else ""
    start = raw[:_SHOWN_BYTES]
    return (start.decode(errors="replace") if raw[:1] == b"{" else start.hex()) + more


def repeated_keys(raw: bytes) -> list[str]:
    """What YAML holds twice in one map, with its line. Rubbish has none: its reader says what it is."""
    found: list[str] = []
    walked: set[int] = set()

    def walk(node: Any) -> None:
        if id(node) in walked:  # an alias: its anchor was looked at
            return
        walked.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if isinstance(key.value, str) and key.value in seen:
                    found.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
                seen.add(str(key.value))
                walk(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                walk(item)

    try:
        walk(yaml.compose(raw, Loader=_Loader))
    except yaml.YAMLError:
        return []
    return found


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, doubled keys included."""


def duplicate_fields(raw: bytes) -> list[str]:
    """Paths of keys that a JSON object holds twice: a strict request is refused for them."""
    if not _might_repeat(raw):
        return []
    found: list[str] = []
    _fold(json.loads(raw, object_pairs_hook=_Pairs), "", found)
    return list(dict.fromkeys(found))


def _fold(value: Any, path: str, found: list[str]) -> Any:
    """Objects out of pairs: what comes twice is merged, as Go's decoder does, and noted."""
    if isinstance(value, _Pairs):
        result: Object = {}
        for key, child in value:
            here = f"{path}.{key}" if path else key
            folded = _fold(child, here, found)
            if key in result:
                found.append(here)
                if isinstance(folded, dict) and isinstance(result[key], dict):
                    folded = result[key] | folded
            result[key] = folded
        return result
    if isinstance(value, list):
        return [_fold(child, f"{path}[{index}]", found) for index, child in enumerate(value)]
    return value


def _might_repeat(raw: bytes) -> bool:
    """Cheap: a doubled key is one that the decoded text lacks."""
    keys = len(re.findall(rb'"(?:[^"\\]|\\.)*"\s*:', raw))
    return keys != _count_keys(orjson.loads(raw))


def _count_keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_keys, value.values()))
    return sum(map(_count_keys, value)) if isinstance(value, list) else 0


def encode(value: Any, wanted: Wanted) -> bytes:
    """An answer's bytes. Raises StatusError (406) for one that has no binary form."""
    if wanted.protobuf:
        binary = wire.encode(value)
        if binary is None:
            raise status.not_acceptable([JSON, YAML])
        return binary
    if wanted.yaml:
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()
    order = orjson.OPT_SORT_KEYS if wanted.ordered else 0
    lines = orjson.OPT_INDENT_2 if wanted.pretty else 0
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | order | lines)
