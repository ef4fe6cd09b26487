"""What a cluster and an installation know that a manifest does not say.

Nothing here is looked up by the rules: whoever asks fills in what is at hand. A fact that is None, or missing from a
mapping, is unknown; what depends on it is not judged at admission and becomes a condition of the object later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

ProvisionerName = Literal["azure-gpu-provisioner", "karpenter", "byo", "local"]
Place = tuple[str, str]
"""Namespace and name."""

GATE_VLLM: Final = "vLLM"
GATE_MIG: Final = "enableMIG"
GATE_ACCELERATOR: Final = "enableAccelerator"
GATE_STREAMING: Final = "ModelStreaming"
CLOUDS: Final = ("azure", "aws", "arc")


class MachineFacts(Protocol):
    """One node of a machine type: its GPUs, and bytes of memory of each."""

    @property
    def gpus(self) -> int: ...

    @property
    def gpu_memory(self) -> int: ...


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node of the cluster: its labels, and what its kubelet offers (``status.allocatable``)."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    offered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of the model that the Workspace names; each fact may be None.

    ``weight_bytes`` is the size of its weights, ``context_length`` its limit in tokens. ``downloads``: its weights come
    from the hub when a pod starts, rather than in an image; ``gated``: they are read with a token only. ``lora``,
    ``transformers``, ``tuning``, ``multi_node``: it can be served with adapters, be served by the transformers runtime,
    be tuned, be spread over nodes.
    """

    weight_bytes: int | None = None
    context_length: int | None = None
    architectures: tuple[str, ...] = ()
    downloads: bool | None = None
    gated: bool | None = None
    lora: bool | None = None
    transformers: bool | None = None
    tuning: bool | None = None
    multi_node: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelAbsent:
    """No model has the name; ``remedy`` says which to use instead."""

    remedy: str


@dataclass(frozen=True, slots=True)
class AdmissionFacts:
    """Everything that may be known when an object is judged.

    ``gates``: feature gates by name. ``cloud``: CLOUD_PROVIDER's value. ``node_classes``: those that Karpenter may use.
    ``machine_types``: the GPU machine types of the cloud by name. ``nodes``: all nodes of the cluster. ``config_maps``:
    the data of each ConfigMap that was looked up, None where there is none. ``secrets``: the same with the keys alone.
    ``model``: the model that the Workspace names. ``architectures``: those that vLLM serves. ``csi_drivers``: names.
    ``release_namespace``: where the operator's own ConfigMaps are; empty where it has none. ``storage_classes``:
    whether each that was looked up exists.
    """

    provisioner: ProvisionerName | None = None
    gates: Mapping[str, bool] = field(default_factory=dict)
    cloud: str | None = None
    node_classes: frozenset[str] | None = None
    machine_types: Mapping[str, MachineFacts] | None = None
    nodes: Sequence[NodeFacts] | None = None
    config_maps: Mapping[Place, Mapping[str, str] | None] = field(default_factory=dict)
    secrets: Mapping[Place, frozenset[str] | None] = field(default_factory=dict)
    model: ModelFacts | ModelAbsent | None = None
    architectures: frozenset[str] | None = None
    csi_drivers: frozenset[str] | None = None
    release_namespace: str | None = None
    storage_classes: Mapping[str, bool] = field(default_factory=dict)

    @property
    def makes_nodes(self) -> bool:
        """Whether nodes are made for each Workspace, as opposed to brought by their owner or this machine itself."""
        return self.provisioner in ("azure-gpu-provisioner", "karpenter")

    @property
    def known_model(self) -> ModelFacts:
        """The model's facts; all of them unknown when the model is."""
        return self.model if isinstance(self.model, ModelFacts) else _UNKNOWN_MODEL

    def machine(self, name: str) -> MachineFacts | None:
        """The machine type of that name, in any case, where it is known."""
        known = self.machine_types or {}
        return known.get(name) or next((one for key, one in known.items() if key.lower() == name.lower()), None)


_UNKNOWN_MODEL: Final = ModelFacts()
NOTHING_KNOWN: Final = AdmissionFacts()
