"""T rules: what is tuned, how, on which data, and where the result goes."""

from collections.abc import Iterator

from kaito.api.errors import SpecError
from kaito.api.sources import destination_errors, source_errors
from kaito.api.validation.facts import AdmissionFacts
from kaito.api.validation.inference import model_errors
from kaito.api.validation.tuning_config import config_errors, method_of
from kaito.api.workspace import Workspace

METHODS = ("lora", "qlora")
NAME = "tuning.preset.name"


def tuning_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Everything of a new tuning Workspace."""
    spec = workspace.tuning
    if spec is None:
        return
    if method_of(spec) not in METHODS:
        yield SpecError("tuning.method", spec.method, "is not allowed: use lora or qlora")
    else:
        yield from config_errors(workspace, facts)
    if spec.preset is None:
        yield SpecError("tuning.preset", None, "is required: name the model to tune")
    else:
        yield from model_errors(spec.preset.name, NAME, facts)
        if facts.known_model.tuning is False:
            yield SpecError(NAME, spec.preset.name, "cannot be tuned: use another model")
    yield from source_errors(spec.input, "tuning.input")
    yield from destination_errors(spec.output, "tuning.output")


def tuning_change_errors(old: Workspace, new: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """Model and method stay; sources, destination and configuration are judged when they change."""
    before, after = old.tuning, new.tuning
    if before is None or after is None:
        return
    if before.preset != after.preset:
        name = after.preset.name if after.preset else None
        yield SpecError("tuning.preset", name, "cannot be changed: make a new Workspace")
    if method_of(before) != method_of(after):
        yield SpecError("tuning.method", after.method, "cannot be changed: make a new Workspace")
    elif before.config != after.config:
        yield from config_errors(new, facts)
    if before.input != after.input:
        if before.input.name != after.input.name:
            yield SpecError("tuning.input.name", after.input.name, "cannot be changed: make a new Workspace")
        yield from source_errors(after.input, "tuning.input")
    if before.output != after.output:
        yield from destination_errors(after.output, "tuning.output")
