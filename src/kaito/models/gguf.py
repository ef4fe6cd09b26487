"""The header of a GGUF file: what its tensors take, and the model's configuration under its usual names. Pure.

The layout is that of ``docs/gguf.md`` of the ggml project; bytes of each type are those of its ``ggml.c``.
"""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kaito.models.profile import ModelError

MAGIC: Final = b"GGUF"
TYPES: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
"""Elements and bytes of a block of each type of tensor."""
NAMES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K",
    13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 30: "BF16", 39: "MXFP4", 40: "NVFP4",
}  # fmt: skip
_SIZES: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST: Final = 1 << 20
"""Tensors, or entries of metadata: no model has as many."""
_KEYS: Final = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.kv_lora_rank": "kv_lora_rank",
    "attention.sliding_window": "sliding_window",
    "ssm.state_size": "mamba_d_state",
    "ssm.conv_kernel": "mamba_d_conv",
    "ssm.group_count": "mamba_n_groups",
    "ssm.time_step_rank": "mamba_n_heads",
    "ssm.inner_size": "mamba_d_ssm",
}


class TruncatedError(Exception):
    """The header goes on after the bytes that are there."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """A file's tensors and metadata. ``bits`` are those of its commonest type of weights."""

    tensor_bytes: int
    file_bytes: int
    quantization: str | None
    bits: int
    metadata: Mapping[str, Any]

    @property
    def has_tokenizer(self) -> bool:
        return "tokenizer.ggml.model" in self.metadata

    @property
    def has_chat_template(self) -> bool:
        return bool(self.metadata.get("tokenizer.chat_template"))

    def config(self) -> dict[str, Any]:
        """The metadata as keys of a config.json."""
        family = str(self.metadata.get("general.architecture", ""))
        made: dict[str, Any] = {"model_type": family}
        for key, usual in _KEYS.items():
            value = self.metadata.get(f"{family}.{key}")
            if value is not None:
                made[usual] = value
        _per_layer_heads(made)
        rope = self.metadata.get(f"{family}.rope.dimension_count")
        if "kv_lora_rank" in made and rope is not None:
            made["qk_rope_head_dim"] = rope
        if self.quantization:
            made["quantization_config"] = {"quant_method": "gguf", "bits": self.bits}
        return made


def _per_layer_heads(made: dict[str, Any]) -> None:
    """Key-value heads that are listed by layer: 0 for a layer with a state."""
    listed = made.get("num_key_value_heads")
    if not isinstance(listed, list):
        return
    made["num_key_value_heads"] = max(listed, default=0)
    if 0 in listed:
        made["layer_types"] = ["full_attention" if heads else "linear_attention" for heads in listed]


def is_gguf(first: bytes) -> bool:
    """Whether a file that begins so is one."""
    return first[:4] == MAGIC


def read_header(data: bytes, size: int, where: str) -> GgufHeader:
    """The header at the beginning of a file of ``size`` bytes, of which ``data`` is the first part.

    Raises TruncatedError when ``data`` ends within it, ModelError when it is none or the file is cut short.
    """
    if not is_gguf(data):
        raise ModelError(f"{where}: does not begin as a GGUF file does. Download it again.")
    reader = _Reader(data, 4)
    version = reader.number("I")
    if version not in (2, 3):
        raise ModelError(f"{where}: is GGUF version {version}, and 2 and 3 are known. Convert it anew.")
    tensors, entries = reader.number("Q"), reader.number("Q")
    if tensors > _MOST or entries > _MOST:
        raise ModelError(f"{where}: says that it has {tensors} tensors and {entries} entries. Download it again.")
    try:
        metadata = {reader.string(): reader.value(reader.number("I")) for _ in range(entries)}
        found = [reader.tensor() for _ in range(tensors)]
        return _header(found, metadata, reader.place, size, where)
    except (KeyError, UnicodeDecodeError, struct.error) as exc:
        raise ModelError(f"{where}: its GGUF header cannot be read: {exc!r}. Download it again.") from exc


def _header(
    found: list[tuple[int, int, int]], metadata: dict[str, Any], header: int, size: int, where: str
) -> GgufHeader:
    alignment = int(metadata.get("general.alignment", 32))
    start = -(-header // alignment) * alignment
    needed = start + max((offset + length for _, offset, length in found), default=0)
    if needed > size:
        raise ModelError(
            f"{where}: is truncated: its tensors need {needed} bytes and {size} are there. Download it again."
        )
    by_type: dict[int, int] = {}
    for kind, _, length in found:
        by_type[kind] = by_type.get(kind, 0) + length
    commonest = max(by_type, key=lambda kind: by_type[kind], default=0)
    elements, length = TYPES[commonest]
    plain = commonest in (0, 1, 30)
    return GgufHeader(
        tensor_bytes=sum(by_type.values()),
        file_bytes=size,
        quantization=None if plain else NAMES.get(commonest, f"type {commonest}"),
        bits=length * 8 // elements,
        metadata=metadata,
    )


class _Reader:
    """Reads on through bytes; TruncatedError where they end."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place

    def take(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self.data):
            raise TruncatedError
        taken, self.place = self.data[self.place : end], end
        return taken

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def string(self) -> str:
        return self.take(self.number("Q")).decode(errors="replace")

    def value(self, kind: int) -> Any:
        """One value; of an array of texts only the number of them, for vocabularies are long."""
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_SIZES[kind])
        of, count = self.number("I"), self.number("Q")
        if of in (_STRING, _ARRAY):
            for _ in range(count):
                self.value(of)
            return count
        code = _SIZES[of]
        return list(struct.unpack(f"<{count}{code}", self.take(count * struct.calcsize("<" + code))))

    def tensor(self) -> tuple[int, int, int]:
        """Its type, where it begins among the tensors, and its bytes."""
        self.string()
        shape = [self.number("Q") for _ in range(self.number("I"))]
        kind, offset = self.number("I"), self.number("Q")
        elements, length = TYPES[kind]
        return kind, offset, math.prod(shape) // elements * length


def one_model(names: list[str]) -> list[str]:
    """The files of the one model among GGUF files: itself, or all parts of it; none when there are several models."""
    parts = [re.fullmatch(r"(.+)-(\d{5})-of-(\d{5})\.gguf", name) for name in names]
    stems = {part[1] if part else name for name, part in zip(names, parts, strict=True)}
    return sorted(names) if len(stems) == 1 else []
