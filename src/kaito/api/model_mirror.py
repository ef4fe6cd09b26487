"""The ModelMirror kind, v1alpha1: a model's weights on a volume of the cluster."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from kaito.api.base import Base, Int64, Kind, Time, rule
from kaito.api.common import ATOMIC, Conditions

# Only a change of the spec is refused: writes of the status and of finalizers leave it as it was.
_FIXED = rule("self == oldSelf", "cannot be changed: make another ModelMirror")


class MirrorMode(StrEnum):
    managed = "Managed"
    static = "Static"


class Registry(StrEnum):
    huggingface = "huggingface"


class ObjectReference(Base):
    """core/v1 ObjectReference."""

    model_config = ATOMIC

    api_version: str | None = Field(None, description="API version of the object.")
    field_path: str | None = Field(None, description="A part of the object.")
    kind: str | None = Field(None, description="Kind of the object.")
    name: str | None = Field(None, description="Name of the object.")
    namespace: str | None = Field(None, description="Namespace of the object: that of the download Job.")
    resource_version: str | None = Field(None, description="The version that is meant.")
    uid: str | None = Field(None, description="The object's identity.")


class MirrorSource(Base):
    """Where the weights come from."""

    registry: Registry = Field(description="huggingface.")
    model_id: str = Field(alias="modelID", description="A Hugging Face id (org/model).")
    access_secret: ObjectReference | None = Field(None, description="Secret whose key HF_TOKEN opens a gated model.")


class MirrorStorage(Base):
    """The volume to make for the weights."""

    size: str = Field(description="A quantity, such as 220Gi.")
    storage_class_name: str | None = Field(None, description="StorageClass; needed when Managed.")


class ModelMirrorSpec(Base):
    """The wish."""

    mode: MirrorMode | None = Field(
        MirrorMode.managed, description="Managed: downloaded into a volume made for it; Static: already there."
    )
    source: MirrorSource | None = Field(None, description="Needed when Managed, refused when Static.")
    storage: MirrorStorage | None = Field(None, description="Needed when Managed, refused when Static.")
    job_namespace: str | None = Field(None, description="Namespace of the volume and of the download Job.")
    service_account_name: str | None = Field(None, description="Whose rights the Job has; empty: the default one's.")


class MirrorPhase(StrEnum):
    pending = "Pending"
    ready = "Ready"


class DownloadProgress(Base):
    """How fast the weights come."""

    speed_bytes_per_second: Int64 = Field(description="0 when finished.")
    remaining_seconds: Int64 = Field(description="0 when finished, -1 when unknown.")


class ModelMirrorStatus(Base):
    """What was observed."""

    phase: MirrorPhase | None = Field(None, description="Pending: not usable yet; Ready: the weights are there.")
    model_path: str | None = Field(None, description="The weights' folder on the volume.")
    failure_message: str | None = Field(None, description="Why the last try failed.")
    last_download_time: Time | None = Field(None, description="When the weights were complete.")
    download: DownloadProgress | None = None
    conditions: Conditions | None = None


class ModelMirror(Kind):
    """A model's weights on a volume of the cluster. It has no namespace."""

    api_version: Literal["kaito.sh/v1alpha1"] = "kaito.sh/v1alpha1"
    kind: Literal["ModelMirror"] = "ModelMirror"
    spec: ModelMirrorSpec | None = Field(None, json_schema_extra=_FIXED)
    status: ModelMirrorStatus | None = None

    @property
    def namespace(self) -> str:
        return ""
