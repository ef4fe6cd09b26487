"""R rules: the nodes that a Workspace asks for, and what of them may change."""

import difflib
from collections.abc import Iterator
from typing import Final

from kaito.api.errors import SpecError
from kaito.api.selectors import as_labels, user_labels
from kaito.api.validation.facts import CLOUDS, AdmissionFacts
from kaito.api.workspace import LabelSelector, ResourceSpec, Workspace

SELECTOR: Final = "resource.labelSelector"
INSTANCE_TYPE: Final = "resource.instanceType"
_AZURE_GPU_PREFIXES: Final = ("standard_n", "standard_d")
_FINAL: Final = "cannot be changed: make a new Workspace"
_NOTHING: Final = ResourceSpec.model_construct(label_selector=LabelSelector())


def selector_labels(workspace: Workspace) -> dict[str, str]:
    """The labels of the author's choice that a node must have. Raises SpecError for a selector that is no plain map."""
    return user_labels(as_labels((workspace.resource or _NOTHING).label_selector, SELECTOR))


def resource_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Labels, machine type and count of a new Workspace."""
    resource = workspace.resource or _NOTHING
    yield from _selector_errors(resource.label_selector, facts)
    yield from _instance_type_errors(resource.instance_type or "", facts)
    if workspace.inference is not None:
        yield from machine_type_errors(resource.instance_type or "", facts)
    if workspace.tuning is not None and (resource.count or 1) > 1:
        yield SpecError("resource.count", resource.count, "must be 1: tuning runs on one node")


def _selector_errors(selector: LabelSelector, facts: AdmissionFacts) -> Iterator[SpecError]:
    try:
        labels = as_labels(selector, SELECTOR)
    except SpecError as exc:
        yield exc
        return
    if labels and not user_labels(labels):
        fix = "holds only labels that KAITO sets itself: name a label of your nodes"
        yield SpecError(f"{SELECTOR}.matchLabels", labels, fix)
    elif not labels and facts.provisioner == "byo":
        fix = "selects every node of the cluster: name a label of the nodes that you brought for this"
        yield SpecError(SELECTOR, None, fix)


def _instance_type_errors(name: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Needed where nodes are made, refused where they are brought; one laptop takes a fleet's manifest as it is."""
    if name and facts.provisioner == "byo":
        fix = "cannot be asked for: nodes are brought here and chosen by resource.labelSelector; remove it"
        yield SpecError(INSTANCE_TYPE, name, fix)
    if not name and facts.makes_nodes:
        yield SpecError(INSTANCE_TYPE, None, "is required: say on which GPU machine type, as nodes are made for it")


def machine_type_errors(name: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Whether the cloud has the machine type; Azure's newer GPU machines pass by their prefix."""
    if not name or not facts.makes_nodes:
        return
    if facts.cloud is not None and facts.cloud not in CLOUDS:
        fix = f"cannot be looked up: the operator's cloud is {facts.cloud!r} and must be one of {', '.join(CLOUDS)}"
        yield SpecError(INSTANCE_TYPE, name, fix)
        return
    if facts.machine_types is None or facts.machine(name) is not None:
        return
    if facts.cloud in ("azure", None) and name.lower().startswith(_AZURE_GPU_PREFIXES):
        return
    spelled = {one.lower(): one for one in facts.machine_types}
    close = [spelled[one] for one in difflib.get_close_matches(name.lower(), spelled, n=3)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"use one of {_listed(sorted(facts.machine_types))}"
    yield SpecError(INSTANCE_TYPE, name, f"is no GPU machine type of {facts.cloud or 'any cloud'} here; {hint}")


def resource_change_errors(old: Workspace, new: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """What of a Workspace's nodes may not change."""
    before, after = old.resource or _NOTHING, new.resource or _NOTHING
    if before.count is not None and after.count is not None and before.count != after.count:
        yield SpecError("resource.count", after.count, _FINAL)
    if before.partition != after.partition:
        yield SpecError("resource.partition", None, _FINAL)
    yield from _instance_type_change(before.instance_type or "", after.instance_type or "", facts)
    yield from _selector_change(before.label_selector, after.label_selector)


def _instance_type_change(before: str, after: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    if before == after or facts.provisioner == "local":
        return
    if before and after:
        yield SpecError(INSTANCE_TYPE, after, _FINAL)
    elif before and facts.makes_nodes:
        yield SpecError(INSTANCE_TYPE, None, f"cannot be removed: nodes are made of it; put back {before}")
    elif after and facts.provisioner == "byo":
        yield SpecError(INSTANCE_TYPE, after, "cannot be added: this Workspace runs on brought nodes; remove it")


def _selector_change(before: LabelSelector, after: LabelSelector) -> Iterator[SpecError]:
    """The same labels in another spelling are no change; one that could never be read may be put right."""
    if before == after:
        return
    try:
        wanted = as_labels(after, SELECTOR)
    except SpecError as exc:
        yield exc
        return
    try:
        had = as_labels(before, SELECTOR)
    except SpecError:
        return
    if had != wanted:
        yield SpecError(SELECTOR, None, _FINAL)


def _listed(names: list[str]) -> str:
    shown = 8
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
