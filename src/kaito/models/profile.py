"""What the planner needs to know of a model, read out of its own files' metadata. Pure: bytes and dicts in."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kaito.models.cache import CacheLayout
from kaito.models.config import Config, head_counts, head_size, integer, layer_count
from kaito.models.layers import layout_of
from kaito.models.quantization import quantization_of
from kaito.models.tasks import Task, has_vision, task_of

CONTEXT_KEYS = (
    "max_position_embeddings",
    "n_ctx",
    "seq_length",
    "max_seq_len",
    "max_sequence_length",
    "model_max_length",
)
DEFAULT_CONTEXT = 2048


class ModelError(Exception):
    """A model that cannot be used; the message names the file, what is wrong with it, and the remedy."""


class Attention(StrEnum):
    """How keys and values are shared between heads."""

    MHA = "MHA"
    GQA = "GQA"
    MQA = "MQA"
    MLA = "MLA"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """A model in numbers. Sizes are bytes, lengths are tokens.

    ``cache`` is what its layers keep of the tokens before; it is not ``known`` when the configuration does not say.
    ``heads`` and ``kv_heads`` are attention heads and key-value heads of a layer, 0 when unknown. ``vision``: whether
    it reads images too; its vision part counts among the weights alone. ``weights_estimated``: the weights are in files
    that are not opened, so that the files' size stands for the tensors'.
    """

    name: str
    architectures: tuple[str, ...]
    weight_bytes: int
    cache: CacheLayout
    attention: Attention
    context_length: int
    layers: int
    dtype: str | None
    quantization: str | None
    quantization_bits: int | None
    has_tokenizer: bool
    has_chat_template: bool
    heads: int = 0
    kv_heads: int = 0
    task: Task = Task.GENERATE
    vision: bool = False
    weights_estimated: bool = False

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of 16-bit keys and values that a short sequence takes for each token, over all layers.

        An upper bound for longer ones, whose windows are full; 0 when the configuration does not say.
        """
        return self.cache.most_bytes_per_token()


def parse_config(text: str, where: str = "config.json") -> dict[str, Any]:
    """A model's configuration; the language part of a multimodal one fills what the top level lacks.

    Raises ModelError. Infinity and NaN, which some models carry, are read as Python's JSON reads them.
    """
    try:
        config = json.loads(text)
    except json.JSONDecodeError as exc:
        raise ModelError(f"{where}: line {exc.lineno}: is not valid JSON: {exc.msg}. Download it again.") from exc
    if not isinstance(config, dict):
        raise ModelError(f"{where}: holds {type(config).__name__}, not an object. Download it again.")
    nested = config.get("text_config") or config.get("llm_config")
    return (nested | config) if isinstance(nested, dict) else config


def with_quantization(config: dict[str, Any], told: Config) -> dict[str, Any]:
    """The configuration with what a file of its own tells of the quantisation, unless it tells that itself."""
    return config if config.get("quantization_config") else config | {"quantization_config": dict(told)}


def attention_of(config: Config) -> tuple[Attention, int]:
    """The kind of attention, and the elements that one token of one layer keeps (keys and values together)."""
    heads, kv_heads = head_counts(config)
    rank = integer(config, "kv_lora_rank")
    if rank:
        return Attention.MLA, rank + integer(config, "qk_rope_head_dim")
    elements = 2 * kv_heads * head_size(config)
    if elements == 0:
        return Attention.UNKNOWN, 0
    if heads == kv_heads:
        return Attention.MHA, elements
    return (Attention.MQA if kv_heads == 1 else Attention.GQA), elements


def profile(
    name: str,
    config: Config,
    *,
    weight_bytes: int,
    has_tokenizer: bool,
    has_chat_template: bool,
    sentence_transformers: bool = False,
    weights_estimated: bool = False,
) -> ModelProfile:
    """The model in numbers, from its configuration and the size of its weights.

    ``sentence_transformers``: whether its files include that library's modules.json.
    """
    attention, _ = attention_of(config)
    heads, kv_heads = head_counts(config)
    quantization = quantization_of(config)
    dtype = config.get("dtype") or config.get("torch_dtype")
    return ModelProfile(
        name=name,
        architectures=tuple(str(a) for a in config.get("architectures") or ()),
        weight_bytes=weight_bytes,
        cache=layout_of(config),
        attention=attention,
        context_length=integer(config, *CONTEXT_KEYS, default=DEFAULT_CONTEXT),
        layers=layer_count(config),
        dtype=dtype if isinstance(dtype, str) else None,
        quantization=quantization.method if quantization else None,
        quantization_bits=quantization.bits if quantization else None,
        has_tokenizer=has_tokenizer,
        has_chat_template=has_chat_template,
        heads=heads,
        kv_heads=kv_heads,
        task=task_of(config, sentence_transformers=sentence_transformers),
        vision=has_vision(config),
        weights_estimated=weights_estimated,
    )
