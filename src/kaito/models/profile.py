"""What the planner needs to know of a model, read out of its own files' metadata. Pure: bytes and dicts in."""

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kaito.models.cache import CacheLayout
from kaito.models.config import Config, head_counts, head_size, integer, layer_count
from kaito.models.layers import layout_of
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
MAX_HEADER = 100 * 1024 * 1024
_DTYPE_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


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
    it reads images too.
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


def header_length(first: bytes, size: int, where: str) -> int:
    """Bytes of a safetensors header, from the file's first 8. Raises ModelError when the file cannot hold it."""
    if len(first) < 8:
        raise ModelError(f"{where}: has {size} bytes and a safetensors file has at least 8. Download it again.")
    length = int.from_bytes(first[:8], "little")
    if length > MAX_HEADER or 8 + length > size:
        raise ModelError(
            f"{where}: says that its header has {length} bytes and the file has {size}: it is truncated or no "
            "safetensors file. Download it again."
        )
    return length


def tensor_bytes(header: bytes, size: int, where: str) -> int:
    """Bytes of all tensors, checked against their shapes and against the file's own size.

    Raises ModelError for a header that lies and for a file that is shorter than its tensors.
    """
    try:
        entries = json.loads(header)
        tensors = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        spans = [(name, entry["dtype"], entry["shape"], *entry["data_offsets"]) for name, entry in tensors.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ModelError(f"{where}: its safetensors header cannot be read: {exc!r}. Download it again.") from exc
    end = 0
    for name, dtype, shape, start, stop in spans:
        bits = _DTYPE_BITS.get(dtype)
        if bits is not None and (math.prod(shape) * bits + 7) // 8 != stop - start:
            raise ModelError(f"{where}: tensor {name} of {dtype}{shape} takes {stop - start} bytes. Download it again.")
        end = max(end, stop)
    needed = 8 + len(header) + end
    if needed > size:
        raise ModelError(
            f"{where}: is truncated: its tensors need {needed} bytes and {size} are there. Download it again."
        )
    return sum(stop - start for *_, start, stop in spans)


def profile(
    name: str,
    config: Config,
    *,
    weight_bytes: int,
    has_tokenizer: bool,
    has_chat_template: bool,
    sentence_transformers: bool = False,
) -> ModelProfile:
    """The model in numbers, from its configuration and the size of its weights.

    ``sentence_transformers``: whether its files include that library's modules.json.
    """
    attention, _ = attention_of(config)
    heads, kv_heads = head_counts(config)
    quantization = config.get("quantization_config")
    quantization = quantization if isinstance(quantization, dict) else {}
    method = quantization.get("quant_method")
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
        quantization=method if isinstance(method, str) else None,
        quantization_bits=integer(quantization, "bits") or None,
        has_tokenizer=has_tokenizer,
        has_chat_template=has_chat_template,
        heads=heads,
        kv_heads=kv_heads,
        task=task_of(config, sentence_transformers=sentence_transformers),
        vision=has_vision(config),
    )
