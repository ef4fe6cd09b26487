"""The five kinds of the group: how each is named, which versions it is served in, and which of them is stored."""

from dataclasses import dataclass
from typing import Final

from kaito.api import keys
from kaito.api.base import Kind, Object
from kaito.api.conversion import convert
from kaito.api.errors import SpecError, SpecErrors
from kaito.api.inference_set import InferenceSet
from kaito.api.model_mirror import ModelMirror
from kaito.api.multi_role_inference import MultiRoleInference
from kaito.api.rag_engine import RAGEngine
from kaito.api.shape_errors import shape_errors
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


def decode(obj: Object, *, strict: bool = True, instance_type: str | None = None) -> Kind:
    """The typed object of any kind, in its stored version; one of an older version is converted first.

    ``instance_type`` is what a v1alpha1 object without a machine type gets (kaito.api.conversion); ``strict`` as in
    Kind.decode. Raises SpecErrors with every field that is wrong.
    """
    info = KINDS.get(str(obj.get("kind")))
    if info is None:
        raise SpecErrors([SpecError("kind", obj.get("kind"), f"is no kind of {keys.GROUP}: use {', '.join(KINDS)}")])
    served = [f"{keys.GROUP}/{version}" for version in info.versions]
    if obj.get("apiVersion") not in served:
        fix = f"is no version of {info.kind}: use {' or '.join(served)}"
        raise SpecErrors([SpecError("apiVersion", obj.get("apiVersion"), fix)])
    if found := list(shape_errors(obj)):
        raise SpecErrors(found)
    try:
        stored = convert(obj, info.stored, instance_type=instance_type)
    except SpecError as exc:
        raise SpecErrors([exc]) from exc
    return info.model.decode(stored, strict=strict)
