"""G rules: where a RAGEngine runs, what turns text into vectors, who keeps them, who answers, and what is checked."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from kaito.api import images
from kaito.api.common import InferenceSpec, ResourceSpec
from kaito.api.errors import SpecError
from kaito.api.names import is_service_name
from kaito.api.rag_engine import LocalEmbedding, RAGEngine, RAGEngineSpec
from kaito.api.sources import address_problem
from kaito.api.validation.advice import of_secrets
from kaito.api.validation.documents import load_yaml
from kaito.api.validation.facts import AdmissionFacts, Place
from kaito.api.validation.metadata import MAX_LABEL
from kaito.api.validation.moved import moved
from kaito.api.validation.resource import resource_change_errors, resource_errors
from kaito.api.workspace import Workspace

POLICY: Final = "ragengine-guardrails-policy-template"
POLICY_KEY: Final = "guardrails.yaml"
ENGINES: Final = ("qdrant",)
_PLACES: Final = {"resource": "spec.compute"}
_EMBEDDING: Final = "spec.embedding"
_GUARDRAILS: Final = "spec.guardrails"


def create_errors(new: RAGEngine, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a new RAGEngine."""
    return [*_name_errors(new.name), *_spec_errors(new, facts)]


def update_errors(old: RAGEngine, new: RAGEngine, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a change; each part of the spec is judged when it changed."""
    before, after = old.spec, new.spec
    if before is None or after is None:
        return _spec_errors(new, facts) if before != after else []
    changed = (
        _embedding_errors(after) if before.embedding != after.embedding else (),
        _vector_db_errors(after) if before.storage != after.storage else (),
        _service_errors(after) if before.inference_service != after.inference_service else (),
        _guardrails_errors(new, facts) if before.guardrails != after.guardrails else (),
        _compute_change_errors(old, new, facts),
    )
    return list(chain.from_iterable(changed))


def advice(new: RAGEngine, facts: AdmissionFacts) -> Iterator[str]:
    """What is worth saying of a RAGEngine that is accepted."""
    return of_secrets(named_secrets(new), new.namespace, facts)


def named_secrets(engine: RAGEngine) -> Iterator[tuple[str, str, str]]:
    """(field, Secret's name, key that it must have) of each Secret whose key is known."""
    spec = engine.spec
    if spec is None:
        return
    database = spec.storage.vector_db if spec.storage else None
    named = (
        (f"{_EMBEDDING}.local.modelAccessSecret", spec.embedding.local, "model_access_secret", "HF_TOKEN"),
        ("spec.storage.vectorDB.accessSecret", database, "access_secret", "VECTOR_DB_ACCESS_SECRET"),
        ("spec.inferenceService.accessSecret", spec.inference_service, "access_secret", "LLM_ACCESS_SECRET"),
    )
    for field, part, attribute, key in named:
        name = getattr(part, attribute, None)
        if name:
            yield field, name, key


def policy_place(engine: RAGEngine, facts: AdmissionFacts) -> Place | None:
    """Where the policy is: in the author's ConfigMap, else in the installation's; None without one, or when unknown."""
    guardrails = engine.spec.guardrails if engine.spec else None
    if guardrails is None or not guardrails.enabled:
        return None
    if guardrails.config_map_ref is not None and guardrails.config_map_ref.name:
        return engine.namespace, guardrails.config_map_ref.name
    return (facts.release_namespace, POLICY) if facts.release_namespace else None


def _name_errors(name: str) -> Iterator[SpecError]:
    if len(name) > MAX_LABEL:
        yield SpecError("metadata.name", name, f"has {len(name)} characters: keep to {MAX_LABEL}")
    elif not is_service_name(name):
        fix = "cannot name a Service: begin with a lower-case letter, go on with lower-case letters, digits and '-'"
        yield SpecError("metadata.name", name, fix)


def _spec_errors(new: RAGEngine, facts: AdmissionFacts) -> list[SpecError]:
    spec = new.spec
    if spec is None:
        return [SpecError("spec", None, "is required: say at least what embeds, below embedding")]
    parts: Iterable[Iterable[SpecError]] = (
        _compute_errors(new, facts),
        _embedding_errors(spec),
        _vector_db_errors(spec),
        _service_errors(spec),
        _guardrails_errors(new, facts),
    )
    return list(chain.from_iterable(parts))


def _compute_errors(new: RAGEngine, facts: AdmissionFacts) -> Iterator[SpecError]:
    compute = new.spec.compute if new.spec else None
    if compute is None:
        return
    yield from moved(resource_errors(_on(compute), facts), _PLACES, "RAGEngine")
    yield from _partition_errors(compute)


def _compute_change_errors(old: RAGEngine, new: RAGEngine, facts: AdmissionFacts) -> Iterator[SpecError]:
    before, after = (one.spec.compute if one.spec else None for one in (old, new))
    if before == after:
        return
    if before is None or after is None:
        how = "added" if before is None else "removed"
        yield SpecError("spec.compute", None, f"cannot be {how} later: make a new RAGEngine")
        return
    # What changes of a partition is said once, by the rule that there is none.
    bare = [one.model_copy(update={"partition": None}) for one in (before, after)]
    yield from moved(resource_change_errors(_on(bare[0]), _on(bare[1]), facts), _PLACES, "RAGEngine")
    if before.partition != after.partition:
        yield from _partition_errors(after)


def _on(compute: ResourceSpec) -> Workspace:
    """A Workspace on the same nodes: the rules are the same."""
    return Workspace(resource=compute, inference=InferenceSpec())


def _partition_errors(compute: ResourceSpec) -> Iterator[SpecError]:
    if compute.partition is not None:
        yield SpecError("spec.compute.partition", None, "is not supported for a RAGEngine: remove it")


def _embedding_errors(spec: RAGEngineSpec) -> Iterator[SpecError]:
    local, remote = spec.embedding.local, spec.embedding.remote
    if local is None and remote is None:
        yield SpecError(_EMBEDDING, None, "needs exactly one of local and remote; found none")
    if local is not None and remote is not None:
        yield SpecError(_EMBEDDING, None, "needs exactly one of local and remote; found both")
    if local is not None:
        yield from _local_errors(local, f"{_EMBEDDING}.local")
    if remote is not None:
        yield from _address_errors(remote.url, f"{_EMBEDDING}.remote.url")


def _local_errors(local: LocalEmbedding, field: str) -> Iterator[SpecError]:
    if not local.image and not local.model_id:
        yield SpecError(field, None, "needs exactly one of image and modelID; found none")
    if local.image and local.model_id:
        yield SpecError(field, None, "needs exactly one of image and modelID; found both")
    if local.image:
        try:
            images.parse(local.image)
        except images.ImageError as exc:
            yield SpecError(f"{field}.image", local.image, str(exc))


def _vector_db_errors(spec: RAGEngineSpec) -> Iterator[SpecError]:
    database = spec.storage.vector_db if spec.storage else None
    if database is None:
        return
    if database.engine not in ENGINES:
        fix = f"is not supported: use {' or '.join(ENGINES)}, or remove vectorDB to keep the index in memory"
        yield SpecError("spec.storage.vectorDB.engine", database.engine, fix)
    yield from _address_errors(database.url, "spec.storage.vectorDB.url")


def _service_errors(spec: RAGEngineSpec) -> Iterator[SpecError]:
    service = spec.inference_service
    if service is None:
        return
    if service.url:
        yield from _address_errors(service.url, "spec.inferenceService.url")
    if service.context_window_size <= 0:
        fix = "must be more than 0: write how many tokens the model takes"
        yield SpecError("spec.inferenceService.contextWindowSize", service.context_window_size, fix)


def _address_errors(url: str, field: str) -> Iterator[SpecError]:
    """Addresses inside the cluster are the rule here."""
    if problem := address_problem(url):
        yield SpecError(field, url, problem)


def _guardrails_errors(new: RAGEngine, facts: AdmissionFacts) -> Iterator[SpecError]:
    guardrails = new.spec.guardrails if new.spec else None
    if guardrails is None or not guardrails.enabled:
        return
    named = bool(guardrails.config_map_ref and guardrails.config_map_ref.name)
    field, place = f"{_GUARDRAILS}.configMapRef.name" if named else f"{_GUARDRAILS}.enabled", policy_place(new, facts)
    if place is None and facts.release_namespace == "":
        fix = "needs a policy, and none is installed here: name a ConfigMap in spec.guardrails.configMapRef"
        yield SpecError(field, None, fix)
    if place is None or place not in facts.config_maps:
        return
    (namespace, name), data = place, facts.config_maps[place]
    if data is None and named:
        yield SpecError(field, name, f"is no ConfigMap in namespace {namespace}: create it, or clear the field")
    elif data is None:
        fix = f"needs the ConfigMap {name} in namespace {namespace}: install it, or name your own in configMapRef"
        yield SpecError(field, None, fix)
    elif POLICY_KEY not in data:
        yield SpecError(field, name, f"has no key {POLICY_KEY}: put the policy there")
    else:
        yield from _policy_errors(data[POLICY_KEY], field)


def _policy_errors(text: str, field: str) -> Iterator[SpecError]:
    try:
        load_yaml(text)
    except ValueError as exc:
        yield SpecError(f"{field}: {POLICY_KEY}", None, f"is not valid YAML: {exc}; correct the ConfigMap")
