"""The MultiRoleInference kind, v1alpha1: prefill and decode of one model on machines of their own."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from kaito.api.base import Base, Int32, Int64, Kind, rule
from kaito.api.common import Conditions, LabelSelector

_SELECTS = rule(
    "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
    "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
    "labelSelector must have at least one matchLabels or matchExpressions entry",
)
_BOTH_ROLES = rule(
    "self.exists(r, r.type == 'prefill') && self.exists(r, r.type == 'decode')",
    "exactly one prefill and one decode role required",
)
_FIXED = rule("self == oldSelf", "cannot be changed: make another MultiRoleInference for another model")


class RoleType(StrEnum):
    prefill = "prefill"
    decode = "decode"


class Role(Base):
    """One phase of inference, served by an InferenceSet of its own."""

    type: RoleType = Field(description="prefill: read the prompt; decode: write the answer.")
    # No default: v0.12's chart sets 1, which takes the choice away from the autoscaler.
    replicas: Int32 | None = Field(None, ge=1, description="Absent: an autoscaler decides, and is left alone.")
    instance_type: str | None = Field(
        None, description="GPU machine type. Needed when nodes are provisioned; empty when they are brought."
    )
    runtime_config: str | None = Field(None, description="ConfigMap with the key inference_config.yaml.")


class RoleModel(Base):
    """The model that both roles serve."""

    name: str = Field(description="A catalogue name, or a Hugging Face id (org/model).", json_schema_extra=_FIXED)
    model_access_secret: str | None = Field(None, description="Secret whose key HF_TOKEN opens a gated model.")


class MultiRoleInferenceSpec(Base):
    """The wish."""

    label_selector: LabelSelector = Field(description="Labels that a node must have.", json_schema_extra=_SELECTS)
    model: RoleModel
    epp_plugins_config: str | None = Field(None, description="ConfigMap with key config.yaml for the endpoint picker.")
    roles: list[Role] = Field(
        min_length=2, max_length=2, description="One prefill and one decode.", json_schema_extra=_BOTH_ROLES
    )


class MultiRoleInferenceStatus(Base):
    """What was observed."""

    conditions: Conditions | None = None
    observed_generation: Int64 | None = Field(None, description="The metadata.generation that was judged.")


class MultiRoleInference(Kind):
    """Prefill and decode of one model on machines of their own."""

    api_version: Literal["kaito.sh/v1alpha1"] = "kaito.sh/v1alpha1"
    kind: Literal["MultiRoleInference"] = "MultiRoleInference"
    spec: MultiRoleInferenceSpec
    status: MultiRoleInferenceStatus | None = None
