"""A model in a local folder: its metadata is read and its weights are checked, none of them loaded."""

import json
import re
from pathlib import Path

from kaito.models.profile import ModelError, ModelProfile, header_length, parse_config, profile, tensor_bytes

INDEX = "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json")


def from_folder(folder: Path, name: str | None = None) -> ModelProfile:
    """The profile of the model in ``folder``. Raises ModelError naming the file, what is wrong, and the remedy."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: is not a folder. Name the folder that holds config.json.")
    config = parse_config(_text(folder / "config.json"), str(folder / "config.json"))
    weights = sum(_checked(path) for path in weight_files(folder))
    return profile(
        name or folder.name,
        config,
        weight_bytes=weights,
        has_tokenizer=any((folder / file).is_file() for file in TOKENIZERS),
        has_chat_template=_has_chat_template(folder),
    )


def weight_files(folder: Path) -> list[Path]:
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
        return [folder / n for n in names]
    found = sorted(folder.glob("*.safetensors"))
    plain = [path for path in found if not path.name.startswith("consolidated")]
    if not found:
        raise ModelError(f"{folder}: holds no .safetensors file. Convert the weights, or download the model again.")
    return plain or found


def _checked(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = header_length(file.read(8), size, str(path))
        return tensor_bytes(file.read(length), size, str(path))


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
