"""Tiny models with random weights, one for each way in which the layers of well-known families keep their past.

Written by transformers itself, so that both the files and the configuration are those that a real model has. Sizes are
the smallest that the engine accepts on a CPU.
"""

from pathlib import Path
from typing import Any, Final

_COMMON: Final = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 8192,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_MAMBA2: Final = {
    "mamba_n_heads": 8,
    "mamba_d_head": 32,
    "mamba_n_groups": 1,
    "mamba_d_state": 64,
    "mamba_d_conv": 4,
    "mamba_expand": 2,
}
_EXPERTS: Final = {"num_experts_per_tok": 2, "moe_intermediate_size": 64}

MODELS: Final[dict[str, dict[str, Any]]] = {
    "llama": {"model_type": "llama", "num_hidden_layers": 3},
    "qwen2": {"model_type": "qwen2", "num_hidden_layers": 4, "tie_word_embeddings": True},
    "qwen3": {"model_type": "qwen3", "num_hidden_layers": 4},
    "phi3": {"model_type": "phi3", "num_hidden_layers": 3, "sliding_window": 512},
    "mistral": {"model_type": "mistral", "num_hidden_layers": 3, "sliding_window": 1024},
    "gemma2": {"model_type": "gemma2", "num_hidden_layers": 5, "sliding_window": 512},
    "gemma3": {"model_type": "gemma3_text", "num_hidden_layers": 13, "sliding_window": 512},
    "gpt-oss": {
        "model_type": "gpt_oss",
        "num_hidden_layers": 6,
        "sliding_window": 128,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
    },
    "llama4": {
        "model_type": "llama4_text",
        "num_hidden_layers": 8,
        "attention_chunk_size": 1024,
        "intermediate_size_mlp": 256,
        "num_local_experts": 2,
        "interleave_moe_layer_step": 2,
    },
    "mixtral": {"model_type": "mixtral", "num_hidden_layers": 3, "num_local_experts": 4},
    "qwen3-moe": {"model_type": "qwen3_moe", "num_hidden_layers": 3, "num_experts": 4, **_EXPERTS},
    "deepseek": {
        "model_type": "deepseek_v2",
        "num_hidden_layers": 3,
        "num_key_value_heads": 4,
        "kv_lora_rank": 512,
        "q_lora_rank": 64,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
        "n_routed_experts": 4,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        **_EXPERTS,
    },
    "granite-hybrid": {
        "model_type": "granitemoehybrid",
        "num_hidden_layers": 5,
        "layer_types": ["mamba", "mamba", "attention", "mamba", "attention"],
        "num_local_experts": 0,
        "shared_intermediate_size": 128,
        **_MAMBA2,
    },
    "jamba": {
        "model_type": "jamba",
        "num_hidden_layers": 4,
        "attn_layer_period": 4,
        "attn_layer_offset": 1,
        "num_experts": 1,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_dt_rank": 8,
        "use_mamba_kernels": False,
    },
    "nemotron-h": {
        "model_type": "nemotron_h",
        "hybrid_override_pattern": "M-M*-M",
        "mamba_num_heads": 8,
        "mamba_head_dim": 32,
        "n_groups": 1,
        "ssm_state_size": 64,
        "conv_kernel": 4,
    },
    "falcon-h1": {"model_type": "falcon_h1", "num_hidden_layers": 3, "mamba_d_ssm": 256, **_MAMBA2},
    "qwen3-next": {
        "model_type": "qwen3_next",
        "num_hidden_layers": 4,
        "linear_num_key_heads": 4,
        "linear_num_value_heads": 8,
        "linear_key_head_dim": 32,
        "linear_value_head_dim": 32,
        "num_experts": 4,
        "shared_expert_intermediate_size": 64,
        **_EXPERTS,
    },
    "lfm2": {
        "model_type": "lfm2",
        "num_hidden_layers": 5,
        "layer_types": ["conv", "conv", "full_attention", "conv", "full_attention"],
        "conv_L_cache": 3,
        "conv_dim": 128,
        "block_dim": 128,
        "block_ff_dim": 256,
        "block_multiple_of": 64,
        "block_auto_adjust_ff_dim": False,
        "block_ffn_dim_multiplier": 1.0,
    },
    "gemma3n": {
        "model_type": "gemma3n_text",
        "num_hidden_layers": 10,
        "num_kv_shared_layers": 5,
        "sliding_window": 256,
        "vocab_size_per_layer_input": 512,
        "hidden_size_per_layer_input": 32,
        "laurel_rank": 16,
        "altup_num_inputs": 2,
    },
    "gemma4": {
        "model_type": "gemma4_text",
        "num_hidden_layers": 6,
        "num_kv_shared_layers": 0,
        "global_head_dim": 64,
        "sliding_window": 256,
        "vocab_size_per_layer_input": 512,
        "hidden_size_per_layer_input": 32,
    },
    "bert": {"model_type": "bert", "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512},
}


def write(name: str, folder: Path) -> None:
    """One model of ``MODELS``, in 16 bits, as ``folder`` with config.json and model.safetensors."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    settings = _COMMON | MODELS[name]
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    build = AutoModel if name == "bert" else AutoModelForCausalLM
    torch.manual_seed(0)
    build.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
