"""Reading keys of a model's configuration, whose names differ by family. Pure; a wrong value counts as absent."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]


def integer(config: Config, *keys: str, default: int = 0) -> int:
    """The first of ``keys`` that holds a number, or a number as text."""
    for key in keys:
        number = _number(config.get(key))
        if number is not None:
            return number
    return default


def integers(config: Config, key: str) -> tuple[int, ...]:
    """The numbers of a list; none when the key holds anything else."""
    value = config.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    numbers = [_number(one) for one in value]
    return tuple(number for number in numbers if number is not None) if None not in numbers else ()


def texts(config: Config, key: str) -> tuple[str, ...]:
    """The words of a list; none when the key holds anything else."""
    value = config.get(key)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return tuple(value) if all(isinstance(one, str) for one in value) else ()


def section(config: Config, key: str) -> Config:
    """A part of the configuration that is one itself; empty when it is absent."""
    value = config.get(key)
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) else None


def family_of(config: Config) -> str:
    """The model's family in small letters and digits, as ``gemma3`` or ``gptoss``; empty when it does not say."""
    named = config.get("model_type")
    if isinstance(named, str) and named:
        return re.sub(r"[^a-z0-9]", "", named.lower().removesuffix("_text"))
    known = re.match(
        r"[A-Z][A-Za-z0-9_]*?(?=(?:Text)?(?:For[A-Z]|Model$|LMHeadModel$))",
        next(iter(texts(config, "architectures")), ""),
    )
    return re.sub(r"[^a-z0-9]", "", known[0].lower()) if known else ""


def layer_count(config: Config) -> int:
    """Decoder layers; models that only list their blocks are counted by that list."""
    listed = config.get("layers_block_type") or config.get("layer_types") or config.get("hybrid_override_pattern") or ()
    return integer(config, "num_hidden_layers", "n_layer", "n_layers", "num_layers") or len(listed)


def head_counts(config: Config) -> tuple[int, int]:
    """Attention heads and key-value heads of a layer; 0 when the configuration does not say."""
    heads = integer(config, "num_attention_heads", "n_head", "n_heads", "decoder_attention_heads")
    keys = ("num_key_value_heads", "n_head_kv", "num_kv_heads", "n_kv_heads", "multi_query_group_num")
    kv_heads = integer(config, *keys)
    return heads, kv_heads or (1 if config.get("multi_query") is True else heads)


def hidden_size(config: Config) -> int:
    """Elements of one token between layers; 0 when the configuration does not say."""
    return integer(config, "hidden_size", "n_embd", "d_model", "dim")


def head_size(config: Config) -> int:
    """Elements of one head; 0 when the configuration does not say."""
    heads = head_counts(config)[0]
    given = integer(config, "head_dim", "attention_head_dim", "hidden_size_per_head")
    return given or (hidden_size(config) // heads if heads else 0)
