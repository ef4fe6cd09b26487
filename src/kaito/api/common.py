"""Types that more than one kind is made of."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from kaito.api.base import Base, FreeForm, Int64, Object, Time

_REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
_CONDITION_TYPE = (
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
_ATOMIC_LIST: Object = {"x-kubernetes-list-type": "atomic"}
ATOMIC = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})


class SelectorRequirement(Base):
    """A label selector requirement."""

    key: str = Field(description="The label's key.")
    operator: str = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: list[str] | None = Field(
        None, description="Values for In and NotIn; none for the others.", json_schema_extra=_ATOMIC_LIST
    )


class LabelSelector(Base):
    """Which nodes; both parts must hold."""

    model_config = ATOMIC

    match_labels: dict[str, str] | None = Field(None, description="Labels that must have exactly these values.")
    match_expressions: list[SelectorRequirement] | None = Field(
        None, description="Requirements that must all hold.", json_schema_extra=_ATOMIC_LIST
    )


class PartitionMode(StrEnum):
    mig = "mig"
    accelerator = "accelerator"


class PartitionSpec(Base):
    """A part of a node's GPUs."""

    mode: PartitionMode = Field(description="mig: a MIG slice; accelerator: some whole GPUs of a node.")
    profile: str | None = Field(None, description="MIG profile such as 1g.10gb; only with mode mig.")
    count: int | None = Field(None, ge=1, description="Whole GPUs; only with mode accelerator.")


class ResourceSpec(Base):
    """The nodes that a workload runs on."""

    count: int | None = Field(1, description="Deprecated: the planner decides the number of nodes.")
    instance_type: str | None = Field(
        None, description="GPU machine type. Needed when nodes are provisioned; empty when they are brought."
    )
    label_selector: LabelSelector = Field(description="Labels that a node must have.")
    preferred_nodes: list[str] | None = Field(None, description="Deprecated and ignored.")
    partition: PartitionSpec | None = Field(None, description="Use a part of a node's GPUs (brought nodes only).")


class PresetOptions(Base):
    """How a preset's model is reached."""

    image: str | None = Field(None, description="Deprecated.")
    image_pull_secrets: list[str] | None = Field(None, description="Deprecated.")
    model_access_secret: str | None = Field(None, description="Secret whose key HF_TOKEN opens a gated model.")


class AccessMode(StrEnum):
    public = "public"
    private = "private"


class PresetSpec(Base):
    """A model by name."""

    name: str = Field(description="A catalogue name, or a Hugging Face id (org/model).")
    access_mode: AccessMode | None = Field(AccessMode.public, description="Deprecated.")
    preset_options: PresetOptions | None = None


class DataSource(Base):
    """Where data or an adapter comes from: exactly one of urls, volumeSource and image."""

    name: str | None = Field(None, description="An adapter's name in requests; unique within a workload.")
    urls: list[str] | None = Field(None, description="Addresses of files, http or https.")
    volume_source: FreeForm | None = Field(None, description="A core/v1 VolumeSource.")
    image: str | None = Field(None, description="An image with the files in it.")
    image_pull_secrets: list[str] | None = Field(None, description="Secrets that may pull the image.")


class AdapterSpec(Base):
    """A LoRA adapter served beside its base model."""

    source: DataSource | None = None
    strength: str | None = Field(None, description="A decimal between 0 and 1, as text.")


class InferenceSpec(Base):
    """What to serve: exactly one of preset and template."""

    preset: PresetSpec | None = None
    template: FreeForm | None = Field(None, description="A PodTemplateSpec of your own.")
    config: str | None = Field(None, description="ConfigMap with the key inference_config.yaml, same namespace.")
    adapters: list[AdapterSpec] | None = Field(None, description="At most 10.")


class Condition(Base):
    """metav1.Condition."""

    type: str = Field(max_length=316, pattern=_CONDITION_TYPE, description="What is true or not.")
    status: Literal["True", "False", "Unknown"]
    reason: str = Field(min_length=1, max_length=1024, pattern=_REASON, description="Why, for programs.")
    message: str = Field(max_length=32768, description="Why, for people.")
    last_transition_time: Time = Field(description="When the status became what it is.")
    observed_generation: Int64 | None = Field(None, ge=0, description="The metadata.generation that was judged.")


Conditions = Annotated[
    list[Condition],
    Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]
"""One condition per type, so that server-side apply can own each by itself (v0.12: the list as a whole)."""


class Metric(Base):
    """One measured figure."""

    description: str = Field(description="What was measured.")
    value: str = Field(description="The figure, as text.")
    unit: str | None = Field(None, description="Such as tokens/min.")
    config: dict[str, str] | None = Field(None, description="Under which load, on which engine.")


class Performance(Base):
    """What the service reached when it was measured after loading."""

    metrics: dict[str, Metric] | None = None
