"""Cache layouts for tests that need only the size of a token, and sums over a plan's memory."""

from kaito.capacity.plan import Memory
from kaito.models.cache import CacheGroup, CacheLayout, LayerKind


def flat_layout(bytes_per_token: int, *, layers: int, kv_heads: int = 0, mla: bool = False) -> CacheLayout:
    """A layout of full attention alone, where only the bytes of one token over all ``layers`` are known.

    An unknown layout for 0 bytes.
    """
    if not bytes_per_token:
        return CacheLayout()
    kind = LayerKind.MLA if mla else LayerKind.FULL
    count = max(1, layers) if bytes_per_token % max(1, layers) == 0 else 1
    return CacheLayout((CacheGroup(kind, count, kv_heads=kv_heads, bytes_per_token=bytes_per_token // count),))


def overhead(memory: Memory) -> int:
    """What the engine needs besides weights and cache."""
    return memory.activations + memory.cuda_graphs + memory.framework
