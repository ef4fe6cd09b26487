"""What a model's key-value cache takes, layer type by layer type, as the engine deals it out. Pure.

The arithmetic follows vLLM 0.32: ``vllm/v1/kv_cache_interface.py`` (what a layer of each type keeps) and
``vllm/v1/core/kv_cache_utils.py`` (how layers are grouped, pages made equal, and tokens reported). A *block* is a
stretch of tokens, a *page* one layer's bytes of it, a *table* a set of layers that share their list of blocks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

BLOCK: Final = 16
"""Tokens in a block on GPUs. On CPUs it is 128, and 16 for latent attention."""
IN_FLIGHT: Final = 2 * 8192
"""Tokens scheduled and not yet settled: two batches of the engine's default size on large GPUs."""
WIDEST: Final = 1.5
"""Tables take the length of the commonest layer type when it has less than this many times the layers of the rarest."""


class LayerKind(StrEnum):
    """What a layer keeps of the tokens before."""

    FULL = "full"  # Keys and values of all tokens.
    SLIDING = "sliding_window"  # Those of the last tokens.
    CHUNKED = "chunked"  # Those of the current chunk.
    MLA = "mla"  # One latent vector of each token, whatever the heads: every GPU holds all of it.
    INDEX = "index"  # What sparse attention searches: already quantised, every GPU holds all of it.
    STATE = "state"  # A state of fixed size: Mamba, linear attention, short convolution.
    CROSS = "cross"  # Keys and values of the encoder's output.
    ENCODER = "encoder"  # Nothing: it reads the whole text at once.
    SHARED = "shared"  # Nothing: it reads an earlier layer's.
    NONE = "none"  # Nothing: it has no attention.


GROWING: Final = frozenset({LayerKind.FULL, LayerKind.MLA, LayerKind.INDEX})
"""Kinds that keep every token."""
_WHOLE: Final = frozenset({LayerKind.MLA, LayerKind.INDEX})
_KEEPING: Final = GROWING | {LayerKind.SLIDING, LayerKind.CHUNKED, LayerKind.CROSS, LayerKind.STATE}


@dataclass(frozen=True, slots=True)
class CacheGroup:
    """Layers that keep the same.

    ``bytes_per_token`` is what one layer keeps of one token over all heads, keys and values together, in 16 bits; an
    INDEX's in its own type. ``window`` is in tokens: of the sliding window, the chunk, or the encoder's output.
    ``compression`` tokens share one entry. ``convolution`` and ``recurrent`` are elements of the state of one
    sequence and one layer; the recurrent part has ``recurrent_bits``, the other 16. ``checkpoints`` are the states that
    the engine keeps beside the two of prefix caching.
    """

    kind: LayerKind
    layers: int
    kv_heads: int = 0
    bytes_per_token: int = 0
    window: int | None = None
    compression: int = 1
    convolution: int = 0
    recurrent: int = 0
    recurrent_bits: int = 16
    checkpoints: int = 0

    @property
    def state_bytes(self) -> int:
        """Bytes of the state of one sequence in one layer, all of it on one GPU."""
        return self.convolution * 2 + self.recurrent * self.recurrent_bits // 8


@dataclass(frozen=True, slots=True)
class CacheSetup:
    """How the engine is set up, as far as the cache depends on it.

    ``element_bits`` are those of keys and values (16, or 8 for an fp8 cache). ``in_flight`` is
    ``max_num_batched_tokens`` times the batches at work at once. ``prefix_caching`` keeps more states of each sequence
    than its own. ``state_bits`` overrides the recurrent state's own: the engine keeps it in 32 on CPUs.
    """

    max_model_len: int
    block: int = BLOCK
    element_bits: int = 16
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    in_flight: int = IN_FLIGHT
    prefix_caching: bool = True
    state_bits: int | None = None


@dataclass(frozen=True, slots=True)
class _Page:
    """One layer's block: of ``kind``, with ``block`` tokens, in ``size`` bytes."""

    kind: LayerKind
    block: int
    size: int
    window: int | None = None
    checkpoints: int = 0


@dataclass(frozen=True, slots=True)
class _Table:
    """``layers`` on the fullest stage of the pipeline, with ``size`` bytes for each block of all of them."""

    page: _Page
    layers: int
    size: int


