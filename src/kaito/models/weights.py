"""Which files make up a model's weights once, and what their headers say of their tensors. Pure."""

import json
import math
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from kaito.models.gguf import one_model
from kaito.models.profile import ModelError

INDEX: Final = "model.safetensors.index.json"
MAX_HEADER: Final = 100 * 1024 * 1024
_DTYPE_BITS: Final = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16,
    "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_NOT_WEIGHTS: Final = re.compile(r"(training_args|optimizer|scheduler|rng_state.*|scaler)\.bin")
_MAIN_BIN: Final = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
_KNOWN: Final = (".bin", ".pt", ".pth", ".gguf", ".h5", ".onnx")


class WeightFormat(StrEnum):
    """How weights are stored."""

    SAFETENSORS = "auto"
    MISTRAL = "mistral"  # Safetensors with Mistral's own names.
    GGUF = "gguf"
    BIN = "bin"  # Pickles, which are not opened: the size of their files is an estimate of their tensors'.


def choose_weights(names: Iterable[str], where: str) -> tuple[WeightFormat, list[str]]:
    """Of the names in a model's own folder those that make up its weights once, in the best format there is.

    A Mistral repository's consolidated file is not counted beside the same weights in shards. Raises ModelError when
    there are none, or several models.
    """
    held = sorted(names)
    tensors = [name for name in held if name.endswith(".safetensors")]
    plain = [name for name in tensors if not name.startswith("consolidated")]
    if tensors:
        return (WeightFormat.SAFETENSORS, plain) if plain else (WeightFormat.MISTRAL, tensors)
    packed = [name for name in held if name.endswith(".gguf") and not name.startswith("mmproj")]
    if packed:
        whole = one_model(packed)
        if not whole:
            remedy = "Put the one that you want into a folder of its own, or choose another model."
            raise ModelError(f"{where}: holds {len(packed)} models ({packed[0]} and others). {remedy}")
        return WeightFormat.GGUF, whole
    bins = [name for name in held if name.endswith(".bin") and not _NOT_WEIGHTS.fullmatch(name)]
    if bins:
        return WeightFormat.BIN, [name for name in bins if _MAIN_BIN.fullmatch(name)] or bins
    other = [name for name in held if name.endswith(_KNOWN)]
    has = f"only {other[0]}" if other else "no weights"
    raise ModelError(f"{where}: holds {has} and no .safetensors file. Convert the weights, or choose another model.")


def header_length(first: bytes, size: int, where: str) -> int:
    """Bytes of a safetensors header, from the file's first 8. Raises ModelError when the file cannot hold it."""
    if len(first) < 8:
        raise ModelError(f"{where}: has {size} bytes and a safetensors file has at least 8. Download it again.")
    length = int.from_bytes(first[:8], "little")
    if length > MAX_HEADER or 8 + length > size:
        raise ModelError(
            f"{where}: says that its header has {length} bytes and the file has {size}: it is truncated or no "
            "safetensors file. Download it again."
        )
    return length


def tensor_bytes(header: bytes, size: int, where: str) -> int:
    """Bytes of all tensors, checked against their shapes and against the file's own size.

    Raises ModelError for a header that lies and for a file that is shorter than its tensors.
    """
    try:
        entries = json.loads(header)
        tensors = {name: entry for name, entry in entries.items() if name != "__metadata__"}
        spans = [(name, entry["dtype"], entry["shape"], *entry["data_offsets"]) for name, entry in tensors.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ModelError(f"{where}: its safetensors header cannot be read: {exc!r}. Download it again.") from exc
    end = 0
    for name, dtype, shape, start, stop in spans:
        bits = _DTYPE_BITS.get(dtype)
        if bits is not None and (math.prod(shape) * bits + 7) // 8 != stop - start:
            raise ModelError(f"{where}: tensor {name} of {dtype}{shape} takes {stop - start} bytes. Download it again.")
        end = max(end, stop)
    needed = 8 + len(header) + end
    if needed > size:
        raise ModelError(
            f"{where}: is truncated: its tensors need {needed} bytes and {size} are there. Download it again."
        )
    return sum(stop - start for *_, start, stop in spans)
