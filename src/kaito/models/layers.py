"""Which layers a model has, and what each keeps of the tokens before: read out of its configuration. Pure.

Keys and defaults are those that vLLM 0.32 and transformers 5 read: ``vllm/model_executor/models/*.py`` (which layer is
of which type), ``vllm/transformers_utils/model_arch_config_convertor.py`` (heads and their size), and the
``configuration_*.py`` of transformers (what a configuration leaves out).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from kaito.models.cache import CacheGroup, CacheLayout, LayerKind
from kaito.models.config import (
    Config,
    family_of,
    head_counts,
    head_size,
    integer,
    integers,
    layer_count,
    section,
    texts,
)
from kaito.models.states import state_of
from kaito.models.tasks import is_encoder

Kinds = tuple[LayerKind, ...]
"""What one layer keeps: most keep one thing, hybrid ones a state and full attention side by side."""
FULL: Final[Kinds] = (LayerKind.FULL,)
SLIDING: Final[Kinds] = (LayerKind.SLIDING,)
CHUNKED: Final[Kinds] = (LayerKind.CHUNKED,)
STATE: Final[Kinds] = (LayerKind.STATE,)
NONE: Final[Kinds] = (LayerKind.NONE,)
BOTH: Final[Kinds] = (LayerKind.FULL, LayerKind.STATE)
NAMES: Final = {
    "attention": FULL, "full_attention": FULL, "*": FULL, "sliding_attention": SLIDING, "chunked_attention": CHUNKED,
    "linear_attention": STATE, "mamba": STATE, "mamba2": STATE, "conv": STATE, "M": STATE, "hybrid": BOTH,
    "moe": NONE, "mlp": NONE, "-": NONE, "E": NONE,
}  # fmt: skip
"""What configurations call the types of layers; any other name is full attention, which never takes less."""
PERIODS: Final = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gemma4": 6,
    "gptoss": 2,
    "cohere2": 4,
    "exaone4": 4,
    "olmo3": 4,
}
"""Every so many layers one attends to all tokens, where the configuration does not say: the others have a window."""
LINEAR_PERIODS: Final = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "olmohybrid": 4}
"""The same for families whose other layers have a state."""
RECURRENT: Final = frozenset({"mamba", "mamba2", "falconmamba"})
"""Families without attention."""
CHUNK: Final = 8192
"""Of Llama 4, where its configuration does not say."""


def layout_of(config: Config) -> CacheLayout:
    """What each layer of the model keeps; an unknown layout when the configuration does not tell heads and layers."""
    count = integer(config, "decoder_layers") or layer_count(config)
    if not count:
        return CacheLayout()
    if is_encoder(config):
        return CacheLayout((CacheGroup(LayerKind.ENCODER, count),))
    if integers(config, "compress_ratios"):
        return CacheLayout(_merged(_compressed(config, integers(config, "compress_ratios")[:count])))
    kinds = _kinds(config, count)
    shared = min(integer(config, "num_kv_shared_layers"), len(kinds))
    made = [group for place, kind in enumerate(kinds[: len(kinds) - shared]) for group in _layer(config, kind, place)]
    if any(group.kind in _HEADS and not group.bytes_per_token for group in made):
        return CacheLayout()
    if shared:
        made.append(CacheGroup(LayerKind.SHARED, shared))
    if config.get("is_encoder_decoder") is True:
        made += [replace(group, kind=LayerKind.CROSS, window=_encoder_length(config)) for group in made]
    return CacheLayout(_merged(made))


_HEADS: Final = frozenset({LayerKind.FULL, LayerKind.SLIDING, LayerKind.CHUNKED})


def _merged(groups: Iterable[CacheGroup]) -> tuple[CacheGroup, ...]:
    """The same with equal layers counted together, in the order of their first."""
    counts: dict[CacheGroup, int] = {}
    for group in groups:
        one = replace(group, layers=1)
        counts[one] = counts.get(one, 0) + group.layers
    return tuple(replace(one, layers=layers) for one, layers in counts.items())


def _kinds(config: Config, count: int) -> list[Kinds]:
    """What each layer keeps, in order."""
    window, chunk = _window(config), _chunk(config)
    found = _listed(config) or _by_place(config, count) or _by_family(config, count, chunk)
    if not found and window:
        found = _by_window(config, count)
    possible = {SLIDING: SLIDING if window else FULL, CHUNKED: CHUNKED if chunk else FULL}
    return [possible.get(kinds, kinds) for kinds in found or [FULL] * count]


def _listed(config: Config) -> list[Kinds]:
    """Every layer's type by name, by letter, or by number."""
    for key in ("layer_types", "layers_block_type"):
        names = texts(config, key)
        if names:
            return [NAMES.get(name, FULL) for name in names]
    letters = config.get("hybrid_override_pattern")
    if isinstance(letters, str):
        return [NAMES.get(letter, FULL) for letter in letters]
    blocks = _blocks(config)
    if blocks:
        return [NONE if section(block, "attention").get("no_op") else FULL for block in blocks]
    return [FULL if kind else STATE for kind in integers(config, "attn_type_list")]


