"""What of the cluster the rules of an object look at: whoever fills in the facts reads these, and no more."""

from dataclasses import dataclass
from typing import Final

from kaito.api.base import Kind
from kaito.api.children import replica_of, role_set
from kaito.api.inference_set import InferenceSet
from kaito.api.model_mirror import ModelMirror
from kaito.api.multi_role_inference import MultiRoleInference
from kaito.api.rag_engine import RAGEngine
from kaito.api.validation import rag_engine
from kaito.api.validation.advice import named_secrets
from kaito.api.validation.facts import AdmissionFacts, Place
from kaito.api.validation.model_mirror import storage_class
from kaito.api.validation.tuning_config import config_place
from kaito.api.workspace import PresetSpec, Workspace


@dataclass(frozen=True, slots=True)
class Lookups:
    """Objects by place, StorageClasses by name, and a Workspace whose model is looked up: what an object names."""

    config_maps: frozenset[Place] = frozenset()
    secrets: frozenset[Place] = frozenset()
    storage_classes: frozenset[str] = frozenset()
    workspace: Workspace | None = None

    @property
    def preset(self) -> PresetSpec | None:
        spec = (self.workspace.inference or self.workspace.tuning) if self.workspace else None
        return spec.preset if spec is not None else None


NOTHING: Final = Lookups()


def lookups(obj: Kind | None, facts: AdmissionFacts) -> Lookups:
    """What to look up for ``obj`` in an installation of which ``facts`` are known."""
    if isinstance(obj, ModelMirror):
        name = storage_class(obj)
        return Lookups(storage_classes=frozenset({name} if name else ()))
    if isinstance(obj, RAGEngine):
        policy = rag_engine.policy_place(obj, facts)
        secrets = frozenset((obj.namespace, name) for _, name, _ in rag_engine.named_secrets(obj))
        return Lookups(frozenset({policy} if policy else ()), secrets)
    workspaces = _workspaces(obj, brought=facts.provisioner == "byo")
    config_maps = {place for one in workspaces for place in _config_maps(one, facts)}
    if isinstance(obj, MultiRoleInference) and obj.spec.epp_plugins_config:
        config_maps.add((obj.namespace, obj.spec.epp_plugins_config))
    secrets = frozenset((one.namespace, name) for one in workspaces for _, name, _ in named_secrets(one))
    return Lookups(frozenset(config_maps), secrets, workspace=workspaces[0] if workspaces else None)


def _workspaces(obj: Kind | None, *, brought: bool) -> list[Workspace]:
    """The Workspaces that ``obj`` is, or is made into; all of them serve the same model."""
    if isinstance(obj, Workspace):
        return [obj]
    if isinstance(obj, InferenceSet):
        return [replica_of(obj, brought=brought)]
    if isinstance(obj, MultiRoleInference):
        return [replica_of(role_set(obj, role), brought=brought) for role in obj.spec.roles]
    return []


def _config_maps(workspace: Workspace, facts: AdmissionFacts) -> set[Place]:
    named = {config_place(workspace, facts)}
    if workspace.inference is not None and workspace.inference.config:
        named.add((workspace.namespace, workspace.inference.config))
    return {place for place in named if place is not None}
