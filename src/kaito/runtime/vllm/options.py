"""From the command line and the mounted YAML to the one list of arguments that vLLM's parser gets. Pure.

Who wins: for vLLM's options the YAML, then the command line, then the defaults here, then vLLM's own. For KAITO's own
options the command line wins over the YAML.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from kaito.api import podcontract

REPEATED: Final = frozenset({"middleware"})
"""vLLM's options that are given once for each value; all others take a list after one name."""
SHORT: Final = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "cc": "compilation-config",
    "q": "quantization",
}
SECRET: Final = frozenset({"api-key", "hf-token"})
YAML_KEYS: Final = ("vllm", "max_probe_steps", "kv_cache_cpu_memory_utilization", "disable_rate_limit")
OWN: Final = {
    "kaito-adapters-dir": "text",
    "kaito-config-file": "text",
    "kaito-max-probe-steps": "integer",
    "kaito-kv-cache-cpu-memory-utilization": "number",
    "kaito-disable-rate-limit": "switch",
}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?$")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*\+?$")


class OptionError(ValueError):
    """An option that cannot be used; the text names it, its value and the remedy, and never a secret."""


@dataclass(frozen=True)
class Flag:
    """One option: its name without dashes, spelled with dashes inside, and its values; no value stands for a switch."""

    name: str
    values: tuple[str, ...] = ()

    def tokens(self) -> list[str]:
        """As the words of a command line."""
        if not self.values:
            return [f"--{self.name}"]
        if self.name in REPEATED:
            return [f"--{self.name}={value}" for value in self.values]
        if len(self.values) == 1:
            return [f"--{self.name}={self.values[0]}"]
        return [f"--{self.name}", *self.values]


@dataclass(frozen=True)
class Config:
    """The mounted YAML: vLLM's options in file order, and the value of each of KAITO's own that it sets."""

    flags: tuple[Flag, ...] = ()
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """What to start: vLLM's options, and the notes to log about options that change nothing."""

    flags: tuple[Flag, ...]
    adapters_dir: Path
    notes: tuple[str, ...] = ()

    def value(self, name: str) -> str | None:
        """The last value of a vLLM option, None when it is not given."""
        found = [flag.values for flag in self.flags if flag.name == name and flag.values]
        return found[-1][-1] if found else None

    def given(self, *names: str) -> bool:
        """Whether one of these options is given, also as ``--no-...`` or with a dotted name."""
        return any(base_name(flag.name) in names for flag in self.flags)

    def arguments(self) -> list[str]:
        """The words for vLLM's parser."""
        return [token for flag in self.flags for token in flag.tokens()]

    def shown(self) -> str:
        """The options as text for a log, without secrets."""
        hidden = (Flag(flag.name, ("***",)) if flag.name in SECRET else flag for flag in self.flags)
        return " ".join(token for flag in hidden for token in flag.tokens())

    def with_defaults(self, flags: Sequence[Flag]) -> "Launch":
        """The same with those of ``flags`` that are not given yet."""
        new = tuple(flag for flag in flags if not self.given(base_name(flag.name)))
        return Launch((*new, *self.flags), self.adapters_dir, self.notes)

    def replaced(self, flag: Flag) -> "Launch":
        """The same with this flag in place of all of its name."""
        others = tuple(one for one in self.flags if one.name != flag.name)
        return Launch((*others, flag), self.adapters_dir, self.notes)


def base_name(name: str) -> str:
    """``max-model-len`` for ``no-max-model-len`` and for ``max-model-len.x``."""
    return name.removeprefix("no-").split(".")[0]


def spelled(name: str) -> str:
    """The name with dashes; the part after a dot, a field's name, keeps its underscores."""
    head, dot, rest = name.partition(".")
    return head.replace("_", "-") + dot + rest


def parse_words(words: Sequence[str]) -> list[Flag]:
    """A command line's options in order, short names spelled out. Raises OptionError for a stray word."""
    flags: list[Flag] = []
    for word in words:
        if word.startswith("-") and not _NUMBER.match(word):
            flags.append(_flag(word))
        elif not flags:
            raise OptionError(f"{word!r}: is not an option. Write --name=value.")
        else:
            last = flags[-1]
            flags[-1] = Flag(last.name, (*last.values, word))
    return flags


def _flag(word: str) -> Flag:
    name, equals, value = word.lstrip("-").partition("=")
    if not _NAME.match(name):
        raise OptionError(f"{word.partition('=')[0]!r}: is not the name of an option. Write --name=value.")
    if not word.startswith("--") and name in SHORT:
        name = SHORT[name]
    elif not word.startswith("--"):
        raise OptionError(f"{word.partition('=')[0]!r}: write the option's long name, --name=value.")
    return Flag(spelled(name), (value,) if equals else ())


