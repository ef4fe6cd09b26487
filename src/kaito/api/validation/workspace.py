"""The rules of a Workspace together: a new one, one that would be made from a template, a change."""

from itertools import chain

from kaito.api.errors import SpecError
from kaito.api.validation.advice import advice
from kaito.api.validation.facts import NOTHING_KNOWN, AdmissionFacts
from kaito.api.validation.fit import fit_errors
from kaito.api.validation.inference import inference_change_errors, inference_errors
from kaito.api.validation.metadata import (
    annotation_errors,
    name_errors,
    purpose_change_errors,
    purpose_errors,
    streaming_change_errors,
)
from kaito.api.validation.partition import partition_errors
from kaito.api.validation.resource import resource_change_errors, resource_errors
from kaito.api.validation.streaming import streaming_errors
from kaito.api.validation.tuning import tuning_change_errors, tuning_errors
from kaito.api.workspace import Workspace


def validate_create(workspace: Workspace, facts: AdmissionFacts = NOTHING_KNOWN) -> list[SpecError]:
    """Every reason to refuse a new Workspace."""
    return [*name_errors(workspace), *validate_spec(workspace, facts)]


def validate_spec(workspace: Workspace, facts: AdmissionFacts = NOTHING_KNOWN) -> list[SpecError]:
    """``validate_create`` without the name, for a Workspace that is to be made from a template."""
    return list(
        chain(
            purpose_errors(workspace),
            annotation_errors(workspace, {}, facts),
            resource_errors(workspace, facts),
            partition_errors(workspace, facts),
            fit_errors(workspace, facts),
            inference_errors(workspace, facts),
            streaming_errors(workspace, facts),
            tuning_errors(workspace, facts),
        )
    )


def validate_update(old: Workspace, new: Workspace, facts: AdmissionFacts = NOTHING_KNOWN) -> list[SpecError]:
    """Every reason to refuse a change. A Workspace that is being deleted may always change."""
    if new.metadata.get("deletionTimestamp"):
        return []
    return list(
        chain(
            annotation_errors(new, old.annotations, facts),
            streaming_change_errors(old, new, facts),
            purpose_change_errors(old, new),
            resource_change_errors(old, new, facts),
            inference_change_errors(old, new, facts),
            tuning_change_errors(old, new, facts),
        )
    )


def warnings(
    workspace: Workspace,
    facts: AdmissionFacts = NOTHING_KNOWN,
    *,
    old: Workspace | None = None,
    version: str = "v1beta1",
) -> list[str]:
    """What to tell the author of an accepted Workspace; with ``old``, only what is new.

    ``version`` is the one that the author wrote it in.
    """
    known = set(advice(old, facts, version="v1beta1")) if old is not None else set()
    return [one for one in advice(workspace, facts, version=version) if one not in known]
