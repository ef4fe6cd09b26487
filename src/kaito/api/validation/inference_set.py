"""IS rules: how many replicas, when they are upgraded, and the Workspace that each of them would be."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import chain
from typing import Any, Final

from kaito.api.children import replica_of
from kaito.api.errors import SpecError
from kaito.api.inference_set import InferenceSet, MaintenanceWindow
from kaito.api.names import label_problem
from kaito.api.schedules import ScheduleError, schedule, span
from kaito.api.validation.facts import AdmissionFacts
from kaito.api.validation.metadata import plain_name_errors
from kaito.api.validation.moved import moved, moved_lines, unsaid
from kaito.api.validation.workspace import validate_spec, warnings
from kaito.api.workspace import Workspace

TEMPLATE: Final = "spec.template"
INSTANCE_TYPE: Final = f"{TEMPLATE}.resource.instanceType"
WINDOW: Final = "spec.autoUpgrade.maintenanceWindow"
PLACES: Final = {
    "metadata": f"{TEMPLATE}.metadata",
    "resource": f"{TEMPLATE}.resource",
    "resource.labelSelector": "spec.labelSelector",
    "inference": f"{TEMPLATE}.inference",
}
"""Where a set's author writes what becomes a replica's."""


def create_errors(new: InferenceSet, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a new InferenceSet."""
    return [*plain_name_errors(new.name), *_window_errors(new), *spec_errors(new, facts)]


def update_errors(old: InferenceSet, new: InferenceSet, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a change. What becomes of a replica is judged when that changed: not when it scales."""
    found: list[SpecError] = []
    if _window(old) != _window(new):
        found += _window_errors(new)
    if _partition(old) != _partition(new):
        fix = "cannot be changed: make a new InferenceSet"
        found.append(SpecError(f"{TEMPLATE}.resource.partition", None, fix))
    if old.spec.template != new.spec.template or _replica(old, facts) != _replica(new, facts):
        found += unsaid(spec_errors(new, facts), found)
    return found


def spec_errors(new: InferenceSet, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Whether each replica's Workspace could be made."""
    found = [*_instance_type_errors(new, facts), *_metadata_errors(new.spec.template.metadata)]
    yield from found
    yield from unsaid(moved(validate_spec(_replica(new, facts), facts), PLACES, "InferenceSet"), found)


def advice(new: InferenceSet, facts: AdmissionFacts) -> Iterator[str]:
    """What is worth saying of an InferenceSet that is accepted."""
    yield from moved_lines(warnings(_replica(new, facts), facts), PLACES, "InferenceSet")


def _replica(owner: InferenceSet, facts: AdmissionFacts) -> Workspace:
    return replica_of(owner, brought=facts.provisioner == "byo")


def _partition(one: InferenceSet) -> object:
    return one.spec.template.resource.partition if one.spec.template.resource else None


def _window(one: InferenceSet) -> MaintenanceWindow | None:
    return one.spec.auto_upgrade.maintenance_window if one.spec.auto_upgrade else None


def _instance_type_errors(new: InferenceSet, facts: AdmissionFacts) -> Iterator[SpecError]:
    name = (new.spec.template.resource.instance_type if new.spec.template.resource else None) or ""
    if name and facts.provisioner == "byo":
        fix = "cannot be asked for: nodes are brought here and chosen by spec.labelSelector; remove it"
        yield SpecError(INSTANCE_TYPE, name, fix)
    if not name and facts.makes_nodes:
        yield SpecError(INSTANCE_TYPE, None, "is required: say on which GPU machine type, as nodes are made for it")


def _window_errors(new: InferenceSet) -> Iterator[SpecError]:
    window = _window(new)
    if window is None:
        return
    if not window.schedule:
        fix = "is required: write when the window opens in UTC, such as 30 1 * * 0"
        yield SpecError(f"{WINDOW}.schedule", None, fix)
        return
    try:
        schedule(window.schedule)
    except ScheduleError as exc:
        yield SpecError(f"{WINDOW}.schedule", window.schedule, str(exc))
    if window.duration is None:
        return
    try:
        if span(window.duration) <= timedelta():
            yield SpecError(f"{WINDOW}.duration", window.duration, "must be more than 0: write it as 4h or 90m")
    except ScheduleError as exc:
        yield SpecError(f"{WINDOW}.duration", window.duration, str(exc))


def _metadata_errors(metadata: Mapping[str, Any] | None) -> Iterator[SpecError]:
    """The schema leaves the template's metadata open; of all in it, labels and annotations are used."""
    field = f"{TEMPLATE}.metadata"
    for part in ("labels", "annotations"):
        given = (metadata or {}).get(part)
        if given is not None and not isinstance(given, Mapping):
            yield SpecError(f"{field}.{part}", given, "is not a map: write one key: value a line below it")
            continue
        yield from chain.from_iterable(_pair_errors(f"{field}.{part}", part, *pair) for pair in (given or {}).items())


def _pair_errors(field: str, part: str, key: str, value: Any) -> Iterator[SpecError]:
    if not isinstance(value, str):
        yield SpecError(f'{field}["{key}"]', value, "must be text: write it in quotes")
    elif part == "labels" and (problem := label_problem(key, value)):
        yield SpecError(f'{field}["{key}"]', value, problem)