@dataclass(frozen=True)
class CacheLayout:
    """All layers of a model. Without groups, nothing is known of it."""

    groups: tuple[CacheGroup, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the model's configuration told what its layers keep."""
        return bool(self.groups)

    @cached_property
    def keeping(self) -> tuple[CacheGroup, ...]:
        """The groups whose layers keep anything."""
        return tuple(group for group in self.groups if group.kind in _KEEPING and group.layers)

    def bytes_per_token(self, element_bits: int = 16) -> int:
        """By how many bytes a long sequence grows with each token, over all layers."""
        return sum(_grown(group, element_bits) for group in self.keeping if group.kind in GROWING)

    def most_bytes_per_token(self, element_bits: int = 16) -> int:
        """The same while no window is full: what a short sequence takes for each token, states left out."""
        return sum(_grown(group, element_bits) for group in self.keeping if group.kind is not LayerKind.CROSS)

    def state_bytes(self) -> int:
        """Bytes that each sequence keeps whatever its length, over all layers."""
        return sum(group.layers * group.state_bytes for group in self.keeping)

    def sequence_bytes(self, tokens: int, setup: CacheSetup) -> int:
        """Bytes of one GPU's cache that a sequence of ``tokens`` takes at most, while it is read and answered."""
        tables = self._tables(setup)
        return _block_bytes(tables) * _blocks(tables, tokens, setup)

    def needed_bytes(self, setup: CacheSetup) -> int:
        """The least cache of one GPU that the engine starts with: one full sequence, and a block set aside."""
        tables = self._tables(setup)
        return _block_bytes(tables) * (_blocks(tables, setup.max_model_len, setup) + 1) if tables else 0

    def capacity_tokens(self, memory_bytes: int, setup: CacheSetup) -> int | None:
        """What the engine reports as the cache's size in tokens, when each GPU gives it ``memory_bytes``.

        None when no layer keeps anything. Tokens of sequences of full length: shorter ones may take more each.
        """
        found = self.concurrency(memory_bytes, setup)
        return None if found is None else int(found * setup.max_model_len)

    def concurrency(self, memory_bytes: int, setup: CacheSetup) -> float | None:
        """How many sequences of full length fit, as the engine reports it; None when no layer keeps anything."""
        tables = self._tables(setup)
        if not tables:
            return None
        return max(0, memory_bytes) // _block_bytes(tables) / _blocks(tables, setup.max_model_len, setup)

    def longest(self, memory_bytes: int, setup: CacheSetup) -> int:
        """The longest sequence, up to ``setup.max_model_len``, of which one fits in ``memory_bytes`` of each GPU."""
        tables = self._tables(setup)
        if not tables:
            return setup.max_model_len
        blocks = max(0, memory_bytes) // _block_bytes(tables) - 1
        low, high = 0, setup.max_model_len
        while low < high:
            middle = (low + high + 1) // 2
            if _blocks(tables, middle, setup) <= blocks:
                low = middle
            else:
                high = middle - 1
        return low

    def _tables(self, setup: CacheSetup) -> list[_Table]:
        """The tables that the engine makes, in the order of ``get_kv_cache_groups`` there."""
        pages = [(_page(group, setup), group.layers) for group in self.keeping]
        pages = _with_states(pages, setup)
        if any(group.compression > 1 for group in self.keeping):
            return _packed_tables(pages, setup)
        if len({page for page, _ in pages}) <= 1 or _one_type(page for page, _ in pages):
            return _one_table(pages, setup)
        return _equal_tables(_equal_pages(pages), setup)


def _grown(group: CacheGroup, element_bits: int) -> int:
    bits = 16 if group.kind is LayerKind.INDEX else element_bits
    return group.layers * group.bytes_per_token * bits // 16 // group.compression


def _ceil(part: int, whole: int) -> int:
    return -(-part // whole)


def _of_gpu(group: CacheGroup, setup: CacheSetup) -> int:
    """Bytes of one token and one layer on one GPU: its share of the heads, and at least one of them."""
    total = group.bytes_per_token
    if group.kind is not LayerKind.INDEX:
        total = total * setup.element_bits // 16
    if group.kind in _WHOLE:
        return total
    if not group.kv_heads:
        return _ceil(total, setup.tensor_parallel)
    return total // group.kv_heads * max(1, group.kv_heads // setup.tensor_parallel)


def _page(group: CacheGroup, setup: CacheSetup) -> _Page:
    if group.kind is LayerKind.STATE:
        bits = setup.state_bits or group.recurrent_bits
        state = group.convolution * 2 + group.recurrent * bits // 8
        return _Page(group.kind, setup.block, _ceil(state, setup.tensor_parallel), None, group.checkpoints)
    size = _of_gpu(group, setup) * max(1, setup.block // group.compression)
    return _Page(group.kind, setup.block, size, group.window)


def _with_states(pages: list[tuple[_Page, int]], setup: CacheSetup) -> list[tuple[_Page, int]]:
    """Blocks that are long enough for an attention layer's page to hold a state; states padded to that page.

    Source: ``_align_hybrid_block_size`` in ``vllm/platforms/interface.py``.
    """
    states = [page.size for page, _ in pages if page.kind is LayerKind.STATE]
    attention = [page for page, _ in pages if page.kind is not LayerKind.STATE]
    if not states or not attention:
        return pages
    first = attention[0]
    step = max(setup.block, 128) if first.kind is LayerKind.MLA else setup.block
    of_token = first.size // first.block
    block = max(setup.block, step * _ceil(max(states), step * of_token))
    padded = block * of_token
    sizes = {page: padded if page.kind is LayerKind.STATE else page.size // page.block * block for page, _ in pages}
    return [(replace(page, block=block, size=sizes[page]), layers) for page, layers in pages]


def _one_type(pages: Iterable[_Page]) -> bool:
    """Whether one table serves all layers: they keep the same tokens, though perhaps of different size."""
    found = list(pages)
    kinds = {page.kind for page in found}
    if len({page.block for page in found}) > 1:
        return False
    return kinds <= GROWING or (len(kinds) == 1 and len({(page.window, page.kind) for page in found}) == 1)


def _one_table(pages: list[tuple[_Page, int]], setup: CacheSetup) -> list[_Table]:
    if not pages:
        return []
    layers = sum(n for _, n in pages)
    size = sum(page.size * n for page, n in pages)
    of_stage = _ceil(layers, setup.pipeline_parallel)
    return [_Table(pages[0][0], of_stage, _ceil(size * of_stage, layers))]


def _equal_pages(pages: list[tuple[_Page, int]]) -> list[tuple[_Page, int]]:
    """Longer blocks for layers with smaller pages, or padding where the largest page is no multiple of theirs."""
    largest = max(page.size for page, _ in pages)
    made = []
    for page, layers in pages:
        whole = page.kind is not LayerKind.STATE and largest % page.size == 0
        block = page.block * (largest // page.size) if whole else page.block
        made.append((replace(page, block=block, size=largest), layers))
    return made


def _equal_tables(pages: list[tuple[_Page, int]], setup: CacheSetup) -> list[_Table]:
    """Tables of equally many layers: as many as the rarest type has, or the commonest where they are nearly alike."""
    counts: dict[_Page, int] = {}
    for page, layers in pages:
        counts[page] = counts.get(page, 0) + layers
    fewest, most = min(counts.values()), max(counts.values())
    length = most if most < fewest * WIDEST else fewest
    tables = []
    for page, layers in counts.items():
        tables_of_type = _ceil(layers, length)
        longest = _ceil(_ceil(layers, tables_of_type), setup.pipeline_parallel)
        tables += [_Table(page, longest, longest * page.size)] * tables_of_type
    return tables


def _packed_tables(pages: list[tuple[_Page, int]], setup: CacheSetup) -> list[_Table]:
    """Blocks that hold pages of different size side by side: what grows in one table, windows in as many as they fill.

    Source: ``_get_packed_kv_cache_groups``, which DeepSeek V4's compressed caches are dealt out with.
    """
    growing = _one_table([(page, layers) for page, layers in pages if page.kind in GROWING], setup)
    room = max(1, _block_bytes(growing))
    windows = [(page, _ceil(layers, setup.pipeline_parallel)) for page, layers in pages if page.kind not in GROWING]
    others = []
    for page, layers in windows:
        number = _ceil(layers, max(1, room // page.size))
        of_table = _ceil(layers, number)
        others += [_Table(page, of_table, of_table * page.size)] * number
    return growing + others


def _block_bytes(tables: list[_Table]) -> int:
    """Bytes of one block: all tables draw blocks from one pool, so it has room for the largest."""
    return max((table.size for table in tables), default=0)


def _blocks(tables: list[_Table], tokens: int, setup: CacheSetup) -> int:
    """Blocks of one sequence over all tables."""
    return sum(_blocks_of(table.page, tokens, setup) for table in tables)


def _blocks_of(page: _Page, tokens: int, setup: CacheSetup) -> int:
    match page.kind:
        case LayerKind.STATE:
            return 2 + page.checkpoints if setup.prefix_caching else 1
        case LayerKind.CROSS:
            return _ceil(page.window or 0, page.block)
        case LayerKind.SLIDING if page.window:  # One more: the window need not begin where a block does.
            return _ceil(min(page.window - 1 + setup.in_flight, tokens), page.block) + 1
        case LayerKind.CHUNKED if page.window:
            return _ceil(min(page.window + setup.in_flight, tokens), page.block)
        case _:
            return _ceil(tokens, page.block)
