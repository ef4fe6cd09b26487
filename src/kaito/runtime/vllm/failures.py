"""Why the server did not start or died, in one sentence and one exit code. Pure: texts in, a Failure out.

vLLM tells its failures as exceptions of many kinds and in several processes; what says the cause is their text.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kaito.api import podcontract

MAX_CAUSE: Final = 400
"""Characters of a cause that a sentence quotes."""


class EngineHung(Exception):
    """The engine answered nothing for too long; the whole sentence."""


@dataclass(frozen=True)
class Failure:
    """The exit code of the pod contract, a machine's word for the reason, and the sentence for people."""

    code: int
    reason: str
    sentence: str


@dataclass(frozen=True)
class Cause:
    """One exception, as any of the server's processes saw it. ``config`` is true before an engine was started."""

    kind: str
    text: str
    config: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" if self.text else self.kind


@dataclass(frozen=True)
class Rule:
    """A pattern in a cause, what it means, and what the reader can do."""

    code: int
    reason: str
    what: str
    remedy: str
    pattern: re.Pattern[str]


def _rule(code: int, reason: str, what: str, remedy: str, *patterns: str) -> Rule:
    return Rule(code, reason, what, remedy, re.compile("|".join(patterns), re.IGNORECASE | re.DOTALL))


_MEMORY: Final = "Use a smaller or quantised model, a smaller --max-model-len, or a machine with more memory."
_MODEL: Final = "Check the model's name or folder, or download it again."
RULES: Final = (
    _rule(
        podcontract.EXIT_OUT_OF_MEMORY, "OutOfMemory", "not enough memory for the KV cache", _MEMORY,
        r"no available memory for the cache blocks", r"larger than the available kv cache memory",
        r"cannot auto-fit max_model_len", r"explicit.*kv.?cache.*available memory",
    ),
    _rule(
        podcontract.EXIT_OUT_OF_MEMORY, "OutOfMemory", "not enough memory", _MEMORY,
        r"out of memory", r"^memoryerror", r"outofmemoryerror", r"can't allocate memory", r"cannot allocate memory",
        r"not enough memory", r"less than desired \w+ memory utilization",
        r"available memory on node .* is (less|smaller) than",
    ),
    _rule(
        podcontract.EXIT_OUT_OF_MEMORY, "OutOfMemory", "the system stopped a process of the engine (signal 9),"
        " most likely because memory ran out", _MEMORY,
        r"failed core proc\(s\): \{[^}]*: -9\b", r"exit code:? -9\b",
    ),
    _rule(
        podcontract.EXIT_PORT_TAKEN, "PortTaken", "the address is taken", "Stop the other process, or set --port.",
        r"address already in use", r"\[errno 98\]",
    ),
    _rule(
        podcontract.EXIT_BAD_MODEL, "ModelNotSupported", "the model's architecture is not supported",
        "Use a model that this version of vLLM can load.",
        r"model architectures .* (are not supported|failed to be inspected)", r"has no vllm implementation",
        r"does not recognize this architecture", r"unrecognized model in", r"should have a .?model_type",
    ),
    _rule(
        podcontract.EXIT_BAD_MODEL, "ModelAccessDenied", "the hub refuses access to the model",
        "Accept the model's terms on the hub, and name a Secret with HF_TOKEN in presetOptions.modelAccessSecret.",
        r"gatedrepoerror", r"gated repo", r"401 client error", r"403 client error",
    ),
    _rule(
        podcontract.EXIT_BAD_MODEL, "ModelNotFound", "the model cannot be found or downloaded",
        "Check the model's name and revision, and that this machine reaches the hub.",
        r"repositorynotfounderror", r"revisionnotfounderror", r"is not a valid model identifier",
        r"invalid repository id or local directory", r"localentrynotfounderror", r"couldn't connect to",
        r"can't load the configuration of", r"offlinemodeisenabled", r"cannot find any model weights",
        r"name resolution", r"does not appear to have a file named config\.json", r"repo id must",
        r"maxretryerror", r"connecterror",
    ),
    _rule(
        podcontract.EXIT_BAD_MODEL, "BadAdapter", "an adapter cannot be loaded",
        "Check that its folder holds adapter_config.json and adapter_model.safetensors made for this model.",
        r"adapter_config\.json", r"lora adapter", r"adapter_model", r"loading lora", r"lora rank \d+ is greater",
    ),
    _rule(
        podcontract.EXIT_BAD_MODEL, "BadModel", "the model cannot be loaded", _MODEL,
        r"safetensorerror", r"error while deserializing", r"headertoo", r"metadataincompletebuffer", r"invalidheader",
        r"unpicklingerror", r"were not initialized from", r"there is no module or parameter named",
        r"size mismatch", r"shape mismatch", r"can't load tokenizer", r"couldn't instantiate the backend tokenizer",
        r"tokenizer class .* does not exist", r"load_weights", r"trust_remote_code", r"attempted to load weight",
    ),
    _rule(
        podcontract.EXIT_BAD_FLAG, "BadFlag", "an option does not fit",
        "Correct the option in the inference ConfigMap or the command.",
        r"no common block size", r"unknown quantization method", r"quantization.* not supported",
        r"not supported on (the )?current platform", r"is only supported on", r"is not available", r"parallel_size",
        r"greater than the derived max_model_len", r"does not support", r"invalid .*(parser|config)",
    ),
)  # fmt: skip
HOLLOW: Final = re.compile(
    r"engine core initialization failed|see (root cause|stack trace)|workerproc initialization failed|"
    r"enginecore encountered an issue|enginedeaderror|cancellederror|worker.* died unexpectedly",
    re.IGNORECASE,
)
"""Texts that only say that another process knows more."""


def classify(causes: Sequence[Cause], *, secrets: Iterable[str] = ()) -> Failure:
    """The first cause that a rule knows; else the first that says anything. Before an engine ran that is the options'.

    ``secrets`` never appear in the sentence.
    """
    hidden = [secret for secret in secrets if secret]
    telling = [cause for cause in causes if not HOLLOW.search(str(cause))]
    for cause in (*telling, *causes):
        for rule in RULES:
            if rule.pattern.search(str(cause)):
                return Failure(rule.code, rule.reason, _sentence(rule.what, cause, rule.remedy, hidden))
    if not causes:
        text = "the engine stopped without a word. Look at the log above."
        return Failure(podcontract.EXIT_ENGINE, "EngineFailed", text)
    first = (telling or causes)[0]
    if first.config and first.kind in ("ValueError", "TypeError", "KeyError", "ValidationError", "NotImplementedError"):
        remedy = "Correct the option in the inference ConfigMap or the command."
        return Failure(podcontract.EXIT_BAD_FLAG, "BadFlag", _sentence("an option does not fit", first, remedy, hidden))
    what = _sentence("the engine failed", first, "The log above has the whole account.", hidden)
    return Failure(podcontract.EXIT_ENGINE, "EngineFailed", what)


def _sentence(what: str, cause: Cause, remedy: str, hidden: Sequence[str]) -> str:
    return f"{what}: {shorten(redact(str(cause), hidden))} {remedy}"


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret blotted out."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def shorten(text: str) -> str:
    """One line that ends with a full stop, of a cause that may have many."""
    text = re.sub(r"For further information visit https?://\S+", "", text)
    text = re.sub(r"\[type=[^\]]*\]", "", text)
    line = " ".join(text.split())
    if len(line) > MAX_CAUSE:
        line = line[: MAX_CAUSE - 3].rstrip() + "..."
    return line if line.endswith((".", "!", "?")) else line + "."
