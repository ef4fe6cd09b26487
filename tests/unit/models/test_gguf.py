"""Headers of GGUF files: tensors by type, metadata under its usual names, and files that are cut short or lie."""

from pathlib import Path

import pytest

from kaito.models.cache import CacheGroup, CacheLayout, LayerKind
from kaito.models.folder import from_folder
from kaito.models.gguf import TYPES, TruncatedError, one_model, read_header
from kaito.models.profile import ModelError
from tests.unit.models.gguf_file import LLAMA, gguf


@pytest.mark.parametrize(
    ("kind", "shape", "size"),
    [
        pytest.param(0, (10,), 40, id="F32"),
        pytest.param(1, (10, 3), 60, id="F16"),
        pytest.param(30, (10, 3), 60, id="BF16"),
        pytest.param(2, (64, 2), 72, id="Q4_0: 32 weights in 18 bytes"),
        pytest.param(8, (64, 2), 136, id="Q8_0: 32 weights in 34 bytes"),
        pytest.param(12, (256, 4), 576, id="Q4_K: 256 weights in 144 bytes"),
        pytest.param(14, (512, 1), 420, id="Q6_K: 256 weights in 210 bytes"),
        pytest.param(39, (64,), 34, id="MXFP4: 32 weights in 17 bytes"),
    ],
)
def test_a_tensor_takes_what_its_type_says(kind: int, shape: tuple[int, ...], size: int) -> None:
    data = gguf(tensors=(("w", shape, kind, size),))
    assert read_header(data, len(data), "m.gguf").tensor_bytes == size


def test_bits_are_those_of_the_commonest_type() -> None:
    data = gguf(tensors=(("norm", (256,), 0, 1024), ("w", (256, 64), 12, 9216), ("head", (256, 2), 14, 420)))
    found = read_header(data, len(data), "m.gguf")
    assert (found.tensor_bytes, found.quantization, found.bits) == (1024 + 9216 + 420, "Q4_K", 4)


def test_a_folder_with_nothing_but_such_a_file_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "tiny-Q4_K_M.gguf").write_bytes(gguf())
    made = from_folder(tmp_path, "tiny")
    assert (made.weight_bytes, made.context_length, made.layers) == (576, 4096, 2)
    assert (made.quantization, made.quantization_bits) == ("gguf", 4)
    assert made.cache == CacheLayout((CacheGroup(LayerKind.FULL, 2, kv_heads=2, bytes_per_token=2 * 2 * 64 * 2),))
    assert made.has_tokenizer
    assert made.has_chat_template


def test_parts_of_one_model_are_counted_together(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"m-0000{number}-of-00002.gguf").write_bytes(gguf())
    assert from_folder(tmp_path).weight_bytes == 1152


def test_several_models_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("m-Q4_K_M.gguf", "m-Q8_0.gguf"):
        (tmp_path / name).write_bytes(gguf())
    with pytest.raises(ModelError, match=r"holds 2 models \(m-Q4_K_M.gguf and others\). Put the one"):
        from_folder(tmp_path)


def test_a_picture_encoder_beside_it_is_no_model_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "m-Q4_K_M.gguf").write_bytes(gguf())
    (tmp_path / "mmproj-F16.gguf").write_bytes(gguf())
    assert from_folder(tmp_path).weight_bytes == 576


def test_layers_without_heads_have_a_state() -> None:
    more = {
        "general.architecture": "granitehybrid", "granitehybrid.block_count": 3, "granitehybrid.embedding_length": 256,
        "granitehybrid.attention.head_count": 4, "granitehybrid.attention.head_count_kv": [0, 2, 0],
        "granitehybrid.ssm.state_size": 16, "granitehybrid.ssm.conv_kernel": 4, "granitehybrid.ssm.inner_size": 512,
        "granitehybrid.ssm.group_count": 1, "granitehybrid.ssm.time_step_rank": 8,
    }  # fmt: skip
    data = gguf(more)
    config = read_header(data, len(data), "m").config()
    assert config["layer_types"] == ["linear_attention", "full_attention", "linear_attention"]
    assert config["num_key_value_heads"] == 2


@pytest.mark.parametrize("count", [0, 20, 100, 300])
def test_more_is_asked_for_while_the_header_goes_on(count: int) -> None:
    whole = gguf()
    with pytest.raises((TruncatedError, ModelError)) as caught:
        read_header(whole[:count], len(whole), "m")
    assert caught.type is (ModelError if count == 0 else TruncatedError)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"safetensors", "does not begin as a GGUF file does", id="another format"),
        pytest.param(gguf(version=1), "is GGUF version 1", id="an old version"),
        pytest.param(gguf(tensors=(("w", (1,), 99, 4),)), "header cannot be read: KeyError", id="a type nobody knows"),
        pytest.param(gguf(data=False), "is truncated: its tensors need", id="cut short"),
        pytest.param(b"GGUF" + b"\x03\0\0\0" + b"\xff" * 16, "says that it has", id="absurd numbers"),
    ],
)
def test_what_is_broken_is_said(data: bytes, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        read_header(data, len(data), "m.gguf")


def test_a_file_cut_within_its_header_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf()[:100])
    with pytest.raises(ModelError, match=r"m\.gguf: its header ends after 100 bytes"):
        from_folder(tmp_path)


def test_every_type_has_whole_blocks() -> None:
    assert all(elements > 0 and length > 0 for elements, length in TYPES.values())


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["a.gguf"], 1),
        (["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"], 2),
        (["a-Q4.gguf", "a-Q8.gguf"], 0),
        (["a-00001-of-00002.gguf", "b-00002-of-00002.gguf"], 0),
    ],
)
def test_one_model_is_told_from_several(names: list[str], files: int) -> None:
    assert len(one_model(names)) == files


def test_the_example_is_a_llama() -> None:
    data = gguf(LLAMA)
    assert read_header(data, len(data), "m").metadata["tokenizer.ggml.tokens"] == 3
