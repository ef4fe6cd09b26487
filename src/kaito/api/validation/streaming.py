"""S rules: weights that are streamed from a mirror instead of downloaded, where the installation does that."""

from collections.abc import Iterator
from typing import Final

from kaito.api import keys
from kaito.api.errors import SpecError
from kaito.api.validation.facts import GATE_STREAMING, AdmissionFacts
from kaito.api.validation.metadata import annotation, runtime
from kaito.api.workspace import Workspace

BLOB_DRIVER: Final = "blob.csi.azure.com"
_DISABLED: Final = "disabled"


def streaming_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """What the cluster lacks for streaming a preset's weights with vLLM."""
    wanted = workspace.annotations.get(keys.MODEL_STREAMING) != _DISABLED
    preset = workspace.inference.preset if workspace.inference else None
    if not (facts.gates.get(GATE_STREAMING) and wanted and preset and runtime(workspace, facts) == "vllm"):
        return
    field, otherwise = annotation(keys.MODEL_STREAMING), f'or set it to "{_DISABLED}" to download instead'
    if facts.cloud is not None and facts.cloud != "azure":
        yield SpecError(field, None, f"cannot be on: weights are streamed on azure only; set it to {_DISABLED!r}")
    if facts.csi_drivers is not None and BLOB_DRIVER not in facts.csi_drivers:
        yield SpecError(field, None, f"cannot be on: install the CSI driver {BLOB_DRIVER}, {otherwise}")
