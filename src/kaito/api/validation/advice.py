"""What is worth saying of a Workspace that is accepted: an admission webhook's warnings, one sentence each."""

from collections.abc import Iterable, Iterator
from typing import Final

from kaito.api import keys
from kaito.api.errors import SpecError
from kaito.api.keys import RESERVED_SELECTOR_KEYS
from kaito.api.selectors import as_labels
from kaito.api.validation.facts import AdmissionFacts
from kaito.api.validation.inference import SECRET
from kaito.api.validation.metadata import annotation, effective_name
from kaito.api.validation.resource import SELECTOR
from kaito.api.workspace import AccessMode, PresetSpec, Workspace

TOKEN_KEY: Final = "HF_TOKEN"


def advice(workspace: Workspace, facts: AdmissionFacts, *, version: str) -> Iterator[str]:
    """Each begins with the field that it is about."""
    if version == "v1alpha1":
        yield "apiVersion: kaito.sh/v1alpha1 is deprecated: use kaito.sh/v1beta1"
    name, room = effective_name(workspace), keys.MAX_WORKSPACE_NAME
    if len(name) > room:
        yield f"metadata.name: has {len(name)} characters, too many to serve the result under: keep to {room}"
    engine = workspace.annotations.get(keys.RUNTIME)
    if engine not in (None, "vllm", "transformers"):
        yield f"{annotation(keys.RUNTIME)}: {engine!r} is not known and vllm is used: write vllm or transformers"
    yield from _of_resource(workspace)
    for part in ("inference", "tuning"):
        spec = getattr(workspace, part)
        if spec is not None and spec.preset is not None:
            yield from _of_preset(spec.preset, f"{part}.preset")
    yield from of_secrets(named_secrets(workspace), workspace.namespace, facts)


def _of_resource(workspace: Workspace) -> Iterator[str]:
    resource = workspace.resource
    if resource is None:
        return
    if workspace.inference is not None and (resource.count or 1) > 1:
        yield "resource.count: is deprecated: the planner decides how many nodes the model needs"
    if resource.preferred_nodes:
        yield "resource.preferredNodes: is deprecated and ignored: choose nodes by resource.labelSelector"
    try:
        labels = as_labels(resource.label_selector, SELECTOR)
    except SpecError:
        return
    ignored = sorted(RESERVED_SELECTOR_KEYS & labels.keys())
    if ignored:
        yield f"{SELECTOR}: {', '.join(ignored)} is ignored: KAITO sets it itself"


def _of_preset(preset: PresetSpec, field: str) -> Iterator[str]:
    if preset.access_mode is AccessMode.private:
        yield f"{field}.accessMode: is deprecated and ignored: a gated model needs presetOptions.modelAccessSecret"
    options = preset.preset_options
    if options is not None and options.image:
        yield f"{field}.presetOptions.image: is deprecated and ignored: remove it"
    if options is not None and options.image_pull_secrets:
        yield f"{field}.presetOptions.imagePullSecrets: is deprecated and ignored: remove it"


def of_secrets(named: Iterable[tuple[str, str, str | None]], namespace: str, facts: AdmissionFacts) -> Iterator[str]:
    """What is missing of Secrets: (field, Secret's name, key that it must have or None) of each that is named."""
    for field, name, key in named:
        place = (namespace, name)
        if place not in facts.secrets:
            continue
        found = facts.secrets[place]
        if found is None:
            yield f"{field}: there is no Secret {name!r} in namespace {namespace}: create it"
        elif key is not None and key not in found:
            yield f"{field}: Secret {name!r} has no key {key}: put it there"


def named_secrets(workspace: Workspace) -> Iterator[tuple[str, str, str | None]]:
    """(field, Secret's name, key that it must have) of each Secret that the Workspace names."""
    inference, tuning = workspace.inference, workspace.tuning
    preset = inference.preset if inference is not None else None
    secret = preset.preset_options.model_access_secret if preset and preset.preset_options else None
    if secret:
        yield SECRET, secret, TOKEN_KEY
    tuned = tuning.preset if tuning is not None else None
    secret = tuned.preset_options.model_access_secret if tuned and tuned.preset_options else None
    if secret:
        yield "tuning.preset.presetOptions.modelAccessSecret", secret, TOKEN_KEY
    if tuning is not None and tuning.output.image_push_secret:
        yield "tuning.output.imagePushSecret", tuning.output.image_push_secret, None
