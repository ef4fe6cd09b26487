"""IC rules: the ConfigMap that ``inference.config`` names.

Only what decides the plan is looked at: the engine knows its other options itself.
"""

from collections.abc import Iterator
from typing import Any, Final

from kaito.api import podcontract
from kaito.api.errors import SpecError
from kaito.api.tokens import token_count
from kaito.api.validation.documents import load_yaml
from kaito.api.validation.facts import AdmissionFacts
from kaito.api.validation.metadata import runtime
from kaito.api.workspace import Workspace

FIELD: Final = "inference.config"
LENGTH: Final = "max-model-len"


def config_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """What is wrong with the ConfigMap, if it was looked up."""
    name = workspace.inference.config if workspace.inference else None
    place = (workspace.namespace, name or "")
    if not name or runtime(workspace, facts) != "vllm" or place not in facts.config_maps:
        return
    data = facts.config_maps[place]
    if data is None:
        fix = f"is no ConfigMap in namespace {workspace.namespace}: create it, or clear the field"
        yield SpecError(FIELD, name, fix)
    elif podcontract.CONFIG_KEY not in data:
        yield SpecError(FIELD, name, f"has no key {podcontract.CONFIG_KEY}: put the configuration there")
    else:
        yield from text_errors(data[podcontract.CONFIG_KEY], facts)


def text_errors(text: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    """What is wrong with an inference configuration's text."""
    field = f"{FIELD}: {podcontract.CONFIG_KEY}"
    try:
        document = load_yaml(text)
    except ValueError as exc:
        yield SpecError(field, None, f"is not valid YAML: {exc}; correct the ConfigMap")
        return
    if document is not None and not isinstance(document, dict):
        yield SpecError(field, document, "is not a map; write the key vllm with the engine's options below it")
        return
    options = (document or {}).get("vllm")
    if options is None:
        return
    if not isinstance(options, dict):
        fix = "is not a map; write the engine's options below it, one a line"
        yield SpecError(f"{field}: vllm", options, fix)
        return
    yield from _length_errors(options, f"{field}: vllm.{LENGTH}", facts)


def _length_errors(options: dict[Any, Any], field: str, facts: AdmissionFacts) -> Iterator[SpecError]:
    spelled = {str(key).lstrip("-").replace("_", "-"): value for key, value in options.items()}
    value = spelled.get(LENGTH)
    try:
        wanted = token_count(value)
    except ValueError:
        yield SpecError(field, value, "is no length; write a number of tokens such as 8192, 8K, or auto")
        return
    limit = facts.known_model.context_length or 0
    if wanted is not None and 0 < limit < wanted:
        yield SpecError(field, value, f"is more than the model's {limit} tokens: use at most that, or auto")
