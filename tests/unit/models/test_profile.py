"""Numbers out of configurations, and real files that are whole, cut short, or lying."""

import json
from pathlib import Path
from typing import Any

import pytest

from kaito.models.config import layer_count
from kaito.models.folder import from_folder
from kaito.models.profile import Attention, ModelError, attention_of, parse_config, profile

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "hidden_size": 256,
    "max_position_embeddings": 512,
    "torch_dtype": "bfloat16",
}


@pytest.mark.parametrize(
    ("config", "attention", "kv_bytes"),
    [
        pytest.param(LLAMA, Attention.GQA, 2 * 2 * 64 * 4 * 2, id="llama"),
        pytest.param(
            {"n_layer": 32, "n_head": 71, "hidden_size": 4544, "multi_query": True}, Attention.MQA, 8192, id="falcon-7b"
        ),
        pytest.param(
            {"num_hidden_layers": 32, "num_attention_heads": 24, "num_key_value_heads": 8, "hidden_size": 3072},
            Attention.GQA,
            131072,
            id="phi-4-mini",
        ),
        pytest.param(
            {"num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64},
            Attention.MLA,
            70272,
            id="deepseek-r1",
        ),
        pytest.param(
            {"num_hidden_layers": 34, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
            Attention.GQA,
            139264,
            id="ministral-3-8b",
        ),
        pytest.param({"n_layer": 2, "n_head": 2, "n_embd": 8}, Attention.MHA, 2 * 2 * 4 * 2 * 2, id="every head"),
        pytest.param({"num_hidden_layers": 3}, Attention.UNKNOWN, 0, id="it does not say"),
    ],
)
def test_kv_bytes_per_token(config: dict[str, Any], attention: Attention, kv_bytes: int) -> None:
    assert attention_of(config)[0] is attention
    made = profile("m", config, weight_bytes=1, has_tokenizer=True, has_chat_template=True)
    assert made.kv_bytes_per_token == kv_bytes


def test_layers_are_counted_by_their_list_when_no_number_is_given() -> None:
    """ODDITY: the original's live path gives such models 0 bytes per token."""
    assert layer_count({"layers_block_type": ["mamba", "attention", "mamba"]}) == 3


def test_the_language_part_fills_what_the_top_level_lacks() -> None:
    config = parse_config('{"text_config": {"hidden_size": 8, "n_layer": 2}, "hidden_size": 4, "x": Infinity}')
    assert (config["hidden_size"], config["n_layer"]) == (4, 2)


def test_a_number_may_be_text_and_infinity_is_none() -> None:
    made = profile("m", {"n_ctx": "4096"}, weight_bytes=1, has_tokenizer=False, has_chat_template=False)
    assert made.context_length == 4096
    config = parse_config('{"max_position_embeddings": Infinity}')
    made = profile("m", config, weight_bytes=1, has_tokenizer=False, has_chat_template=False)
    assert made.context_length == 2048


def safetensors(path: Path, *, shape: tuple[int, ...] = (4, 8), dtype: str = "BF16", size: int = 64) -> None:
    header = json.dumps({"__metadata__": {}, "w": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    safetensors(tmp_path / "model.safetensors")
    return tmp_path


def test_a_folder_becomes_a_profile(model: Path) -> None:
    made = from_folder(model, "tiny")
    assert made.name == "tiny"
    assert made.weight_bytes == 64
    assert made.architectures == ("LlamaForCausalLM",)
    assert (made.dtype, made.quantization) == ("bfloat16", None)
    assert made.has_tokenizer
    assert made.has_chat_template


def test_shards_are_counted_once_and_neighbours_not_at_all(model: Path) -> None:
    """ODDITY: the original counts weights in sub-folders and copies in another format."""
    (model / "model.safetensors").unlink()
    for number in (1, 2):
        safetensors(model / f"model-{number}.safetensors")
    weights = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    (model / "original").mkdir()
    safetensors(model / "original" / "model.safetensors")
    safetensors(model / "consolidated.safetensors")
    assert from_folder(model).weight_bytes == 128


def test_pickles_are_counted_by_their_size_when_there_is_nothing_better(model: Path) -> None:
    (model / "pytorch_model-00001-of-00002.bin").write_bytes(bytes(100))
    (model / "pytorch_model-00002-of-00002.bin").write_bytes(bytes(50))
    (model / "optimizer.bin").write_bytes(bytes(1000))
    assert (from_folder(model).weight_bytes, from_folder(model).weights_estimated) == (64, False)
    (model / "model.safetensors").unlink()
    assert (from_folder(model).weight_bytes, from_folder(model).weights_estimated) == (150, True)


def test_mistrals_own_format_is_read_where_it_is_alone(model: Path) -> None:
    (model / "model.safetensors").rename(model / "consolidated.safetensors")
    assert from_folder(model).weight_bytes == 64


def test_a_truncated_file_is_named_with_its_bytes(model: Path) -> None:
    file = model / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(
        ModelError, match=rf"model\.safetensors: is truncated: .* need {len(whole)} bytes and {len(whole) - 1}"
    ):
        from_folder(model)
    file.write_bytes(whole[:20])
    with pytest.raises(ModelError, match=r"says that its header has \d+ bytes and the file has 20"):
        from_folder(model)
    file.write_bytes(b"abc")
    with pytest.raises(ModelError, match="has 3 bytes"):
        from_folder(model)


def test_a_lying_header_is_refused(model: Path) -> None:
    safetensors(model / "model.safetensors", shape=(4, 9))
    with pytest.raises(ModelError, match=r"tensor w of BF16\[4, 9\] takes 64 bytes"):
        from_folder(model)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("config.json", None, "config.json: is missing"),
        ("config.json", "{", "config.json: line 1: is not valid JSON"),
        ("config.json", "[]", "holds list, not an object"),
        ("model.safetensors", None, r"holds no weights and no \.safetensors file"),
        ("model.safetensors.index.json", "{}", "is not an index of weights"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "x.safetensors"}}', "names x.safetensors, which is not"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "../../etc/passwd"}}', "which is not there"),
    ],
)
def test_what_is_broken_is_said(model: Path, file: str, text: str | None, says: str) -> None:
    if text is None:
        (model / file).unlink()
    else:
        (model / file).write_text(text)
    with pytest.raises(ModelError, match=says):
        from_folder(model)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a folder"):
        from_folder(tmp_path / "none")
