"""What an object of each kind may say: pure rules over the object and what is known of the cluster, without any lookup.

Rules carry the numbers of the v0.12 contract: W identity, R resource, P partition, I inference, A adapters, IC the
inference configuration, D data, T tuning, TC the tuning configuration, S streaming; IS an InferenceSet, G a
RAGEngine, M a MultiRoleInference, MM a ModelMirror. What is not known is not judged here: it becomes a condition of the
object. An object that is being deleted, and what did not change, is never judged.
"""

from kaito.api.names import preset_name_problem
from kaito.api.validation.facts import NOTHING_KNOWN, AdmissionFacts, ModelAbsent, ModelFacts, NodeFacts
from kaito.api.validation.rules import RULES, Rules
from kaito.api.validation.workspace import validate_create, validate_spec, validate_update, warnings

__all__ = [
    "NOTHING_KNOWN",
    "RULES",
    "AdmissionFacts",
    "ModelAbsent",
    "ModelFacts",
    "NodeFacts",
    "Rules",
    "preset_name_problem",
    "validate_create",
    "validate_spec",
    "validate_update",
    "warnings",
]
