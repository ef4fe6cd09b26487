"""What each layer of well-known models keeps, counted by hand from the configurations that their authors publish."""

from typing import Any

import pytest

from kaito.models.cache import CacheGroup, CacheLayout, LayerKind
from kaito.models.layers import layout_of

KIB = 1024
FULL, SLIDING, CHUNKED, MLA = LayerKind.FULL, LayerKind.SLIDING, LayerKind.CHUNKED, LayerKind.MLA
STATE, NONE, SHARED, INDEX = LayerKind.STATE, LayerKind.NONE, LayerKind.SHARED, LayerKind.INDEX


def heads(layers: int, heads: int, kv_heads: int, size: int, **more: Any) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": size,
        **more,
    }


def attention(kind: LayerKind, layers: int, kv_heads: int, size: int, window: int | None = None) -> CacheGroup:
    return CacheGroup(kind, layers, kv_heads=kv_heads, bytes_per_token=2 * kv_heads * size * 2, window=window)


def mamba2(layers: int, inner: int, groups: int, size: int, heads: int, head: int, bits: int = 16) -> CacheGroup:
    convolution = 3 * (inner + 2 * groups * size)
    return CacheGroup(
        STATE, layers, convolution=convolution, recurrent=heads * head * size, recurrent_bits=bits, checkpoints=1
    )


def delta(layers: int, keys: int, values: int, size: int, bits: int) -> CacheGroup:
    convolution = 3 * (2 * keys * size + values * size)
    return CacheGroup(STATE, layers, convolution=convolution, recurrent=values * size * size, recurrent_bits=bits)


