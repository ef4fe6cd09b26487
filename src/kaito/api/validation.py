"""What a Workspace may say, judged from the object alone: no cluster, no network.

Rules carry the numbers of the v0.12 contract (W identity, R resource, I inference, A adapters, T tuning).
What only the cluster knows becomes a condition, never a refusal.
"""

import math
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from kaito.api import keys
from kaito.api.errors import SpecError
from kaito.api.selectors import as_labels, user_labels
from kaito.api.sources import destination_errors, source_errors
from kaito.api.workspace import AdapterSpec, InferenceSpec, PartitionMode, ResourceSpec, TuningSpec, Workspace

MAX_ADAPTERS = 10
_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_MIG = re.compile(r"^[1-9]\d*g\.[1-9][\d.]*gb$")
_CHOICES = {
    keys.PERFORMANCE_MODE: ("balanced", "interactivity", "throughput"),
    keys.USE_LOCAL_WEIGHTS: ("true", "false"),
    keys.NODE_IMAGE_FAMILY: ("ubuntu", "azurelinux"),
    keys.BYPASS_RESOURCE_CHECKS: ("true", "false", ""),
}


def validate_create(workspace: Workspace) -> list[SpecError]:
    """Every reason to refuse a new Workspace."""
    return list(
        chain(
            _identity(workspace),
            _annotations(workspace, {}),
            _resource(workspace),
            _inference(workspace.inference, _runtime(workspace)) if workspace.inference else (),
            _tuning(workspace.tuning) if workspace.tuning else (),
        )
    )


def validate_update(old: Workspace, new: Workspace) -> list[SpecError]:
    """Every reason to refuse a change. A Workspace that is being deleted may always change."""
    if new.metadata.get("deletionTimestamp"):
        return []
    return list(
        chain(
            _annotations(new, old.annotations),
            _toggled(old, new),
            _resource_change(old.resource, new.resource) if old.resource and new.resource else (),
            _inference_change(old, new),
            _tuning_change(old.tuning, new.tuning) if old.tuning and new.tuning else (),
        )
    )


def preset_name_problem(name: str) -> str | None:
    """Why ``name`` can be neither a catalogue name, a Hugging Face id nor a folder; None when it may be one.

    A folder is named by its absolute path on the node, which a local cluster shares with its user.
    """
    if name.startswith("/"):
        plain = "//" not in name and ".." not in name.split("/") and len(name) > 1
        return None if plain else "is not a plain path: write the folder's absolute path without .. and //"
    if "/" not in name:
        good = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        return None if good else "is not a model name: use a catalogue name or org/model"
    good = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name, re.ASCII)
    return None if good else "is not a Hugging Face id: write it as org/model"


def _runtime(workspace: Workspace) -> str:
    return "transformers" if workspace.annotations.get(keys.RUNTIME) == "transformers" else "vllm"


def _identity(workspace: Workspace) -> Iterator[SpecError]:
    name = workspace.name
    if workspace.metadata.get("generateName") and not name:
        name = str(workspace.metadata["generateName"]) + "xxxxx"
    if not _LABEL.match(name):
        fix = "must be lower-case letters, digits and '-', beginning and ending with a letter or digit"
        yield SpecError("metadata.name", name, fix)
    elif len(name) > keys.MAX_WORKSPACE_NAME:
        fix = f"has {len(name)} characters and its pods' labels have room for {keys.MAX_WORKSPACE_NAME}: shorten it"
        yield SpecError("metadata.name", name, fix)
    if workspace.inference is None and workspace.tuning is None:
        yield SpecError("inference", None, "is missing: set either inference or tuning")
    if workspace.inference is not None and workspace.tuning is not None:
        yield SpecError("tuning", None, "cannot stand beside inference: make it a Workspace of its own")


def _annotations(workspace: Workspace, before: Any) -> Iterator[SpecError]:
    for key, allowed in _CHOICES.items():
        value = workspace.annotations.get(key)
        if value is None or value == before.get(key):
            continue
        said = value.strip().lower() if key == keys.NODE_IMAGE_FAMILY else value
        if said not in allowed:
            fix = f"is not allowed: use {' or '.join(repr(a) for a in allowed if a)}"
            yield SpecError(f'metadata.annotations["{key}"]', value, fix)


def _resource(workspace: Workspace) -> Iterator[SpecError]:
    resource = workspace.resource
    if resource is None:
        return
    try:
        labels = as_labels(resource.label_selector, "resource.labelSelector")
    except SpecError as exc:
        yield exc
        return
    if labels and not user_labels(labels):
        fix = "holds only labels that KAITO sets itself: name a label of your nodes"
        yield SpecError("resource.labelSelector.matchLabels", labels, fix)
    if workspace.tuning is not None and (resource.count or 1) > 1:
        yield SpecError("resource.count", resource.count, "must be 1: tuning runs on one node")
    yield from _partition(resource, tuning=workspace.tuning is not None)