def _by_place(config: Config, count: int) -> list[Kinds]:
    """Full attention at places that the configuration names; states elsewhere."""
    for key in ("attn_layer_indices", "full_attn_idxs"):
        places = integers(config, key)
        if places:
            return [FULL if place in places else STATE for place in range(count)]
    numbers = integers(section(config, "linear_attn_config"), "full_attn_layers")
    if numbers:
        return [FULL if place + 1 in numbers else STATE for place in range(count)]
    period = integer(config, "attn_layer_period")
    if period:
        offset = integer(config, "attn_layer_offset")
        return [FULL if place % period == offset else STATE for place in range(count)]
    return []


def _by_family(config: Config, count: int, chunk: int) -> list[Kinds]:
    family = family_of(config)
    if family in RECURRENT:
        return [STATE] * count
    if family == "falconh1":
        return [BOTH] * count
    period = integer(config, "full_attention_interval", "layer_group_size", default=LINEAR_PERIODS.get(family, 0))
    if period:
        return _every(count, period, STATE)
    if family != "llama4" or not chunk:
        return []
    rotary = integers(config, "no_rope_layers")
    if len(rotary) >= count:
        return [CHUNKED if one else FULL for one in rotary[:count]]
    return _every(count, integer(config, "no_rope_layer_interval", default=4), CHUNKED)


def _by_window(config: Config, count: int) -> list[Kinds]:
    """Layers of a model with a window and no list: some of them by rule, else all of them have it."""
    if config.get("use_sliding_window") is True and "max_window_layers" in config:
        first = min(integer(config, "max_window_layers"), count)
        return [FULL] * first + [SLIDING] * (count - first)
    keys = ("sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers")
    period = integer(config, *keys, default=PERIODS.get(family_of(config), 0))
    return _every(count, period, SLIDING) if period else [SLIDING] * count


def _every(count: int, period: int, others: Kinds) -> list[Kinds]:
    """Full attention in the last of every ``period`` layers."""
    return [FULL if (place + 1) % period == 0 else others for place in range(count)]


def _window(config: Config) -> int:
    """Tokens of the sliding window; 0 for none. Cohere's counts the token itself on top."""
    if config.get("use_sliding_window") is False:
        return 0
    window = integer(config, "sliding_window")
    return window + 1 if window and family_of(config).startswith("cohere2") else window


def _chunk(config: Config) -> int:
    given = config.get("attention_chunk_size", CHUNK if family_of(config) == "llama4" else None)
    return given if isinstance(given, int) else 0


def _blocks(config: Config) -> Sequence[Config]:
    """Descriptions of each layer, as of Nemotron models whose layers differ."""
    blocks = config.get("block_configs")
    return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []


def _layer(config: Config, kinds: Kinds, place: int) -> list[CacheGroup]:
    return [group for kind in kinds for group in _part(config, kind, place)]


