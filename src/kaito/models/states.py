"""The state of fixed size that some layers keep instead of keys and values, in elements. Pure.

Shapes are those of ``MambaStateShapeCalculator`` in ``vllm/model_executor/layers/mamba/mamba_utils.py``; which keys
hold their sizes, and in which type the recurrent part is kept, is in ``vllm/model_executor/models/*.py`` and
``vllm/model_executor/models/config.py``. A convolution keeps its last inputs, one fewer than its width.
"""

from dataclasses import dataclass
from typing import Final

from kaito.models.config import Config, family_of, head_counts, head_size, hidden_size, integer, section

_BITS: Final = {"float32": 32, "float16": 16, "bfloat16": 16}


@dataclass(frozen=True, slots=True)
class State:
    """Elements of one layer and one sequence: the convolution's inputs in 16 bits, the rest in ``bits``.

    ``checkpoints``: how many more states the engine keeps at the ends of blocks (``mamba_mixer2.py`` does).
    """

    convolution: int
    recurrent: int
    bits: int = 16
    checkpoints: int = 0


def state_of(config: Config) -> State | None:
    """The state of a layer that has one; None when the configuration does not tell its size."""
    for kind in (_short_convolution, _gated_delta, _kimi_delta, _mamba2, _mamba1, _linear):
        found = kind(config)
        if found is not None:
            return found
    return None


def _short_convolution(config: Config) -> State | None:
    """LFM2."""
    width = integer(config, "conv_L_cache")
    return State((width - 1) * (integer(config, "conv_dim") or hidden_size(config)), 0) if width else None


def _gated_delta(config: Config) -> State | None:
    """Qwen3-Next, Qwen3.5, OLMo hybrid."""
    value_heads, width = integer(config, "linear_num_value_heads"), integer(config, "linear_conv_kernel_dim", default=4)
    if not value_heads:
        return None
    key_heads = integer(config, "linear_num_key_heads")
    key, value = integer(config, "linear_key_head_dim"), integer(config, "linear_value_head_dim")
    convolution = (width - 1) * (2 * key_heads * key + value_heads * value)
    return State(convolution, value_heads * value * key, _BITS.get(str(config.get("mamba_ssm_dtype")), 16))


def _kimi_delta(config: Config) -> State | None:
    """Kimi linear."""
    part = section(config, "linear_attn_config")
    heads, size = integer(part, "num_heads"), integer(part, "head_dim")
    if not heads:
        return None
    width = integer(part, "short_conv_kernel_size", default=4)
    return State((width - 1) * 3 * heads * size, heads * size * size, 32)


def _mamba2(config: Config) -> State | None:
    """Mamba 2, Bamba, Granite hybrid, Falcon-H1, Zamba 2, Nemotron-H."""
    mamba2 = family_of(config) == "mamba2"
    heads = integer(config, "mamba_num_heads", "mamba_n_heads", "n_mamba_heads", *(("num_heads",) if mamba2 else ()))
    size = integer(config, "ssm_state_size", "mamba_d_state", "state_size")
    if not heads or not size:
        return None
    width = integer(config, "conv_kernel", "mamba_d_conv", default=4)
    groups = integer(config, "n_groups", "mamba_n_groups", "mamba_ngroups", default=1)
    head = integer(config, "mamba_head_dim", "mamba_d_head", "mamba_headdim", *(("head_dim",) if mamba2 else ()))
    expanded = integer(config, "mamba_expand", "expand", default=2) * hidden_size(config)
    if "mamba_num_heads" in config:
        inner = heads * head
    else:
        inner = integer(config, "mamba_d_ssm") or expanded
    head = head or inner // heads
    return State((width - 1) * (inner + 2 * groups * size), heads * head * size, _ssm_bits(config), checkpoints=1)


def _ssm_bits(config: Config) -> int:
    default = "float32" if family_of(config).startswith("nemotronh") else "auto"
    return _BITS.get(str(config.get("mamba_ssm_cache_dtype") or default), 16)


def _mamba1(config: Config) -> State | None:
    """Mamba, Falcon Mamba, Jamba."""
    size = integer(config, "state_size", "mamba_d_state")
    if not size:
        return None
    width = integer(config, "conv_kernel", "mamba_d_conv", default=4)
    expand = integer(config, "mamba_expand", "expand", default=2)
    inner = expand * hidden_size(config)
    if "mamba_d_state" not in config:
        inner = integer(config, "intermediate_size") or inner
    return State((width - 1) * inner, inner * size, 16)


def _linear(config: Config) -> State | None:
    """Lightning attention, as of MiniMax and Ling."""
    if "attn_type_list" not in config and "layer_group_size" not in config:
        return None
    heads, size = head_counts(config)[0], head_size(config)
    return State(0, heads * size * size, 16) if heads and size else None
