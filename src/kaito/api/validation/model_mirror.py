"""MM rules: which weights a ModelMirror keeps, and on which volume; one that is there stays as it is."""

from collections.abc import Iterator
from typing import Any, Final

from lightkube.utils.quantity import parse_quantity

from kaito.api.errors import SpecError
from kaito.api.model_mirror import MirrorMode, MirrorSource, MirrorStorage, ModelMirror, ModelMirrorSpec
from kaito.api.names import is_hub_id, is_label, is_subdomain
from kaito.api.validation.facts import AdmissionFacts

SOURCE: Final = "spec.source"
STORAGE: Final = "spec.storage"
STORAGE_CLASS: Final = f"{STORAGE}.storageClassName"
JOBS: Final = "spec.jobNamespace"
_NOTHING: Final = ModelMirrorSpec()


def create_errors(new: ModelMirror, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a new ModelMirror."""
    spec = new.spec or _NOTHING
    return list(_static_errors(spec) if spec.mode is MirrorMode.static else _managed_errors(spec, facts))


def update_errors(old: ModelMirror, new: ModelMirror, facts: AdmissionFacts) -> list[SpecError]:
    """A ModelMirror's spec never changes."""
    if _wish(old) == _wish(new):
        return []
    return [SpecError("spec", None, "cannot be changed: make another ModelMirror")]


def storage_class(mirror: ModelMirror) -> str | None:
    """The StorageClass that a new mirror needs."""
    spec = mirror.spec or _NOTHING
    if spec.mode is MirrorMode.static or spec.storage is None:
        return None
    return spec.storage.storage_class_name or None


def _wish(mirror: ModelMirror) -> dict[str, Any]:
    """The spec as it is meant: no mode is Managed, an empty field is none."""
    spec = mirror.spec or _NOTHING
    return spec.model_copy(update={"mode": spec.mode or MirrorMode.managed}).model_dump(exclude_none=True)


def _static_errors(spec: ModelMirrorSpec) -> Iterator[SpecError]:
    fix = "cannot stand in a Static mirror, whose weights are there already: remove it, or make it Managed"
    if spec.source is not None:
        yield SpecError(SOURCE, None, fix)
    if spec.storage is not None:
        yield SpecError(STORAGE, None, fix)


def _managed_errors(spec: ModelMirrorSpec, facts: AdmissionFacts) -> Iterator[SpecError]:
    if spec.source is None:
        yield SpecError(SOURCE, None, "is required for a Managed mirror: name the registry and the model")
    else:
        yield from _source_errors(spec.source, spec.job_namespace or "")
    if not spec.job_namespace:
        yield SpecError(JOBS, None, "is required for a Managed mirror: name the namespace of its volume and download")
    elif not is_label(spec.job_namespace):
        fix = "cannot be a namespace: use at most 63 lower-case letters, digits and '-'"
        yield SpecError(JOBS, spec.job_namespace, fix)
    if spec.storage is None:
        yield SpecError(STORAGE, None, "is required for a Managed mirror: set size and storageClassName")
    else:
        yield from _storage_errors(spec.storage, facts)


def _source_errors(source: MirrorSource, jobs: str) -> Iterator[SpecError]:
    if not source.model_id:
        yield SpecError(f"{SOURCE}.modelID", None, "is required: write a Hugging Face id, org/model")
    elif not is_hub_id(source.model_id):
        yield SpecError(f"{SOURCE}.modelID", source.model_id, "is not a Hugging Face id: write it as org/model")
    secret = source.access_secret
    if secret is None:
        return
    if not secret.name:
        yield SpecError(f"{SOURCE}.accessSecret.name", None, "is required: name a Secret whose key HF_TOKEN is set")
    if secret.namespace and jobs and secret.namespace != jobs:
        fix = f"is not {jobs}, where the download reads the Secret: copy it there and leave this out"
        yield SpecError(f"{SOURCE}.accessSecret.namespace", secret.namespace, fix)


def _storage_errors(storage: MirrorStorage, facts: AdmissionFacts) -> Iterator[SpecError]:
    yield from _size_errors(storage.size)
    name = storage.storage_class_name or ""
    if not name:
        yield SpecError(STORAGE_CLASS, None, "is required for a Managed mirror: kubectl get storageclass lists them")
    elif not is_subdomain(name):
        yield SpecError(STORAGE_CLASS, name, "is no name of a StorageClass: kubectl get storageclass lists them")
    elif facts.storage_classes.get(name) is False:
        yield SpecError(STORAGE_CLASS, name, "is no StorageClass of this cluster: kubectl get storageclass lists them")


def _size_errors(size: str) -> Iterator[SpecError]:
    field = f"{STORAGE}.size"
    if not size:
        yield SpecError(field, None, "is required: write how much the weights need, such as 220Gi")
        return
    try:
        wanted = parse_quantity(size)
    except (ValueError, ArithmeticError):
        wanted = None
    if wanted is None:
        yield SpecError(field, size, "is no quantity: write it as 220Gi")
    elif wanted <= 0:
        yield SpecError(field, size, "must be more than 0: write how much the weights need, such as 220Gi")