def _part(config: Config, kind: LayerKind, place: int) -> list[CacheGroup]:
    """What one layer keeps as ``kind``: sparse attention keeps an index beside it."""
    if kind is LayerKind.NONE:
        return [CacheGroup(kind, 1)]
    if kind is LayerKind.STATE:
        state = state_of(config)
        if state is None:  # Of unknown size: counted as attention, which takes more.
            return _part(config, LayerKind.FULL, place)
        sizes = {"convolution": state.convolution, "recurrent": state.recurrent, "recurrent_bits": state.bits}
        return [CacheGroup(kind, 1, **sizes, checkpoints=state.checkpoints)]
    rank = integer(config, "kv_lora_rank")
    if rank and kind is LayerKind.FULL:
        latent = CacheGroup(
            LayerKind.MLA, 1, kv_heads=1, bytes_per_token=2 * (rank + integer(config, "qk_rope_head_dim"))
        )
        return [latent, *([] if _reads_another_index(config, place) else _index(config))]
    kv_heads, size = _heads(config, kind, place)
    window = {LayerKind.SLIDING: _window(config), LayerKind.CHUNKED: _chunk(config)}.get(kind)
    return [CacheGroup(kind, 1, kv_heads=kv_heads, bytes_per_token=2 * 2 * kv_heads * size, window=window)]


def _heads(config: Config, kind: LayerKind, place: int) -> tuple[int, int]:
    """Key-value heads and elements of one head, which may differ by the layer's type or place."""
    own = section(section(config, "per_layer_config"), str(place))
    if own:
        return head_counts({**config, **own})[1], head_size({**config, **own})
    kv_heads, size = head_counts(config)[1], head_size(config)
    blocks = _blocks(config)
    if place < len(blocks):
        shared = integer(section(blocks[place], "attention"), "n_heads_in_group")
        return (head_counts(config)[0] // shared if shared else kv_heads), size
    if kind is LayerKind.SLIDING:
        return integer(config, "swa_num_key_value_heads") or kv_heads, integer(config, "swa_head_dim") or size
    if config.get("attention_k_eq_v") is True:
        kv_heads = integer(config, "num_global_key_value_heads") or kv_heads
    return kv_heads, integer(config, "global_head_dim") or size


def _reads_another_index(config: Config, place: int) -> bool:
    """Whether a layer with sparse attention takes what an earlier layer found, as some of GLM 5's do."""
    pattern = config.get("index_topk_pattern")
    if isinstance(pattern, str):
        return pattern[place : place + 1] == "S"
    period, offset = integer(config, "index_topk_freq", default=1), integer(config, "index_skip_topk_offset", default=2)
    return max(place - offset + 1, 0) % max(1, period) != 0


def _index(config: Config, compression: int = 1) -> list[CacheGroup]:
    """The index of DeepSeek's sparse attention: one byte for each element, and a scale of 4 for each 128 of them."""
    size = integer(config, "index_head_dim")
    if not size:
        return []
    return [CacheGroup(LayerKind.INDEX, 1, bytes_per_token=size + size // 128 * 4, compression=compression)]


def _compressed(config: Config, ratios: Sequence[int]) -> list[CacheGroup]:
    """DeepSeek V4: each layer has a window, and most a compressed memory of all tokens; every fourth token is indexed.

    Source: ``vllm/models/deepseek_v4/attention.py``. The compressors' own buffers, of a few tokens, are left out.
    """
    entry, made = 2 * head_size(config), []
    window = CacheGroup(LayerKind.SLIDING, 1, kv_heads=1, bytes_per_token=entry, window=_window(config) or 128)
    for ratio in ratios:
        made.append(window)
        if ratio > 1:
            made.append(CacheGroup(LayerKind.MLA, 1, kv_heads=1, bytes_per_token=entry, compression=ratio))
        if ratio == 4:
            made += _index(config, ratio)
    return made


def _encoder_length(config: Config) -> int:
    return integer(config, "max_source_positions", default=1500)
