"""What is wrong with a model's folder is found from the files' sizes and headers alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kaito.runtime.vllm.folder import FolderError, check


def safetensors(size: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "model.safetensors").write_bytes(safetensors(100))
    return tmp_path


def test_a_whole_model_has_the_size_of_its_weights(model: Path) -> None:
    assert check(model) == (model / "model.safetensors").stat().st_size


def test_weights_of_another_format_are_left_to_the_engine(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert check(model) == 0


def test_a_single_file_is_left_to_the_engine(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert check(tmp_path / "m.gguf") == 0


def test_a_load_format_that_reads_no_weights_needs_none(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert check(model, weights=False) == 0


def cut(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def shard_missing(model: Path) -> None:
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": "model-2.safetensors"}}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda model: (model / "config.json").unlink(), "holds no config.json"),
        (lambda model: (model / "config.json").write_text("{"), "config.json: cannot be read as JSON"),
        (lambda model: (model / "config.json").write_text("[]"), "config.json: holds list, not an object"),
        (lambda model: (model / "model.safetensors").unlink(), "holds no weights"),
        (lambda model: (model / "model.safetensors").write_bytes(b""), "truncated or no safetensors file: 0 bytes"),
        (lambda model: (model / "model.safetensors").write_bytes(b"x" * 99), "truncated or no safetensors file"),
        (lambda model: (model / "model.safetensors").write_bytes(safetensors(9).replace(b'"w"', b"'w'")), "its header"),
        (cut, "is truncated: its tensors need"),
        (shard_missing, "names model-2.safetensors, which is not there"),
    ],
)
def test_a_harmed_model_is_refused_by_file(model: Path, harm: Callable[[Path], object], said: str) -> None:
    harm(model)
    with pytest.raises(FolderError, match=said):
        check(model)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"is not there. Check --model"):
        check(tmp_path / "nowhere")