def parse_config(text: str, where: str) -> Config:
    """The mounted YAML. Raises OptionError naming the key, the value and what is allowed."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise OptionError(f"{where}: is not valid YAML: {' '.join(str(exc).split())}. Correct the ConfigMap.") from exc
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise OptionError(f"{where}: holds {type(document).__name__}. Write a map with the key vllm.")
    for key in document:
        if key not in YAML_KEYS:
            raise OptionError(
                f"{where}: {key!r} is no known key. Use {', '.join(YAML_KEYS)}; engine options go below vllm."
            )
    options = document.get("vllm")
    options = {} if options is None else options
    if not isinstance(options, dict):
        raise OptionError(f"{where}: vllm: holds {type(options).__name__}. Write a map from option to value.")
    flags = [flag for key, value in options.items() for flag in _config_flag(where, key, value)]
    own = {
        f"kaito-{spelled(key)}": str(value) for key, value in document.items() if key != "vllm" and value is not None
    }
    return Config(tuple(flags), own)


def _config_flag(where: str, key: Any, value: Any) -> list[Flag]:
    """True turns an option on, False off (``--no-...``), null leaves it alone; lists and maps are passed as such."""
    if not isinstance(key, str) or not _NAME.match(key):
        raise OptionError(f"{where}: vllm: {key!r} is not the name of an option.")
    name = spelled(key)
    if name.startswith("kaito-"):
        raise OptionError(f"{where}: vllm.{key}: is KAITO's own option. Put it at the top level of the file.")
    if value is None:
        return []
    if isinstance(value, bool):
        return [Flag(name)] if value else [Flag(f"no-{name}")]
    if isinstance(value, list):
        return [Flag(name, tuple(_word(item) for item in value))] if value else []
    return [Flag(name, (_word(value),))]


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list | bool) or value is None else str(value)


def merge(words: Sequence[str], config: Config) -> Launch:
    """The options to start with. Raises OptionError for a bad value of one of KAITO's own options."""
    given = parse_words(words)
    own = dict(config.own) | {flag.name: _one(flag) for flag in given if flag.name.startswith("kaito-")}
    for name, value in own.items():
        _check_own(name, value)
    replaced = {base_name(flag.name) for flag in config.flags if "." not in flag.name}
    named = {flag.name for flag in config.flags}
    kept = [flag for flag in given if not flag.name.startswith("kaito-")]
    nested = [flag for flag in kept if "." in flag.name and base_name(flag.name) in replaced]
    kept = [flag for flag in kept if flag.name not in named and (base_name(flag.name) not in replaced)]
    flags = [*kept, *(_over(flag, nested) for flag in config.flags)]
    notes = []
    if "kaito-max-probe-steps" in own:
        notes.append("max_probe_steps is ignored: the engine finds the context length itself (--max-model-len=auto)")
    if float(own.get("kaito-kv-cache-cpu-memory-utilization", 0)) > 0:
        notes.append("kv_cache_cpu_memory_utilization is ignored: this build keeps the KV cache where the model runs")
    return Launch(tuple(flags), Path(own.get("kaito-adapters-dir", podcontract.ADAPTERS_DIR)), tuple(notes))


def config_file(words: Sequence[str]) -> Path | None:
    """The YAML that the command line names. Raises OptionError."""
    named = [_one(flag) for flag in parse_words(words) if flag.name == "kaito-config-file"]
    return Path(named[-1]) if named and named[-1] else None


def _one(flag: Flag) -> str:
    if OWN.get(flag.name) == "switch" and not flag.values:
        return "true"
    if len(flag.values) != 1:
        raise OptionError(f"--{flag.name}: has {len(flag.values)} values and takes one. Write --{flag.name}=value.")
    return flag.values[0]


def _check_own(name: str, value: str) -> None:
    kind = OWN.get(name)
    if kind is None:
        raise OptionError(f"--{name}: is no option of KAITO. Use one of --{', --'.join(OWN)}.")
    if kind in ("integer", "number") and not _NUMBER.match(value):
        raise OptionError(f"--{name}: {value!r} is not a number.")
    if kind == "integer" and not value.isdigit():
        raise OptionError(f"--{name}: {value!r} is not a whole number of at least 0.")
    if kind == "switch" and value.lower() not in ("true", "false"):
        raise OptionError(f"--{name}: {value!r} is neither true nor false.")


def _over(flag: Flag, nested: Sequence[Flag]) -> Flag:
    """A JSON option of the YAML over the command line's dotted fields of it; the YAML wins a field that both name."""
    mine = [one for one in nested if base_name(one.name) == flag.name]
    if not mine or len(flag.values) != 1 or not flag.values[0].lstrip().startswith("{"):
        return flag
    try:
        above = json.loads(flag.values[0])
    except json.JSONDecodeError as exc:
        raise OptionError(f"--{flag.name}: is not valid JSON: {exc.msg} at {exc.pos}.") from exc
    below: dict[str, Any] = {}
    for one in mine:
        inner = below
        *path, last = one.name.split(".")[1:]
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = _value(one.values[0]) if one.values else True
    return Flag(flag.name, (json.dumps(_deep(below, above)),))


def _value(text: str) -> Any:
    try:
        return json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except json.JSONDecodeError:
        return text


def _deep(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _deep(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
