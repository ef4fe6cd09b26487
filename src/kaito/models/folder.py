"""A model in a local folder: its metadata is read and its weights are checked, none of them loaded."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from kaito.models.gguf import GgufHeader, TruncatedError, read_header
from kaito.models.profile import ModelError, ModelProfile, parse_config, profile, with_quantization
from kaito.models.weights import INDEX, WeightFormat, choose_weights, header_length, tensor_bytes

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json")
QUANTIZATION = "hf_quant_config.json"
"""Where ModelOpt says how it quantised a model whose configuration does not."""
MODULES = "modules.json"
"""A file of models that embed texts with sentence-transformers."""
GGUF_HEADER = 64 << 20
"""The most of a GGUF file that is read: vocabularies are in its header."""


def from_folder(folder: Path, name: str | None = None) -> ModelProfile:
    """The profile of the model in ``folder``. Raises ModelError naming the file, what is wrong, and the remedy."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: is not a folder. Name the folder that holds config.json.")
    if not (folder / "config.json").is_file() and any(folder.glob("*.gguf")):
        return _from_gguf(folder, name or folder.name)
    config = parse_config(_text(folder / "config.json"), str(folder / "config.json"))
    extra = folder / QUANTIZATION
    if extra.is_file():
        config = with_quantization(config, parse_config(_text(extra), str(extra)))
    kind, files = weight_files(folder)
    return profile(
        name or folder.name,
        config,
        weight_bytes=_bytes(kind, files),
        has_tokenizer=any((folder / file).is_file() for file in TOKENIZERS),
        has_chat_template=_has_chat_template(folder),
        sentence_transformers=(folder / MODULES).is_file(),
        weights_estimated=kind is WeightFormat.BIN,
    )


def weight_files(folder: Path) -> tuple[WeightFormat, list[Path]]:
    """The files that make up the weights once, and only once, those of sub-folders left out.

    Sharded weights are what their index names; a Mistral repository's consolidated file is not counted beside them.
    """
    index = folder / INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(_text(index))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ModelError(f"{index}: is not an index of weights: {exc!r}. Download it again.") from exc
        missing = [n for n in names if not re.fullmatch(r"[^/\\]+", n) or not (folder / n).is_file()]
        if missing:
            raise ModelError(f"{index}: names {missing[0]}, which is not there. Download it again.")
        return WeightFormat.SAFETENSORS, [folder / n for n in names]
    kind, names = choose_weights((path.name for path in folder.iterdir() if path.is_file()), str(folder))
    return kind, [folder / name for name in names]


def _bytes(kind: WeightFormat, files: Sequence[Path]) -> int:
    match kind:
        case WeightFormat.BIN:
            return sum(path.stat().st_size for path in files)
        case WeightFormat.GGUF:
            return sum(header.tensor_bytes for header in map(_gguf, files))
        case _:
            return sum(_checked(path) for path in files)


def _checked(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = header_length(file.read(8), size, str(path))
        return tensor_bytes(file.read(length), size, str(path))


def _from_gguf(folder: Path, name: str) -> ModelProfile:
    """A model whose only configuration is the header of its weights; that of the first part, where it has several."""
    _, files = choose_weights((path.name for path in folder.glob("*.gguf")), str(folder))
    headers = [_gguf(folder / file) for file in files]
    return profile(
        name,
        headers[0].config(),
        weight_bytes=sum(header.tensor_bytes for header in headers),
        has_tokenizer=headers[0].has_tokenizer,
        has_chat_template=headers[0].has_chat_template,
    )


def _gguf(path: Path) -> GgufHeader:
    size = path.stat().st_size
    with path.open("rb") as file:
        data = file.read(GGUF_HEADER)
    try:
        return read_header(data, size, str(path))
    except TruncatedError as exc:
        raise ModelError(f"{path}: its header ends after {len(data)} bytes. Download it again.") from exc


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    file = folder / "tokenizer_config.json"
    return file.is_file() and bool(parse_config(_text(file), str(file)).get("chat_template"))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError as exc:
        raise ModelError(f"{path}: is missing. Name a folder with a whole model.") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"{path}: cannot be read: {exc}.") from exc
