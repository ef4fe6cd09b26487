"""Small GGUF files, written by hand."""

import struct
from typing import Any

ALIGN = 32
LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.context_length": 4096,
    "llama.block_count": 2,
    "llama.embedding_length": 256,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["<s>", "a", "b"],
    "tokenizer.chat_template": "{{ messages }}",
}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(one) for one in value)
    if isinstance(value, list):
        return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    return struct.pack("<II", 4, value)


def gguf(
    metadata: dict[str, Any] | None = None,
    tensors: tuple[tuple[str, tuple[int, ...], int, int], ...] = (("w", (256, 4), 12, 576),),
    *,
    version: int = 3,
    data: bool = True,
) -> bytes:
    """A file with those tensors: name, shape, type and bytes of each. ``data``: whether it is whole."""
    held = LLAMA if metadata is None else metadata
    made = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(held))
    made += b"".join(text(key) + entry(value) for key, value in held.items())
    place = 0
    for name, shape, kind, size in tensors:
        made += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, place)
        place += -(-size // ALIGN) * ALIGN
    return made + bytes(-len(made) % ALIGN) + bytes(place if data else 0)
