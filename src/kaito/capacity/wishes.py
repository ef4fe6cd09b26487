"""What an inference configuration fixes before the planner begins: read as YAML, in every spelling the engine takes."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from kaito.api import podcontract
from kaito.api.errors import SpecError
from kaito.api.tokens import token_count
from kaito.api.validation.documents import load_yaml
from kaito.capacity.plan import Wishes
from kaito.models.engine import EngineOptions

T = TypeVar("T")
FIELD: Final = f"inference.config: {podcontract.CONFIG_KEY}"
OPTIONS: Final = (
    "max-model-len", "gpu-memory-utilization", "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size",
    "kv-cache-dtype",
)  # fmt: skip
"""The engine's options that a plan depends on."""
SHORT: Final = {"tp": "tensor-parallel-size", "pp": "pipeline-parallel-size", "dp": "data-parallel-size"}


def wishes(text: str) -> Wishes:
    """What the text of an inference configuration asks for; nothing when it is empty or has no ``vllm`` part.

    Raises SpecError naming the key.
    """
    return of_options(_options(text), f"{FIELD}: vllm.")


def of_options(options: Mapping[str, Any], where: str) -> Wishes:
    """What the engine's ``options`` ask for, each under its long name or its short one, with dashes or underscores.

    Lengths may be written like 131072, "128K" (times 1024) or "128k" (times 1000); auto and -1 leave them open.
    ``where`` stands before an option's name in errors. Raises SpecError.
    """
    spelled = {str(key).lstrip("-").replace("_", "-"): value for key, value in options.items()}
    given = {SHORT.get(key, key): value for key, value in spelled.items()}

    def read(key: str, how: Callable[[Any, str], T | None]) -> T | None:
        value = given.get(key)
        return None if value is None else how(value, f"{where}{key}")

    return Wishes(
        context=read("max-model-len", _length),
        utilization=read("gpu-memory-utilization", _share),
        tensor_parallel=read("tensor-parallel-size", _count),
        pipeline_parallel=read("pipeline-parallel-size", _count),
        data_parallel=read("data-parallel-size", _count),
        kv_cache_dtype=read("kv-cache-dtype", _word),
    )


def completed(asked: Wishes, options: EngineOptions) -> Wishes:
    """``asked``, with what the engine needs for this model where its author left it open."""
    if asked.kv_cache_dtype is None and options.kv_cache_dtype:
        return dataclasses.replace(asked, kv_cache_dtype=options.kv_cache_dtype)
    return asked


def _options(text: str) -> Mapping[str, Any]:
    try:
        document = load_yaml(text)
    except ValueError as exc:
        raise SpecError(FIELD, None, f"is not valid YAML: {exc}; correct the ConfigMap") from exc
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SpecError(FIELD, document, "is not a map; write the key vllm with the engine's options below it")
    options = document.get("vllm")
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise SpecError(f"{FIELD}: vllm", options, "is not a map; write the engine's options below it, one a line")
    return options


def _length(value: Any, where: str) -> int | None:
    try:
        return token_count(value)
    except ValueError as exc:
        fix = "is no length; write a number of tokens such as 8192, 8K, or auto"
        raise SpecError(where, value, fix) from exc


def _share(value: Any, where: str) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError, OverflowError):
        share = 0.0
    if isinstance(value, bool) or not 0 < share <= 1:
        fix = "is no share of a GPU's memory; write a number above 0 and up to 1, such as 0.9"
        raise SpecError(where, value, fix)
    return share


def _count(value: Any, where: str) -> int:
    # A number of thousands of digits is not even written out.
    text = str(value).strip() if isinstance(value, str) or value in range(10_000) else ""
    if isinstance(value, bool | float) or not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
        fix = "is no number of GPUs, stages or copies; write a whole number of at least 1"
        raise SpecError(where, value, fix)
    return int(text)


def _word(value: Any, where: str) -> str:
    word = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"[a-z0-9_]{1,32}", word):
        raise SpecError(where, value, "is no type of a cache; write one such as auto, fp8 or bfloat16")
    return word