BAMBA = {
    "model_type": "bamba", **heads(32, 32, 8, 128), "hidden_size": 4096, "attn_layer_indices": [9, 18, 27],
    "mamba_n_heads": 128, "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_d_conv": 4,
    "mamba_expand": 2,
}  # fmt: skip
QWEN3_NEXT = {
    "model_type": "qwen3_next", **heads(48, 16, 2, 256), "linear_num_key_heads": 16, "linear_num_value_heads": 32,
    "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "groups"),
    [
        pytest.param(
            {"model_type": "llama", **heads(32, 32, 8, 128)}, [attention(FULL, 32, 8, 128)], id="Llama 3.1: all alike"
        ),
        pytest.param(
            {"model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_size": 4096},
            [attention(FULL, 32, 32, 128)],
            id="Llama 2: each head has its own keys, and its size is the hidden size over the heads",
        ),
        pytest.param(
            {"model_type": "falcon", "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8,
             "hidden_size": 8192, "new_decoder_architecture": True, "multi_query": True},
            [attention(FULL, 60, 8, 64)],
            id="Falcon 40B: the newer architecture counts its heads, whatever multi_query says",
        ),
        pytest.param(
            {"model_type": "qwen2", **heads(28, 28, 4, 128), "sliding_window": 131072, "use_sliding_window": False,
             "max_window_layers": 28},
            [attention(FULL, 28, 4, 128)],
            id="Qwen2: a window that is switched off",
        ),
        pytest.param(
            {"model_type": "qwen2", **heads(28, 28, 4, 128), "sliding_window": 4096, "use_sliding_window": True,
             "max_window_layers": 20},
            [attention(FULL, 20, 4, 128), attention(SLIDING, 8, 4, 128, 4096)],
            id="Qwen2: layers above the first twenty have the window",
        ),
        pytest.param(
            {"model_type": "mistral", **heads(32, 32, 8, 128), "sliding_window": 4096},
            [attention(SLIDING, 32, 8, 128, 4096)],
            id="Mistral 7B 0.1: a window in every layer",
        ),
        pytest.param(
            {"model_type": "mistral", **heads(32, 32, 8, 128), "sliding_window": None},
            [attention(FULL, 32, 8, 128)],
            id="Mistral 7B 0.3: none any more",
        ),
        pytest.param(
            {"model_type": "phi3", **heads(32, 32, 32, 96), "sliding_window": 2047},
            [attention(SLIDING, 32, 32, 96, 2047)],
            id="Phi-3 mini 4k",
        ),
        pytest.param(
            {"model_type": "gemma2", **heads(42, 16, 8, 256), "sliding_window": 4096},
            [attention(SLIDING, 21, 8, 256, 4096), attention(FULL, 21, 8, 256)],
            id="Gemma 2 9B: every other layer, which its configuration does not say",
        ),
        pytest.param(
            {"model_type": "gemma3", **heads(62, 32, 16, 128), "sliding_window": 1024},
            [attention(SLIDING, 52, 16, 128, 1024), attention(FULL, 10, 16, 128)],
            id="Gemma 3 27B: every sixth layer reads all",
        ),
        pytest.param(
            {"model_type": "gemma3n", **heads(35, 8, 2, 256), "sliding_window": 512, "num_kv_shared_layers": 15},
            [attention(SLIDING, 16, 2, 256, 512), attention(FULL, 4, 2, 256), CacheGroup(SHARED, 15)],
            id="Gemma 3n E4B: the last fifteen read those of earlier layers",
        ),
        pytest.param(
            {"model_type": "gemma4", **heads(30, 16, 8, 256), "sliding_window": 1024, "global_head_dim": 512,
             "attention_k_eq_v": True, "num_global_key_value_heads": 2},
            [attention(SLIDING, 25, 8, 256, 1024), attention(FULL, 5, 2, 512)],
            id="Gemma 4: fewer and larger heads where all is read",
        ),
        pytest.param(
            {"model_type": "gemma4", **heads(3, 16, 8, 256), "sliding_window": 1024,
             "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
             "per_layer_config": {"2": {"head_dim": 512, "num_key_value_heads": 2}}},
            [attention(SLIDING, 2, 8, 256, 1024), attention(FULL, 1, 2, 512)],
            id="Gemma 4 as transformers 5 writes it: each layer that differs by its place",
        ),
        pytest.param(
            {"model_type": "gpt_oss", **heads(24, 64, 8, 64), "sliding_window": 128,
             "layer_types": ["sliding_attention", "full_attention"] * 12},
            [attention(SLIDING, 12, 8, 64, 128), attention(FULL, 12, 8, 64)],
            id="gpt-oss 20B",
        ),
        pytest.param(
            {"model_type": "cohere2", **heads(32, 32, 8, 128), "sliding_window": 4096, "sliding_window_pattern": 4},
            [attention(SLIDING, 24, 8, 128, 4097), attention(FULL, 8, 8, 128)],
            id="Command R7B: its window counts the token itself on top",
        ),
        pytest.param(
            {"model_type": "llama4", **heads(48, 40, 8, 128), "attention_chunk_size": 8192, "no_rope_layers": []},
            [attention(CHUNKED, 36, 8, 128, 8192), attention(FULL, 12, 8, 128)],
            id="Llama 4 Scout: chunks, and all in every fourth layer",
        ),
        pytest.param(
            {"model_type": "llama4", **heads(48, 40, 8, 128), "attention_chunk_size": None},
            [attention(FULL, 48, 8, 128)],
            id="Llama 4 without chunks",
        ),
        pytest.param(
            {"model_type": "deepseek_v3", "num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512,
             "qk_rope_head_dim": 64, "num_key_value_heads": 128},
            [CacheGroup(MLA, 61, kv_heads=1, bytes_per_token=1152)],
            id="DeepSeek V3: one latent of 512 + 64 for all heads",
        ),
        pytest.param(
            {"model_type": "deepseek_v32", "num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512,
             "qk_rope_head_dim": 64, "index_head_dim": 128},
            [CacheGroup(MLA, 61, kv_heads=1, bytes_per_token=1152), CacheGroup(INDEX, 61, bytes_per_token=132)],
            id="DeepSeek V3.2: an index of 128 bytes and a scale beside it",
        ),
        pytest.param(
            {"model_type": "glm_moe_dsa", "num_hidden_layers": 6, "num_attention_heads": 64, "kv_lora_rank": 512,
             "qk_rope_head_dim": 64, "index_head_dim": 128, "index_topk_freq": 2},
            [CacheGroup(MLA, 6, kv_heads=1, bytes_per_token=1152), CacheGroup(INDEX, 4, bytes_per_token=132)],
            id="an index in every second layer after the first two: of 0, 1, 3 and 5",
        ),
        pytest.param(
            {"model_type": "deepseek_v4", "num_hidden_layers": 4, "num_attention_heads": 64, "head_dim": 512,
             "sliding_window": 128, "compress_ratios": [0, 4, 128, 4], "index_head_dim": 128},
            [
                CacheGroup(SLIDING, 4, kv_heads=1, bytes_per_token=1024, window=128),
                CacheGroup(MLA, 2, kv_heads=1, bytes_per_token=1024, compression=4),
                CacheGroup(INDEX, 2, bytes_per_token=132, compression=4),
                CacheGroup(MLA, 1, kv_heads=1, bytes_per_token=1024, compression=128),
            ],
            id="DeepSeek V4: a window everywhere, and entries for each 4 or 128 tokens",
        ),
        pytest.param(
            BAMBA, [mamba2(29, 8192, 1, 128, 128, 64), attention(FULL, 3, 8, 128)], id="Bamba: three attend"
        ),
        pytest.param(
            {"model_type": "nemotron_h", "hybrid_override_pattern": "M-M*-E", "num_attention_heads": 32,
             "num_key_value_heads": 8, "head_dim": 128, "hidden_size": 4096, "mamba_num_heads": 128,
             "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4},
            [mamba2(2, 8192, 8, 128, 128, 64, 32), CacheGroup(NONE, 3), attention(FULL, 1, 8, 128)],
            id="Nemotron-H: its state in 32 bits, its other layers without any",
        ),
        pytest.param(
            {"model_type": "granitemoehybrid", **heads(4, 32, 8, 128), "hidden_size": 4096, "mamba_n_heads": 128,
             "mamba_d_head": "auto", "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_d_conv": 4, "mamba_expand": 2,
             "layer_types": ["mamba", "mamba", "attention", "mamba"]},
            [mamba2(3, 8192, 1, 128, 128, 64), attention(FULL, 1, 8, 128)],
            id="Granite 4 hybrid: a head's size that is left to the engine",
        ),
        pytest.param(
            {"model_type": "falcon_h1", **heads(2, 8, 2, 128), "hidden_size": 2048, "mamba_d_ssm": 3072,
             "mamba_n_heads": 48, "mamba_d_head": 64, "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4},
            [attention(FULL, 2, 2, 128), mamba2(2, 3072, 1, 256, 48, 64)],
            id="Falcon-H1: both in every layer",
        ),
        pytest.param(
            {"model_type": "jamba", **heads(8, 32, 8, 128), "hidden_size": 4096, "attn_layer_period": 8,
             "attn_layer_offset": 4, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2},
            [CacheGroup(STATE, 7, convolution=3 * 8192, recurrent=8192 * 16), attention(FULL, 1, 8, 128)],
            id="Jamba: attention in one of eight layers",
        ),
        pytest.param(
            {"model_type": "mamba", "num_hidden_layers": 64, "hidden_size": 2560, "intermediate_size": 5120,
             "state_size": 16, "conv_kernel": 4},
            [CacheGroup(STATE, 64, convolution=3 * 5120, recurrent=5120 * 16)],
            id="Mamba: no attention at all",
        ),
        pytest.param(
            QWEN3_NEXT, [delta(36, 16, 32, 128, 16), attention(FULL, 12, 2, 256)], id="Qwen3-Next: every fourth layer"
        ),
        pytest.param(
            QWEN3_NEXT | {"model_type": "qwen3_5", "mamba_ssm_dtype": "float32"},
            [delta(36, 16, 32, 128, 32), attention(FULL, 12, 2, 256)],
            id="Qwen3.5: the same, its state in 32 bits",
        ),
        pytest.param(
            {"model_type": "kimi_linear", "num_hidden_layers": 4, "num_attention_heads": 32, "kv_lora_rank": 512,
             "qk_rope_head_dim": 64,
             "linear_attn_config": {"full_attn_layers": [4], "kda_layers": [1, 2, 3], "num_heads": 32, "head_dim": 128,
                                    "short_conv_kernel_size": 4}},
            [
                CacheGroup(STATE, 3, convolution=3 * 3 * 4096, recurrent=32 * 128 * 128, recurrent_bits=32),
                CacheGroup(MLA, 1, kv_heads=1, bytes_per_token=1152),
            ],
            id="Kimi Linear: places counted from one, and latent attention",
        ),
        pytest.param(
            {"model_type": "lfm2", **heads(16, 32, 8, 64), "hidden_size": 2048, "conv_L_cache": 3,
             "full_attn_idxs": [2, 5, 8, 10, 12, 14]},
            [CacheGroup(STATE, 10, convolution=2 * 2048), attention(FULL, 6, 8, 64)],
            id="LFM2: convolutions over three tokens",
        ),
        pytest.param(
            {"model_type": "minimax", **heads(4, 64, 8, 128), "attn_type_list": [0, 0, 0, 1]},
            [CacheGroup(STATE, 3, recurrent=64 * 128 * 128), attention(FULL, 1, 8, 128)],
            id="MiniMax: lightning attention",
        ),
        pytest.param(
            {"model_type": "nemotron-nas", "num_hidden_layers": 3, "num_attention_heads": 64, "hidden_size": 8192,
             "block_configs": [{"attention": {"n_heads_in_group": 8}}, {"attention": {"no_op": True}},
                               {"attention": {"n_heads_in_group": 16}}]},
            [attention(FULL, 1, 8, 128), CacheGroup(NONE, 1), attention(FULL, 1, 4, 128)],
            id="Nemotron Super: each layer its own, one without attention",
        ),
        pytest.param(
            {"model_type": "whisper", "decoder_layers": 32, "encoder_layers": 32, "d_model": 1280,
             "decoder_attention_heads": 20, "is_encoder_decoder": True, "max_source_positions": 1500},
            [attention(FULL, 32, 20, 64), attention(LayerKind.CROSS, 32, 20, 64, 1500)],
            id="Whisper: its own words, and what was heard",
        ),
        pytest.param(
            {"model_type": "xlm-roberta", **heads(24, 16, 16, 64)}, [CacheGroup(LayerKind.ENCODER, 24)], id="encoder"
        ),
        pytest.param(
            {"model_type": "qwen2", **heads(28, 12, 2, 128), "is_causal": False},
            [CacheGroup(LayerKind.ENCODER, 28)],
            id="a decoder trained to read both ways",
        ),
        pytest.param(
            {"architectures": ["Gemma3ForCausalLM"], **heads(6, 4, 1, 256), "sliding_window": 512},
            [attention(SLIDING, 5, 1, 256, 512), attention(FULL, 1, 1, 256)],
            id="a family told by the architecture alone",
        ),
        pytest.param(
            {"model_type": "later", **heads(2, 4, 4, 64), "layer_types": ["full_attention", "spiral_attention"]},
            [attention(FULL, 2, 4, 64)],
            id="a type that nobody knows counts as the largest",
        ),
        pytest.param(
            {"model_type": "gemma3", **heads(6, 4, 1, 256)}, [attention(FULL, 6, 1, 256)], id="a window of unknown size"
        ),
        pytest.param(
            {"model_type": "qwen3_5", **heads(4, 16, 2, 256)},
            [attention(FULL, 4, 2, 256)],
            id="a state of unknown size counts as attention",
        ),
        pytest.param({"model_type": "llama", "num_hidden_layers": 3}, [], id="it does not say"),
        pytest.param({}, [], id="nothing"),
    ],
)  # fmt: skip
def test_what_each_layer_keeps(config: dict[str, Any], groups: list[CacheGroup]) -> None:
    assert layout_of(config) == CacheLayout(tuple(groups))


@pytest.mark.parametrize(
    ("config", "growing", "short", "state"),
    [
        pytest.param({"model_type": "llama", **heads(32, 32, 8, 128)}, 128 * KIB, 128 * KIB, 0, id="Llama 3.1 8B"),
        pytest.param(
            {"model_type": "gemma3", **heads(62, 32, 16, 128), "sliding_window": 1024},
            10 * 8 * KIB,
            62 * 8 * KIB,
            0,
            id="Gemma 3 27B: a sixth of what the flat formula says",
        ),
        pytest.param(
            {"model_type": "deepseek_v32", "num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512,
             "qk_rope_head_dim": 64, "index_head_dim": 128},
            61 * (1152 + 132),
            61 * (1152 + 132),
            0,
            id="DeepSeek V3.2",
        ),
        pytest.param(
            BAMBA, 3 * 4 * KIB, 3 * 4 * KIB, 29 * 2 * (3 * (8192 + 256) + 128 * 64 * 128), id="Bamba: states of 2 MiB"
        ),
        pytest.param(
            QWEN3_NEXT, 12 * 2 * KIB, 12 * 2 * KIB, 36 * 2 * (3 * 8192 + 32 * 128 * 128), id="Qwen3-Next 80B"
        ),
    ],
)  # fmt: skip
def test_sums_over_all_layers(config: dict[str, Any], growing: int, short: int, state: int) -> None:
    layout = layout_of(config)
    assert (layout.bytes_per_token(), layout.most_bytes_per_token(), layout.state_bytes()) == (growing, short, state)


def test_an_eight_bit_cache_halves_keys_and_values_but_not_an_index() -> None:
    config = {
        "model_type": "x",
        "num_hidden_layers": 1,
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "index_head_dim": 128,
    }
    assert layout_of(config).bytes_per_token(8) == 576 + 132
