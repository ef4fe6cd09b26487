"""The five kinds of the group: how each is named, which versions it is served in, and which of them is stored."""

from dataclasses import dataclass
from typing import Final

from kaito.api.base import Kind
from kaito.api.inference_set import InferenceSet
from kaito.api.model_mirror import ModelMirror
from kaito.api.multi_role_inference import MultiRoleInference
from kaito.api.rag_engine import RAGEngine
from kaito.api.workspace import Workspace

_BOTH = ("v1alpha1", "v1beta1")


@dataclass(frozen=True)
class KindInfo:
    """A kind's place in the API. ``model`` is the type of its stored version, the last of ``versions``."""

    model: type[Kind]
    plural: str
    versions: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def kind(self) -> str:
        return self.model.__name__

    @property
    def stored(self) -> str:
        return self.versions[-1]


KINDS: Final = {
    info.kind: info
    for info in (
        KindInfo(Workspace, "workspaces", _BOTH, ("wk", "wks"), ("workspace",)),
        KindInfo(InferenceSet, "inferencesets", _BOTH, ("is", "isets"), ("inferenceset",)),
        KindInfo(RAGEngine, "ragengines", _BOTH, ("rag",), ("ragengine",)),
        KindInfo(MultiRoleInference, "multiroleinferences", ("v1alpha1",), ("mri",), ("kaito",)),
        KindInfo(ModelMirror, "modelmirrors", ("v1alpha1",), namespaced=False),
    )
}
"""By name, in the order in which they are shown."""
