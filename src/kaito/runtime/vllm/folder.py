"""A look at a model's folder before the engine is imported: what is missing or cut off is said within a second."""

import json
from pathlib import Path
from typing import Any, Final

CONFIGS: Final = ("config.json", "params.json")
WEIGHTS: Final = ("*.safetensors", "*.bin", "*.pt", "*.gguf")
INDEX: Final = "model.safetensors.index.json"
MAX_HEADER: Final = 100 * 1024 * 1024


class FolderError(Exception):
    """A model folder that cannot be served; the text names the file, what is wrong, and the remedy."""


def check(folder: Path, *, weights: bool = True) -> int:
    """The bytes of the safetensors files in ``folder``; 0 when its weights have another format.

    ``weights`` is false for a load format that reads none. Raises FolderError.
    """
    if not folder.exists():
        raise FolderError(f"{folder}: is not there. Check --model and the volume that should hold it.")
    if folder.is_file():
        return 0
    found = [name for name in CONFIGS if (folder / name).is_file()]
    if not found and not list(folder.glob("*.gguf")):
        raise FolderError(f"{folder}: holds no config.json. Name the folder that holds the whole model.")
    for name in found:
        _object(folder / name)
    if not weights:
        return 0
    if not any(next(folder.glob(pattern), None) for pattern in WEIGHTS):
        raise FolderError(f"{folder}: holds no weights ({', '.join(WEIGHTS)}). Download the model again.")
    _check_index(folder)
    return sum(_check_tensors(path) for path in sorted(folder.glob("*.safetensors")))


def _check_index(folder: Path) -> None:
    index = folder / INDEX
    if index.is_file():
        named = _object(index).get("weight_map")
        named = named if isinstance(named, dict) else {}
        missing = sorted(str(name) for name in set(named.values()) if not (folder / str(name)).is_file())
        if missing:
            raise FolderError(f"{index}: names {missing[0]}, which is not there. Download the model again.")


def _check_tensors(path: Path) -> int:
    """The file's size. Raises FolderError when it is shorter than the tensors that its header lists."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > MAX_HEADER or 8 + length > size:
            raise FolderError(f"{path}: is truncated or no safetensors file: {size} bytes. Download the model again.")
        header = file.read(length)
    try:
        entries = json.loads(header)
        needed = 8 + length + max((one["data_offsets"][1] for key, one in entries.items() if key != "__metadata__"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise FolderError(f"{path}: its header cannot be read: {exc!r}. Download the model again.") from exc
    if needed > size:
        raise FolderError(
            f"{path}: is truncated: its tensors need {needed} bytes and {size} are there. Download the model again."
        )
    return size


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as exc:
        raise FolderError(f"{path}: cannot be read as JSON: {exc}. Download the model again.") from exc
    if not isinstance(value, dict):
        raise FolderError(f"{path}: holds {type(value).__name__}, not an object. Download the model again.")
    return value
