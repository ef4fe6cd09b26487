"""The Workspace kind, v1beta1: its types, and strict or lenient decoding."""

import difflib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from kaito.api.errors import SpecError, SpecErrors

Object = dict[str, Any]


class Base(BaseModel):
    """Frozen, camelCase on the wire, and strict: a field we do not know is an error, not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class SelectorRequirement(Base):
    """A label selector requirement."""

    key: str
    operator: str
    values: list[str] | None = None


class LabelSelector(Base):
    """Which nodes; both parts must hold."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[SelectorRequirement] | None = None


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

    name: str | None = None
    urls: list[str] | None = None
    volume_source: Object | None = Field(None, description="A core/v1 VolumeSource.")
    image: str | None = None
    image_pull_secrets: list[str] | None = None


class DataDestination(Base):
    """Where a result goes: exactly one of volumeSource and image."""

    volume_source: Object | None = Field(None, description="A core/v1 VolumeSource.")
    image: str | None = None
    image_push_secret: str | None = None


class AdapterSpec(Base):
    """A LoRA adapter served beside its base model."""

    source: DataSource | None = None
    strength: str | None = Field(None, description="A decimal between 0 and 1, as text.")


class InferenceSpec(Base):
    """What to serve: exactly one of preset and template."""

    preset: PresetSpec | None = None
    template: Object | None = Field(None, description="A PodTemplateSpec of your own.")
    config: str | None = Field(None, description="ConfigMap with the key inference_config.yaml, same namespace.")
    adapters: list[AdapterSpec] | None = Field(None, description="At most 10.")


class TuningSpec(Base):
    """What to tune, on which data, and where the adapter goes."""

    preset: PresetSpec | None = None
    method: str | None = Field(None, description="lora or qlora.")
    config: str | None = Field(None, description="ConfigMap with the key training_config.yaml, same namespace.")
    input: DataSource
    output: DataDestination


class Condition(Base):
    """metav1.Condition."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int | None = Field(None, ge=0)


class Metric(Base):
    """One measured figure."""

    description: str
    value: str
    unit: str | None = None
    config: dict[str, str] | None = None


class Performance(Base):
    """What the service reached when it was measured after loading."""

    metrics: dict[str, Metric] | None = None


class WorkspaceStatus(Base):
    """What was observed."""

    worker_nodes: list[str] | None = Field(None, description="Names of this workspace's nodes, sorted.")
    conditions: list[Condition] | None = None
    state: str | None = Field(None, description="Pending, Ready, NotReady, Running, Succeeded or Failed.")
    target_node_count: int | None = Field(None, description="Nodes that the workload needs.")
    performance: Performance | None = None


class Workspace(Base):
    """One model served, or one model tuned. It has no `spec`: its parts stand at the top."""

    api_version: Literal["kaito.sh/v1beta1"] = "kaito.sh/v1beta1"
    kind: Literal["Workspace"] = "Workspace"
    metadata: Object = Field(default_factory=dict)
    resource: ResourceSpec | None = None
    inference: InferenceSpec | None = None
    tuning: TuningSpec | None = None
    status: WorkspaceStatus | None = None

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace", "default"))

    @property
    def annotations(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.metadata.get("annotations") or {}
        return found

    @classmethod
    def decode(cls, obj: Object, *, strict: bool = True) -> Self:
        """The typed object. With ``strict`` false, fields that a newer version wrote are left out, not refused.

        Raises SpecErrors with every field that is wrong.
        """
        if not strict:
            obj = _known_only(obj, cls)
        try:
            return cls.model_validate(obj)
        except ValidationError as exc:
            raise SpecErrors([_spec_error(cls, error) for error in exc.errors(include_url=False)]) from exc

    def encode(self) -> Object:
        """The object as it goes over the wire: camelCase, nothing unset."""
        encoded: Object = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return encoded


def _spec_error(root: type[Base], error: Mapping[str, Any]) -> SpecError:
    location = error["loc"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    value = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(root, location[:-1]))
            close = difflib.get_close_matches(str(location[-1]), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
            return SpecError(path, None, f"is not a field of this API; {hint}")
        case "missing":
            return SpecError(path, None, "is required: set it")
        case "enum" | "literal_error":
            return SpecError(path, value, f"is not allowed: use {error['ctx']['expected']}")
    return SpecError(path, value if not isinstance(value, dict | list) else None, f"is wrong: {error['msg']}")


def _model_of(annotation: Any) -> type[Base] | None:
    """The model behind an annotation such as X, X | None or list[X]; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Base):
        return annotation
    for part in get_args(annotation):
        if (found := _model_of(part)) is not None:
            return found
    return None


def _models(model: type[Base]) -> Iterator[tuple[str, type[Base] | None]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, _model_of(info.annotation)


def _fields_at(root: type[Base], location: tuple[Any, ...]) -> set[str]:
    model: type[Base] | None = root
    for part in location:
        if isinstance(part, str) and model is not None:
            model = dict(_models(model)).get(part, model)
    return set(dict(_models(model))) if model is not None else set()


def _known_only(value: Any, model: type[Base]) -> Any:
    """``value`` without the fields that ``model`` does not know, at every depth."""
    if isinstance(value, list):
        return [_known_only(item, model) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in _models(model):
        if key in value:
            nested = inner is not None and key != "metrics"
            kept[key] = _known_only(value[key], inner) if nested and inner is not None else value[key]
    return kept
