"""I and A rules: what is served, by which runtime, with which adapters."""

import math
from collections.abc import Iterator
from typing import Final

from kaito.api import keys
from kaito.api.errors import SpecError
from kaito.api.names import is_subdomain, preset_name_problem
from kaito.api.sources import source_errors
from kaito.api.validation.facts import AdmissionFacts, ModelAbsent
from kaito.api.validation.inference_config import config_errors
from kaito.api.validation.metadata import annotation, runtime
from kaito.api.workspace import AdapterSpec, InferenceSpec, PresetSpec, Workspace

MAX_ADAPTERS: Final = 10
NAME: Final = "inference.preset.name"
SECRET: Final = "inference.preset.presetOptions.modelAccessSecret"


def inference_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Model, runtime, adapters and configuration of a new Workspace."""
    spec = workspace.inference
    if spec is None:
        return
    if spec.preset is None and spec.template is None:
        yield SpecError("inference.preset", None, "is missing: set either preset or template")
    if spec.preset is not None and spec.template is not None:
        yield SpecError("inference.template", None, "cannot stand beside preset: remove one of them")
    if spec.preset is not None:
        yield from model_errors(spec.preset.name, NAME, facts)
        yield from _secret_errors(spec.preset, facts)
    yield from _runtime_errors(spec, runtime(workspace, facts), facts)
    yield from adapter_errors(spec.adapters or [], runtime(workspace, facts))
    yield from config_errors(workspace, facts)


def inference_change_errors(old: Workspace, new: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """The model stays; what is loaded beside it may change, and is judged when it does."""
    before, after = old.inference, new.inference
    if before is None or after is None:
        return
    if before.preset != after.preset:
        name = after.preset.name if after.preset else None
        yield SpecError("inference.preset", name, "cannot be changed: make a new Workspace")
    if (before.template is None) != (after.template is None):
        yield SpecError("inference.template", None, "cannot be added or removed later: make a new Workspace")
    served_anew = runtime(old, facts) != runtime(new, facts)
    if served_anew or before.adapters != after.adapters:
        yield from _runtime_errors(after, runtime(new, facts), facts)
        yield from adapter_errors(after.adapters or [], runtime(new, facts))
    if served_anew or before.config != after.config:
        yield from config_errors(new, facts)


def model_errors(name: str, field: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Whether ``name`` may be a model's, whether there is one, and whether it can be served."""
    if problem := preset_name_problem(name):
        yield SpecError(field, name, problem)
    elif isinstance(facts.model, ModelAbsent):
        yield SpecError(field, name, f"is not in the catalogue: {facts.model.remedy}")
    elif facts.architectures is not None and facts.known_model.architectures:
        asked = facts.known_model.architectures
        if not any(one in facts.architectures for one in asked):
            fix = f"is a {' or '.join(asked)}, which the engine does not serve: use a model of another architecture"
            yield SpecError(field, name, fix)


def adapter_errors(adapters: list[AdapterSpec], engine: str) -> Iterator[SpecError]:
    """Each adapter, and that they are neither too many nor named alike."""
    if len(adapters) > MAX_ADAPTERS:
        yield SpecError("inference.adapters", None, f"holds {len(adapters)} and at most {MAX_ADAPTERS} are served")
    seen: set[str] = set()
    for number, adapter in enumerate(adapters):
        field = f"inference.adapters[{number}]"
        yield from _strength_errors(adapter.strength, f"{field}.strength", engine)
        if adapter.source is None:
            yield SpecError(f"{field}.source", None, "is required: say where the adapter is")
            continue
        name = adapter.source.name or ""
        if not name:
            yield SpecError(f"{field}.source.name", None, "is required: requests ask for the adapter by it")
        elif not is_subdomain(name):
            yield SpecError(f"{field}.source.name", name, "must be a DNS name: lower-case letters, digits, '-', '.'")
        elif name in seen:
            yield SpecError(f"{field}.source.name", name, "is there twice: give each adapter a name of its own")
        seen.add(name)
        if adapter.source.urls:
            yield SpecError(f"{field}.source.urls", None, "is not supported for adapters: use image or volumeSource")
        else:
            yield from source_errors(adapter.source, f"{field}.source")


def _strength_errors(strength: str | None, field: str, engine: str) -> Iterator[SpecError]:
    """A strength of exactly 1 is none: the adapter as it was trained."""
    if strength is None:
        return
    try:
        value = float(strength)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        yield SpecError(field, strength, "must be a number from 0 to 1")
    elif value != 1 and engine == "vllm":
        yield SpecError(field, strength, "is not supported by the vllm runtime: remove it or use transformers")


def _runtime_errors(spec: InferenceSpec, engine: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    if spec.preset is None:
        return
    model = facts.known_model
    if engine == "transformers" and model.transformers is False:
        fix = f"cannot serve {spec.preset.name}: remove the annotation, vllm serves it"
        yield SpecError(annotation(keys.RUNTIME), engine, fix)
    if engine == "vllm" and spec.adapters and model.lora is False:
        yield SpecError("inference.adapters", None, f"cannot be served with {spec.preset.name}: remove them")


def _secret_errors(preset: PresetSpec, facts: AdmissionFacts) -> Iterator[SpecError]:
    secret = (preset.preset_options.model_access_secret if preset.preset_options else None) or ""
    model = facts.known_model
    if not secret and model.gated and model.downloads is not False:
        fix = f"is missing: {preset.name} is gated; name a Secret whose key HF_TOKEN holds your Hugging Face token"
        yield SpecError(SECRET, None, fix)
    if secret and model.downloads is False:
        yield SpecError(SECRET, secret, f"has no use: {preset.name} comes with its weights; remove it")