def _partition(resource: ResourceSpec, *, tuning: bool) -> Iterator[SpecError]:
    part, field = resource.partition, "resource.partition"
    if part is None:
        return
    if tuning:
        yield SpecError(field, None, "is not supported for tuning: remove it")
    if resource.instance_type:
        yield SpecError(field, None, "needs brought nodes: remove it or resource.instanceType")
    if part.mode is PartitionMode.mig:
        if part.count is not None:
            yield SpecError(f"{field}.count", part.count, "belongs to mode accelerator: remove it")
        if not _MIG.match(part.profile or ""):
            yield SpecError(f"{field}.profile", part.profile, "is not a MIG profile: write it as 1g.10gb")
        return
    if part.profile:
        yield SpecError(f"{field}.profile", part.profile, "belongs to mode mig: remove it")
    if part.count is None:
        yield SpecError(f"{field}.count", None, "is required with mode accelerator: say how many GPUs")


def _inference(spec: InferenceSpec, runtime: str) -> Iterator[SpecError]:
    if spec.preset is None and spec.template is None:
        yield SpecError("inference.preset", None, "is missing: set either preset or template")
    if spec.preset is not None and spec.template is not None:
        yield SpecError("inference.template", None, "cannot stand beside preset: remove one of them")
    if spec.preset is not None and (problem := preset_name_problem(spec.preset.name)):
        yield SpecError("inference.preset.name", spec.preset.name, problem)
    yield from _adapters(spec.adapters or [], runtime)


def _adapters(adapters: list[AdapterSpec], runtime: str) -> Iterator[SpecError]:
    if len(adapters) > MAX_ADAPTERS:
        yield SpecError("inference.adapters", None, f"holds {len(adapters)} and at most {MAX_ADAPTERS} are served")
    seen: set[str] = set()
    for number, adapter in enumerate(adapters):
        field = f"inference.adapters[{number}]"
        yield from _strength(adapter.strength, f"{field}.strength", runtime)
        if adapter.source is None:
            yield SpecError(f"{field}.source", None, "is required: say where the adapter is")
            continue
        name = adapter.source.name or ""
        if not _SUBDOMAIN.match(name):
            yield SpecError(f"{field}.source.name", name, "must be a DNS name: lower-case letters, digits, '-', '.'")
        elif name in seen:
            yield SpecError(f"{field}.source.name", name, "is there twice: give each adapter a name of its own")
        seen.add(name)
        if adapter.source.urls:
            yield SpecError(f"{field}.source.urls", None, "is not supported for adapters: use image or volumeSource")
        else:
            yield from source_errors(adapter.source, f"{field}.source")


def _strength(strength: str | None, field: str, runtime: str) -> Iterator[SpecError]:
    if strength is None:
        return
    try:
        value = float(strength)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        yield SpecError(field, strength, "must be a number from 0 to 1")
    elif value != 1 and runtime == "vllm":
        yield SpecError(field, strength, "is not supported by the vllm runtime: remove it or use transformers")


def _tuning(spec: TuningSpec) -> Iterator[SpecError]:
    if (spec.method or "").lower() not in ("lora", "qlora"):
        yield SpecError("tuning.method", spec.method, "is not allowed: use lora or qlora")
    if spec.preset is None:
        yield SpecError("tuning.preset", None, "is required: name the model to tune")
    elif problem := preset_name_problem(spec.preset.name):
        yield SpecError("tuning.preset.name", spec.preset.name, problem)
    yield from source_errors(spec.input, "tuning.input")
    yield from destination_errors(spec.output, "tuning.output")


def _toggled(old: Workspace, new: Workspace) -> Iterator[SpecError]:
    for part in ("inference", "tuning"):
        if (getattr(old, part) is None) != (getattr(new, part) is None):
            yield SpecError(part, None, "cannot be added or removed later: make a new Workspace")


def _resource_change(old: ResourceSpec, new: ResourceSpec) -> Iterator[SpecError]:
    for name in ("count", "instance_type", "partition"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after and before not in (None, "") and after not in (None, ""):
            wire = ResourceSpec.model_fields[name].alias
            shown = after if isinstance(after, str | int) else None
            yield SpecError(f"resource.{wire}", shown, "cannot be changed: make a new Workspace")
    try:
        same = as_labels(old.label_selector, "") == as_labels(new.label_selector, "resource.labelSelector")
    except SpecError as exc:
        yield exc
        return
    if not same:
        yield SpecError("resource.labelSelector", None, "cannot be changed: make a new Workspace")


def _inference_change(old: Workspace, new: Workspace) -> Iterator[SpecError]:
    before, after = old.inference, new.inference
    if before is None or after is None:
        return
    if before.preset != after.preset:
        name = after.preset.name if after.preset else None
        yield SpecError("inference.preset", name, "cannot be changed: make a new Workspace")
    if (before.template is None) != (after.template is None):
        yield SpecError("inference.template", None, "cannot be added or removed later: make a new Workspace")
    if before.adapters != after.adapters:
        yield from _adapters(after.adapters or [], _runtime(new))


def _tuning_change(old: TuningSpec, new: TuningSpec) -> Iterator[SpecError]:
    if old.preset != new.preset:
        yield SpecError("tuning.preset", new.preset.name if new.preset else None, "cannot be changed")
    if (old.method or "").lower() != (new.method or "").lower():
        yield SpecError("tuning.method", new.method, "cannot be changed: make a new Workspace")
    if old.input != new.input:
        yield from source_errors(new.input, "tuning.input")
    if old.output != new.output:
        yield from destination_errors(new.output, "tuning.output")
