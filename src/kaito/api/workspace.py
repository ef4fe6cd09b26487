"""The Workspace kind, v1beta1."""

from typing import Literal

from pydantic import Field

from kaito.api.base import Base, FreeForm, Int32, Kind, Object
from kaito.api.common import (
    AccessMode,
    AdapterSpec,
    Condition,
    Conditions,
    DataSource,
    InferenceSpec,
    LabelSelector,
    Metric,
    PartitionMode,
    PartitionSpec,
    Performance,
    PresetOptions,
    PresetSpec,
    ResourceSpec,
    SelectorRequirement,
)

__all__ = [
    "AccessMode",
    "AdapterSpec",
    "Base",
    "Condition",
    "DataDestination",
    "DataSource",
    "InferenceSpec",
    "LabelSelector",
    "Metric",
    "Object",
    "PartitionMode",
    "PartitionSpec",
    "Performance",
    "PresetOptions",
    "PresetSpec",
    "ResourceSpec",
    "SelectorRequirement",
    "TuningSpec",
    "Workspace",
    "WorkspaceStatus",
]


class DataDestination(Base):
    """Where a result goes: exactly one of volumeSource and image."""

    volume_source: FreeForm | None = Field(None, description="A core/v1 VolumeSource.")
    image: str | None = Field(None, description="The image to push, with its tag.")
    image_push_secret: str | None = Field(None, description="Secret that may push the image.")


class TuningSpec(Base):
    """What to tune, on which data, and where the adapter goes."""

    preset: PresetSpec | None = None
    method: str | None = Field(None, description="lora or qlora.")
    config: str | None = Field(None, description="ConfigMap with the key training_config.yaml, same namespace.")
    input: DataSource
    output: DataDestination


class WorkspaceStatus(Base):
    """What was observed."""

    worker_nodes: list[str] | None = Field(None, description="Names of this workspace's nodes, sorted.")
    conditions: Conditions | None = None
    state: str | None = Field(None, description="Pending, Ready, NotReady, Running, Succeeded or Failed.")
    target_node_count: Int32 | None = Field(None, description="Nodes that the workload needs.")
    performance: Performance | None = None


class Workspace(Kind):
    """One model served, or one model tuned. It has no `spec`: its parts stand at the top."""

    api_version: Literal["kaito.sh/v1beta1"] = "kaito.sh/v1beta1"
    kind: Literal["Workspace"] = "Workspace"
    resource: ResourceSpec | None = None
    inference: InferenceSpec | None = None
    tuning: TuningSpec | None = None
    status: WorkspaceStatus | None = None
