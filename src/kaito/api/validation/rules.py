"""The rules of each kind, in one shape."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kaito.api.errors import SpecError
from kaito.api.validation import inference_set, model_mirror, multi_role, rag_engine, workspace
from kaito.api.validation.facts import AdmissionFacts


@dataclass(frozen=True, slots=True)
class Rules:
    """Of a kind in its stored version: reasons to refuse a new object or a change, and what is worth saying of both.

    Every change that comes here is of an object that stays, and of more than its status.
    """

    created: Callable[[Any, AdmissionFacts], Iterable[SpecError]]
    changed: Callable[[Any, Any, AdmissionFacts], Iterable[SpecError]]
    advice: Callable[[Any, AdmissionFacts], Iterable[str]]


RULES: Final[Mapping[str, Rules]] = {
    "Workspace": Rules(workspace.validate_create, workspace.validate_update, workspace.warnings),
    "InferenceSet": Rules(inference_set.create_errors, inference_set.update_errors, inference_set.advice),
    "RAGEngine": Rules(rag_engine.create_errors, rag_engine.update_errors, rag_engine.advice),
    "MultiRoleInference": Rules(multi_role.create_errors, multi_role.update_errors, multi_role.advice),
    "ModelMirror": Rules(model_mirror.create_errors, model_mirror.update_errors, lambda *_: ()),
}
"""By kind."""
