"""What admission says of the objects of some files: its own judges and facts, with the files in the cluster's place.

ConfigMaps and Secrets of the files are what the cluster would hold; all that is not in them is unknown, not missing.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from kaito.api import kinds
from kaito.api.crds import all_crds
from kaito.api.errors import SpecError
from kaito.cli import positions
from kaito.cli.envelope import is_fact, is_judgeable, is_kaito, kind_error, shape_errors
from kaito.cli.manifests import Manifest
from kaito.controllers import admission, judges
from kaito.controllers.admission_facts import ClusterFacts, FactSettings
from kaito.kube import errors, resources
from kaito.kube.client import Client, Response
from kaito.local.schema import crd as definitions
from kaito.local.schema import validation

Object = dict[str, Any]
ERROR: Final = "error"
WARNING: Final = "warning"
FACTS_SECONDS: Final = 60.0
"""Nothing is waited for: long enough for a slow disk."""
_KNOWN_KINDS: Final = {"ConfigMap": resources.CONFIG_MAPS, "Secret": resources.SECRETS}
_FIELD: Final = re.compile(r"""(?P<field>[A-Za-z](?:[\w./-]|\[\d+\]|\["[^"]*"\]|\[[\w./-]+\])*): (?P<text>.*)""", re.S)
_FAILED: Final = re.compile(r"^(decoding request|validation) failed: ")


@dataclass(frozen=True)
class Finding:
    """One thing wrong, or worth a word, where it is. ``line`` and ``column`` count from 1; 0 when there is none."""

    file: str
    line: int
    column: int
    kind: str
    name: str
    field: str
    message: str
    severity: str = ERROR


@dataclass(frozen=True)
class Verdict:
    """What was found, and how many objects were ``skipped``, being neither KAITO's nor facts for it."""

    findings: Sequence[Finding]
    skipped: int


class Files:
    """Answers for a cluster, from the ConfigMaps and Secrets of files; what is not among them is not known."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._objects: dict[str, Object] = {}
        for obj in objects:
            meta, resource = obj["metadata"], _KNOWN_KINDS[obj["kind"]]
            self._objects[resource.path(meta["namespace"], str(meta.get("name")))] = obj

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """The object at ``path``. Raises errors.Unavailable, as nobody can say what else the cluster holds."""
        if method != "GET" or path not in self._objects:
            raise errors.Unavailable(503, "ServiceUnavailable", f"{path} is not in the files")
        return Response(200, {}, _once(json.dumps(self._objects[path]).encode()))

    async def close(self) -> None:
        """Nothing is open."""


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def verdict(manifests: Sequence[Manifest], settings: FactSettings, *, namespace: str) -> Verdict:
    """Every object judged as if all were written to one cluster, into ``namespace`` where they name none."""
    helpers = [one for one in manifests if is_fact(one.value)]
    facts = ClusterFacts(Client(Files(_served(one.value, namespace) for one in helpers if _fit(one))), settings)
    configs = {_placed(one.value, namespace): one for one in helpers if one.value["kind"] == "ConfigMap" and _fit(one)}
    findings: list[Finding] = []
    skipped = 0
    for one in manifests:
        shape = list(shape_errors(one.value))
        findings += [_finding(one, error) for error in shape]
        if is_kaito(one.value) and is_judgeable(one.value):
            told = await _judged(one, facts, namespace)
            findings += [_in_config(found, one, configs, namespace) for found in _unsaid(told, shape)]
        elif not shape and not is_fact(one.value):
            skipped += 1
    findings += _repeated(manifests, namespace)
    return Verdict(sorted(findings, key=lambda found: (found.file, found.line, found.column)), skipped)


async def _judged(one: Manifest, facts: ClusterFacts, namespace: str) -> list[Finding]:
    obj = one.value
    kind = kind_error(obj)
    if kind is not None:
        return [_finding(one, kind)]
    written = _written(obj, namespace)
    request = {"operation": "CREATE", "object": written}
    said = judges.judge(obj["kind"], request, await admission.known(facts, request, seconds=FACTS_SECONDS))
    found = [_finding(one, error) for error in said.errors]
    if said.refusal is not None and not found:
        found = [_told(one, text) for text in _FAILED.sub("", said.refusal).splitlines()]
    told = [finding.field for finding in found]
    found += [_finding(one, error) for error in _schema_errors(written) if not _is_told(error.field, told)]
    warnings = [_told(one, text, severity=WARNING) for text in said.warnings]
    if warning := _deprecations().get((obj["kind"], obj["apiVersion"])):
        warnings.insert(0, _told(one, f"apiVersion: {warning}", severity=WARNING))
    return found + warnings


def _fit(one: Manifest) -> bool:
    return not list(shape_errors(one.value))


def _placed(obj: Object, namespace: str) -> tuple[str, str]:
    meta = obj.get("metadata") or {}
    return meta.get("namespace") or namespace, str(meta.get("name"))


def _served(obj: Object, namespace: str) -> Object:
    """A ConfigMap or Secret as a server would give it back."""
    data = {key: value or "" for part in ("data", "stringData") for key, value in (obj.get(part) or {}).items()}
    place = dict(zip(("namespace", "name"), _placed(obj, namespace), strict=True))
    return {"kind": obj["kind"], "metadata": place, "data": data}


def _written(obj: Object, namespace: str) -> Object:
    """The object as a server hands it to admission: in a namespace, without what it keeps itself."""
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if value is not None}
    meta.pop("deletionTimestamp", None)
    for part in ("labels", "annotations"):
        if isinstance(meta.get(part), dict):
            meta[part] = {key: value if isinstance(value, str) else "" for key, value in meta[part].items()}
    if kinds.KINDS[obj["kind"]].namespaced:
        meta = {"namespace": namespace} | meta
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": meta}


def _schema_errors(obj: Object) -> Iterator[SpecError]:
    """What an API server refuses by the definitions alone: types, values, rules in CEL, metadata."""
    version = _versions().get((obj["kind"], obj["apiVersion"]))
    if version is None:
        return
    prepared = json.loads(json.dumps(obj))
    if not prepared["metadata"].get("name") and prepared["metadata"].get("generateName"):
        prepared["metadata"]["name"] = f"{prepared['metadata']['generateName'][:58]}xxxxx"
    pruned, _ = version.prune(prepared)
    version.default(pruned)
    for error in validation.validate(version.type, pruned):
        if error.field != "<nil>":
            # The path of a definition's scale subresource begins with a dot.
            yield SpecError(error.field.lstrip("."), None, error.message)


@cache
def _versions() -> Mapping[tuple[str, str], definitions.CompiledVersion]:
    compiled = (definitions.compile(one) for one in all_crds())
    return {(one.kind, version.type.api_version): version for one in compiled for version in one.versions.values()}


@cache
def _deprecations() -> Mapping[tuple[str, str], str]:
    return {place: version.deprecation_warning for place, version in _versions().items()}


def _repeated(manifests: Sequence[Manifest], namespace: str) -> Iterator[Finding]:
    """A word on each object that another of the files has the name of: one of them would be lost."""
    first: dict[tuple[str, ...], Manifest] = {}
    for one in manifests:
        obj = one.value
        if not (is_fact(obj) or is_kaito(obj)) or not is_judgeable(obj) or not (obj.get("metadata") or {}).get("name"):
            continue
        info = kinds.KINDS.get(obj["kind"])
        space, name = _placed(obj, namespace if info is None or info.namespaced else "")
        before = first.setdefault((obj["kind"], space, name), one)
        if before is not one:
            yield _at(one, "metadata.name", f"{name!r} is a {obj['kind']} at {before.where} too: rename one", WARNING)


def _unsaid(findings: Iterable[Finding], shape: Sequence[SpecError]) -> list[Finding]:
    """What is not said by ``shape`` already."""
    told = [error.field for error in shape]
    return [one for one in findings if one.severity == WARNING or not _is_told(one.field, told)]


def _is_told(field: str, told: Iterable[str]) -> bool:
    """Whether something was said already of the field, or of a part of it or around it."""
    return any(field.startswith(one) or one.startswith(field) for one in told)


def _finding(one: Manifest, error: SpecError) -> Finding:
    return _at(one, error.field, str(error).removeprefix(f"{error.field}: "), ERROR)


def _told(one: Manifest, text: str, *, severity: str = ERROR) -> Finding:
    """From a sentence that begins with its field."""
    found = _FIELD.fullmatch(text)
    return _at(one, found["field"], found["text"], severity) if found else _at(one, "", text, severity)


def _at(one: Manifest, field: str, message: str, severity: str) -> Finding:
    line, column = one.place(field)
    meta = one.value.get("metadata")
    name = str((meta.get("name") or meta.get("generateName") or "") if isinstance(meta, dict) else "")
    return Finding(one.file, line, column, str(one.value.get("kind") or ""), name, field, message, severity)


def _in_config(found: Finding, one: Manifest, configs: Mapping[tuple[str, str], Manifest], namespace: str) -> Finding:
    """At the ConfigMap's own line when that is what is wrong: ``inference.config: KEY: vllm.max-model-len``."""
    field, _, rest = found.field.partition(": ")
    _, named, missing = positions.follow(one.node, field)
    place = (_placed(one.value, namespace)[0], str(named.value))
    if not rest or missing or place not in configs:
        return found
    config, (key, _, path) = configs[place], rest.partition(": ")
    (line, column), text, missing = positions.follow(config.node, f'data["{key}"]')
    if not missing and text.literal:
        line, column = _within(text, path.replace(": ", "."), line, column)
    return Finding(config.file, line, column, found.kind, found.name, found.field, found.message, found.severity)


def _within(text: positions.Node, path: str, line: int, column: int) -> tuple[int, int]:
    """The line of a file in which a field of the YAML text of a block stands; the block's key without ``path``."""
    try:
        inner = positions.documents(text.value)
    except positions.TextError as exc:
        return text.line + min(exc.line, text.value.count("\n") or 1), 1
    if not inner or not path:
        return line, column
    inside, _ = positions.place(inner[0], path)
    return text.line + inside, 1
