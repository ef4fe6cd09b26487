"""The InferenceSet kind, v1beta1: replicas of one served model, each a Workspace of its own."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from kaito.api.base import Base, FreeForm, Int32, Kind, Time
from kaito.api.common import Conditions, InferenceSpec, LabelSelector, PartitionSpec, Performance


class TemplateResource(Base):
    """The nodes of one replica."""

    instance_type: str | None = Field(
        None, description="GPU machine type. Needed when nodes are provisioned; empty when they are brought."
    )
    partition: PartitionSpec | None = Field(None, description="Use a part of a node's GPUs (brought nodes only).")


class InferenceSetTemplate(Base):
    """What each replica's Workspace is made from."""

    metadata: FreeForm | None = Field(None, description="Labels and annotations of each Workspace; no more is used.")
    resource: TemplateResource | None = None
    inference: InferenceSpec


class UpgradeStrategy(StrEnum):
    in_place = "InPlace"
    surge = "Surge"


class MaintenanceWindow(Base):
    """When replicas may be upgraded."""

    schedule: str = Field(description="When the window opens: cron with five fields, UTC.")
    duration: str | None = Field("4h", description="How long it stays open, such as 90m or 4h.")


class AutoUpgrade(Base):
    """Whether, how and when replicas move to this release's configuration by themselves."""

    enabled: bool | None = Field(False, description="Upgrade replicas that drifted from this release.")
    strategy: UpgradeStrategy | None = Field(
        UpgradeStrategy.in_place, description="InPlace: restart a replica; Surge: add its successor first."
    )
    maintenance_window: MaintenanceWindow | None = None


class InferenceSetSpec(Base):
    """The wish."""

    replicas: Int32 | None = Field(1, ge=0, description="Workspaces to keep; 0 scales to zero.")
    node_count_limit: int | None = Field(None, description="Most nodes that all replicas together may use.")
    label_selector: LabelSelector = Field(description="Labels that a node must have; each Workspace's selector.")
    template: InferenceSetTemplate
    update_strategy: FreeForm | None = Field(
        {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        description="A StatefulSetUpdateStrategy: how replicas are replaced when the template changes.",
    )
    auto_upgrade: AutoUpgrade | None = None


class AutoUpgradeStatus(Base):
    """How far upgrades are."""

    num_drifted_workspaces: int | None = Field(None, description="Replicas that an upgrade would change.")
    last_successful_upgrade_time: Time | None = Field(None, description="When the last upgrade of all of them ended.")


class InferenceSetStatus(Base):
    """What was observed."""

    replicas: int | None = Field(None, description="Workspaces that exist and are not on their way out.")
    ready_replicas: int | None = Field(None, description="Workspaces that serve.")
    selector: str | None = Field(None, description="Selects the replicas' pods, for autoscalers.")
    conditions: Conditions | None = None
    performance: Performance | None = None
    auto_upgrade: AutoUpgradeStatus | None = None


class InferenceSet(Kind):
    """Replicas of one served model, each a Workspace of its own."""

    api_version: Literal["kaito.sh/v1beta1"] = "kaito.sh/v1beta1"
    kind: Literal["InferenceSet"] = "InferenceSet"
    spec: InferenceSetSpec
    status: InferenceSetStatus | None = None
