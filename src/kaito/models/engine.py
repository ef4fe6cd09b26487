"""Which options of the engine a model needs: parsers of its answers, tokenizer mode, cache type. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).parent / "engine.yaml"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the engine must be told of a model; None where its own default is right.

    ``chat_template`` is the name of a file that serving images may hold. ``gpu_flags`` are unknown to engines on CPUs.
    """

    reasoning_parser: str | None
    tool_parser: str | None
    chat_template: str | None
    tokenizer_mode: str | None
    kv_cache_dtype: str | None
    gpu_flags: Mapping[str, str]
    deep_gemm: bool
    kv_offload: bool

    def flags(self, *, gpu: bool) -> dict[str, str]:
        """As vLLM's flags, names without dashes; an empty value is a switch."""
        found = dict(self.gpu_flags) if gpu else {}
        if self.reasoning_parser:
            found["reasoning-parser"] = self.reasoning_parser
        if self.tool_parser:
            found |= {"tool-call-parser": self.tool_parser, "enable-auto-tool-choice": ""}
        if self.tokenizer_mode:
            found["tokenizer-mode"] = self.tokenizer_mode
        if self.kv_cache_dtype:
            found["kv-cache-dtype"] = self.kv_cache_dtype
        return found


def engine_options(name: str, architectures: Sequence[str], *, weight_format: str = "auto") -> EngineOptions:
    """The options for the model whose id ends in ``name``, in any case. ``weight_format`` is auto or mistral."""
    name, rules = name.rpartition("/")[2].lower(), _rules()
    extra = _by_name(rules["gpu_flags"], name, architectures)
    mode = _by_name(rules["tokenizer_mode"], name, architectures)
    return EngineOptions(
        reasoning_parser=_reasoning(name, architectures),
        tool_parser=_tool(name, architectures),
        chat_template=_by_name(rules["chat_template"], name, architectures),
        tokenizer_mode=mode or ("mistral" if weight_format == "mistral" else None),
        kv_cache_dtype=_by_name(rules["kv_cache_dtype"], name, architectures),
        gpu_flags=_flag(extra) if extra else {},
        deep_gemm=any(one in rules["deep_gemm"] for one in architectures),
        kv_offload=not any(one in rules["no_kv_offload"] for one in architectures),
    )


def _flag(text: str) -> dict[str, str]:
    name, _, value = text.partition("=")
    return {name: value}


def _reasoning(name: str, architectures: Sequence[str]) -> str | None:
    if name in _rules()["never_reasoning"]:
        return None
    rules = _rules()["reasoning_parser"]
    prefix = _longest(rules["names"], name)
    return rules["names"][prefix] if prefix else _by_architecture(rules, architectures)


def _tool(name: str, architectures: Sequence[str]) -> str | None:
    if name in _rules()["never_tools"]:
        return None
    rules = _rules()["tool_parser"]
    return _by_name(rules, name, architectures) or _by_architecture(rules, architectures)


def _by_name(rules: Mapping[str, Any], name: str, architectures: Sequence[str]) -> str | None:
    prefix = _longest(rules["names"], name)
    if prefix is None:
        return None
    needed = _rules()["only_architectures"].get(prefix)
    if needed and architectures and not any(one in needed for one in architectures):
        return None
    return str(rules["names"][prefix])


def _by_architecture(rules: Mapping[str, Any], architectures: Sequence[str]) -> str | None:
    return next((str(rules["architectures"][one]) for one in architectures if one in rules["architectures"]), None)


def _longest(names: Mapping[str, str], name: str) -> str | None:
    return max((prefix for prefix in names if name.startswith(prefix)), key=len, default=None)


@cache
def _rules() -> Mapping[str, Any]:
    rules: Mapping[str, Any] = yaml.load(DATA.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return rules
