"""Names that follow from content: the short hashes in the names of ReplicaSets, revisions and slices."""

from typing import Any

import orjson

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_OFFSET, _PRIME = 2166136261, 16777619


def content_hash(content: Any, *, collisions: int = 0) -> str:
    """At most ten letters, the same for the same JSON; ``collisions`` gives another one for content seen before.

    FNV-1a over the JSON with sorted keys, in Kubernetes' alphabet: no vowels, so no words.
    """
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    if collisions:
        text += str(collisions).encode()
    value = _OFFSET
    for byte in text:
        value = ((value ^ byte) * _PRIME) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))
