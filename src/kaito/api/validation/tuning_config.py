"""TC rules: the ConfigMap that ``tuning.config`` names, or the installation's default for the method."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kaito.api.errors import SpecError
from kaito.api.validation.documents import load_yaml
from kaito.api.validation.facts import AdmissionFacts, Place
from kaito.api.workspace import TuningSpec, Workspace

CONFIG: Final = "tuning.config"
KEY: Final = "training_config.yaml"
ROOT: Final = "training_config"
TEMPLATES: Final = {"lora": "lora-params-template", "qlora": "qlora-params-template"}
SECTIONS: Final = (
    "ModelConfig",
    "QuantizationConfig",
    "LoraConfig",
    "TrainingArguments",
    "DatasetConfig",
    "DataCollator",
)
MOUNT: Final = "/mnt"


def method_of(spec: TuningSpec) -> str:
    """The method in lower case."""
    return (spec.method or "").lower()


def config_place(workspace: Workspace, facts: AdmissionFacts) -> Place | None:
    """Where the configuration is: the author's ConfigMap, else the installation's template; None when unknown."""
    spec = workspace.tuning
    if spec is None:
        return None
    if spec.config:
        return workspace.namespace, spec.config
    template = TEMPLATES.get(method_of(spec))
    return (facts.release_namespace, template) if facts.release_namespace and template else None


def config_errors(workspace: Workspace, facts: AdmissionFacts) -> Iterator[SpecError]:
    """What is wrong with the ConfigMap, if it was looked up."""
    spec, place = workspace.tuning, config_place(workspace, facts)
    if spec is None or place is None or place not in facts.config_maps:
        return
    (namespace, name), data = place, facts.config_maps[place]
    if data is None:
        remedy = "create it, or clear the field" if spec.config else "install KAITO's again, or name your own"
        yield SpecError(CONFIG, name, f"is no ConfigMap in namespace {namespace}: {remedy}")
    elif KEY not in data:
        yield SpecError(CONFIG, name, f"has no key {KEY}: put the configuration there")
    else:
        yield from text_errors(data[KEY], method_of(spec))


def text_errors(text: str, method: str) -> Iterator[SpecError]:
    """What is wrong with a tuning configuration's text for ``method``."""
    field = f"{CONFIG}: {KEY}"
    try:
        document = load_yaml(text)
    except ValueError as exc:
        yield SpecError(field, None, f"is not valid YAML: {exc}; correct the ConfigMap")
        return
    sections = document.get(ROOT) if isinstance(document, dict) else None
    if not isinstance(sections, dict):
        yield SpecError(field, None, f"has no map {ROOT}: write the sections below that key")
        return
    field = f"{field}: {ROOT}"
    for name in sections:
        if name not in SECTIONS:
            yield SpecError(field, name, f"is no section of it: use {', '.join(SECTIONS)}")
    yield from _quantization_errors(sections, f"{field}.QuantizationConfig", method)
    yield from _output_errors(sections, f"{field}.TrainingArguments")


def _quantization_errors(sections: Mapping[Any, Any], field: str, method: str) -> Iterator[SpecError]:
    given = sections.get("QuantizationConfig")
    if given is not None and not isinstance(given, dict):
        yield SpecError(field, given, "is not a map: write load_in_4bit: true below it")
        return
    chosen = []
    for option in ("load_in_4bit", "load_in_8bit"):
        value = (given or {}).get(option)
        if value is not None and not isinstance(value, bool):
            yield SpecError(f"{field}.{option}", value, "must be true or false, without quotes")
            return
        if value:
            chosen.append(option)
    if len(chosen) > 1:
        yield SpecError(field, None, "sets load_in_4bit and load_in_8bit: keep one of them")
    elif chosen and method == "lora":
        yield SpecError(f"{field}.{chosen[0]}", True, "quantizes, which lora does not: remove it, or use method qlora")
    elif not chosen and method == "qlora":
        yield SpecError(field, None, "must set load_in_4bit or load_in_8bit to true: qlora tunes a quantized model")


def _output_errors(sections: Mapping[Any, Any], field: str) -> Iterator[SpecError]:
    given = sections.get("TrainingArguments")
    if given is None:
        return
    if not isinstance(given, dict):
        yield SpecError(field, given, "is not a map: write the trainer's arguments below it")
        return
    folder = given.get("output_dir")
    if folder is None:
        return
    if not isinstance(folder, str):
        yield SpecError(f"{field}.output_dir", folder, "must be text: write a folder below /mnt")
    elif not is_below_mount(folder):
        yield SpecError(f"{field}.output_dir", folder, f"must be a folder below {MOUNT}: results are kept there only")


def is_below_mount(folder: str) -> bool:
    """Whether ``folder``, absolute or relative to /mnt, lies strictly below /mnt."""
    found = posixpath.normpath(posixpath.join(MOUNT, folder))
    return found.startswith(f"{MOUNT}/")
