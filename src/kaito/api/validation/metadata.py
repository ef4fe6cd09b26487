"""W rules: name and annotations, and that a Workspace is for one of inference and tuning."""

from collections.abc import Iterator, Mapping
from typing import Final

from kaito.api import keys
from kaito.api.errors import SpecError
from kaito.api.names import is_label
from kaito.api.validation.facts import GATE_STREAMING, GATE_VLLM, AdmissionFacts
from kaito.api.workspace import Workspace

GENERATED: Final = 5
"""Characters that an API server adds to generateName, which it cuts at 58."""
MAX_LABEL: Final = 63
NOT_A_LABEL: Final = "must be lower-case letters, digits and '-', beginning and ending with a letter or digit"
_CUT: Final = 58
_CHOICES: Final = {
    keys.PERFORMANCE_MODE: ("balanced", "interactivity", "throughput"),
    keys.USE_LOCAL_WEIGHTS: ("true", "false"),
    keys.NODE_IMAGE_FAMILY: ("ubuntu", "azurelinux"),
    keys.BYPASS_RESOURCE_CHECKS: ("true", ""),
}


def runtime(workspace: Workspace, facts: AdmissionFacts) -> str:
    """vllm or transformers: the annotation's choice, unless the installation has turned vLLM off."""
    if facts.gates.get(GATE_VLLM) is False:
        return "transformers"
    return "transformers" if workspace.annotations.get(keys.RUNTIME) == "transformers" else "vllm"


def bypassed(workspace: Workspace) -> bool:
    """Whether the author says that the model fits although the sizes say that it does not."""
    return workspace.annotations.get(keys.BYPASS_RESOURCE_CHECKS) in ("true", "")


def annotation(key: str) -> str:
    """The path of an annotation."""
    return f'metadata.annotations["{key}"]'


def effective_name(workspace: Workspace) -> str:
    """The name, or one as long as the server will make of generateName."""
    generate = str(workspace.metadata.get("generateName") or "")
    return workspace.name or (generate[:_CUT] + "x" * GENERATED if generate else "")


def name_errors(workspace: Workspace) -> Iterator[SpecError]:
    """A name has to serve as the name of every object made for the Workspace.

    Names of 53 to 63 characters are valid names, but the StatefulSet of a served model labels its pods with
    ``<name>-<up to 10 characters>``, which must not pass 63: no pod of it could ever be made. A tuning Job has no such
    label.
    """
    name = effective_name(workspace)
    room = keys.MAX_WORKSPACE_NAME
    if len(name) > room and (workspace.tuning is None or not is_label(name)):
        fix = f"has {len(name)} characters and its pods' labels have room for {room}: shorten it"
        yield SpecError("metadata.name", name, fix)
    elif not is_label(name):
        yield SpecError("metadata.name", name, NOT_A_LABEL)


def plain_name_errors(name: str) -> Iterator[SpecError]:
    """The name of an object whose parts have names of their own."""
    if len(name) > MAX_LABEL:
        yield SpecError("metadata.name", name, f"has {len(name)} characters: keep to {MAX_LABEL}")
    elif not is_label(name):
        yield SpecError("metadata.name", name, NOT_A_LABEL)


def purpose_errors(workspace: Workspace) -> Iterator[SpecError]:
    """Exactly one of inference and tuning."""
    if workspace.inference is None and workspace.tuning is None:
        yield SpecError("inference", None, "is missing: set either inference or tuning")
    if workspace.inference is not None and workspace.tuning is not None:
        yield SpecError("tuning", None, "cannot stand beside inference: make it a Workspace of its own")


def purpose_change_errors(old: Workspace, new: Workspace) -> Iterator[SpecError]:
    """What a Workspace is for stays."""
    for part in ("inference", "tuning"):
        if (getattr(old, part) is None) != (getattr(new, part) is None):
            yield SpecError(part, None, "cannot be added or removed later: make a new Workspace")


def annotation_errors(workspace: Workspace, before: Mapping[str, str], facts: AdmissionFacts) -> Iterator[SpecError]:
    """Annotations with a fixed set of values; one that has the value of ``before`` is not looked at again."""
    for key, allowed in _CHOICES.items():
        value = workspace.annotations.get(key)
        if value is None or value == before.get(key):
            continue
        said = value.strip().lower() if key == keys.NODE_IMAGE_FAMILY else value
        if said not in allowed:
            fix = f"is not allowed: use {' or '.join(repr(a) for a in allowed if a)}"
            yield SpecError(annotation(key), value, fix)
    chosen = workspace.annotations.get(keys.NODE_CLASS_NAME) or ""
    known = facts.node_classes if facts.provisioner == "karpenter" else None
    if chosen and known is not None and chosen != before.get(keys.NODE_CLASS_NAME) and chosen not in known:
        listed = f"use {' or '.join(sorted(known))}" if known else "this installation declares none: remove it"
        yield SpecError(annotation(keys.NODE_CLASS_NAME), chosen, f"is not a declared node class: {listed}")


def streaming_change_errors(old: Workspace, new: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Weights that are streamed are mirrored first: the choice is made once."""
    before, after = (one.annotations.get(keys.MODEL_STREAMING) or "" for one in (old, new))
    if before != after and facts.gates.get(GATE_STREAMING):
        fix = "cannot be changed while model streaming is on: make a new Workspace"
        yield SpecError(annotation(keys.MODEL_STREAMING), after, fix)
