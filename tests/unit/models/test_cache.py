"""How the engine deals out its cache: pages, tables, blocks and the tokens that it reports, counted by hand.

tests/e2e/test_engine_proof.py asks the engine itself.
"""

import math
from dataclasses import replace
from typing import Final

import pytest

from kaito.models.cache import CacheGroup, CacheLayout, CacheSetup, LayerKind
from tests.unit.layouts import flat_layout

GIB: Final = 1 << 30
KIB: Final = 1 << 10
LLAMA: Final = CacheLayout((CacheGroup(LayerKind.FULL, 32, kv_heads=8, bytes_per_token=4 * KIB),))
MLA: Final = CacheLayout((CacheGroup(LayerKind.MLA, 61, kv_heads=1, bytes_per_token=1152),))
GEMMA: Final = CacheLayout(
    (
        CacheGroup(LayerKind.SLIDING, 52, kv_heads=16, bytes_per_token=8 * KIB, window=1024),
        CacheGroup(LayerKind.FULL, 10, kv_heads=16, bytes_per_token=8 * KIB),
    )
)
MISTRAL: Final = CacheLayout((CacheGroup(LayerKind.SLIDING, 32, kv_heads=8, bytes_per_token=4 * KIB, window=4096),))
LLAMA4: Final = CacheLayout(
    (
        CacheGroup(LayerKind.CHUNKED, 36, kv_heads=8, bytes_per_token=4 * KIB, window=8192),
        CacheGroup(LayerKind.FULL, 12, kv_heads=8, bytes_per_token=4 * KIB),
    )
)
STATE: Final = CacheGroup(LayerKind.STATE, 29, convolution=3 * 8448, recurrent=128 * 64 * 128, checkpoints=1)
BAMBA: Final = CacheLayout((STATE, CacheGroup(LayerKind.FULL, 3, kv_heads=8, bytes_per_token=4 * KIB)))
SETUP: Final = CacheSetup(max_model_len=8192)


@pytest.mark.parametrize(
    ("layout", "setup", "block_bytes", "blocks"),
    [
        pytest.param(LLAMA, SETUP, 32 * 16 * 4 * KIB, 512, id="full attention: 8192 tokens in 512 blocks of 16"),
        pytest.param(
            LLAMA, replace(SETUP, max_model_len=8193), 32 * 64 * KIB, 513, id="one token more begins another block"
        ),
        pytest.param(LLAMA, replace(SETUP, block=128), 32 * 512 * KIB, 64, id="longer blocks"),
        pytest.param(LLAMA, replace(SETUP, element_bits=8), 32 * 32 * KIB, 512, id="half of it in 8 bits"),
        pytest.param(LLAMA, replace(SETUP, tensor_parallel=4), 32 * 16 * KIB, 512, id="two heads on each of 4 GPUs"),
        pytest.param(
            LLAMA, replace(SETUP, tensor_parallel=16), 32 * 8 * KIB, 512, id="one head at least: 16 GPUs hold copies"
        ),
        pytest.param(LLAMA, replace(SETUP, pipeline_parallel=4), 8 * 64 * KIB, 512, id="8 layers on each of 4 stages"),
        pytest.param(
            LLAMA, replace(SETUP, pipeline_parallel=3), 11 * 64 * KIB, 512, id="the fullest of 3 stages has 11 layers"
        ),
        pytest.param(MLA, replace(SETUP, tensor_parallel=8), 61 * 16 * 1152, 512, id="MLA: each GPU holds all of it"),
        pytest.param(
            MISTRAL, replace(SETUP, in_flight=2048), 32 * 64 * KIB, (4095 + 2048 + 15) // 16 + 1,
            id="a window: its tokens but one, those in flight, and one block more",
        ),
        pytest.param(MISTRAL, replace(SETUP, max_model_len=1600), 32 * 64 * KIB, 101, id="a short text"),
        pytest.param(
            GEMMA, replace(SETUP, in_flight=2048), 10 * 128 * KIB, 512 + 6 * (math.ceil((1023 + 2048) / 16) + 1),
            id="windows in 6 tables of at most 10 layers, beside 1 of full attention",
        ),
        pytest.param(
            LLAMA4, replace(SETUP, max_model_len=32768, in_flight=2048), 12 * 64 * KIB, 2048 + 3 * (10240 // 16),
            id="chunks: 3 tables of 12 layers, each with a chunk and what is in flight",
        ),
        pytest.param(
            CacheLayout((replace(GEMMA.groups[0], layers=12), replace(GEMMA.groups[1], layers=13))),
            replace(SETUP, in_flight=2048), 13 * 128 * KIB, 512 + 193,
            id="12 and 13 layers: two tables, the shorter one padded",
        ),
        pytest.param(
            BAMBA, SETUP, 3 * 528 * 4 * KIB, math.ceil(8192 / 528) + 10 * 3,
            id="states of 2147840 bytes: blocks of 528 tokens hold one, 10 tables keep 3 of each",
        ),
        pytest.param(
            BAMBA, replace(SETUP, prefix_caching=False), 3 * 528 * 4 * KIB, math.ceil(8192 / 528) + 10,
            id="one state of each without prefix caching",
        ),
        pytest.param(
            BAMBA, replace(SETUP, state_bits=32), 3 * 1040 * 4 * KIB, math.ceil(8192 / 1040) + 10 * 3,
            id="states in 32 bits",
        ),
        pytest.param(
            CacheLayout((STATE,)), SETUP, 29 * STATE.state_bytes, 3, id="states alone are not padded"
        ),
        pytest.param(
            CacheLayout((*MLA.groups, CacheGroup(LayerKind.INDEX, 61, bytes_per_token=132))),
            replace(SETUP, element_bits=8), 61 * 16 * (576 + 132), 512,
            id="an index shares the table, and stays as it is in 8 bits",
        ),
        pytest.param(
            CacheLayout(
                (
                    CacheGroup(LayerKind.SLIDING, 5, kv_heads=8, bytes_per_token=8 * KIB, window=1024),
                    CacheGroup(LayerKind.FULL, 1, kv_heads=2, bytes_per_token=4 * KIB),
                )
            ),
            replace(SETUP, in_flight=1025), 128 * KIB, 256 + 5 * 129,
            id="smaller pages get longer blocks: 32 tokens of 4 KiB",
        ),
        pytest.param(
            CacheLayout(
                (
                    CacheGroup(LayerKind.SLIDING, 1, kv_heads=3, bytes_per_token=3 * KIB, window=1024),
                    CacheGroup(LayerKind.FULL, 1, kv_heads=4, bytes_per_token=4 * KIB),
                )
            ),
            replace(SETUP, in_flight=1025), 64 * KIB, 512 + 129,
            id="pages that do not divide are padded",
        ),
        pytest.param(
            CacheLayout(
                (
                    CacheGroup(LayerKind.FULL, 4, kv_heads=2, bytes_per_token=KIB),
                    CacheGroup(LayerKind.CROSS, 4, kv_heads=2, bytes_per_token=KIB, window=1500),
                )
            ),
            replace(SETUP, max_model_len=448), 4 * 16 * KIB, 28 + 94,
            id="an encoder's output beside the decoder's own words",
        ),
        pytest.param(
            CacheLayout((LLAMA.groups[0], CacheGroup(LayerKind.SHARED, 15), CacheGroup(LayerKind.NONE, 2))),
            SETUP, 32 * 64 * KIB, 512,
            id="layers that keep nothing",
        ),
        pytest.param(
            CacheLayout(
                (
                    CacheGroup(LayerKind.SLIDING, 9, kv_heads=1, bytes_per_token=1024, window=128),
                    CacheGroup(LayerKind.MLA, 8, kv_heads=1, bytes_per_token=1024, compression=4),
                    CacheGroup(LayerKind.MLA, 1, kv_heads=1, bytes_per_token=1024, compression=128),
                )
            ),
            replace(SETUP, block=256, in_flight=2048), 8 * 64 * KIB + 2 * KIB, 32 + 5 * 10,
            id="compressed memories side by side in one block, which holds two of the windows",
        ),
    ],
)  # fmt: skip
def test_what_a_full_sequence_takes(layout: CacheLayout, setup: CacheSetup, block_bytes: int, blocks: int) -> None:
    assert layout.sequence_bytes(setup.max_model_len, setup) == block_bytes * blocks
    assert layout.needed_bytes(setup) == block_bytes * (blocks + 1)
    assert layout.concurrency(1000 * block_bytes + 1, setup) == 1000 / blocks


def test_tokens_are_those_of_full_sequences() -> None:
    """10 GiB hold 5120 blocks: 10 sequences of 512 blocks each."""
    assert LLAMA.concurrency(10 * GIB, SETUP) == 10.0
    assert LLAMA.capacity_tokens(10 * GIB, SETUP) == 81920


def test_a_window_lets_more_sequences_in_the_longer_they_are() -> None:
    """8192 blocks, of which a sequence of 1024 takes 64 + 6 * 65, and one of 131072 takes 8192 + 6 * 193."""
    setup = replace(SETUP, in_flight=2048)
    short, long = (GEMMA.capacity_tokens(10 * GIB, replace(setup, max_model_len=n)) for n in (1024, 131072))
    assert (short, long) == (8192 * 1024 // 454, 8192 * 131072 // 9350)


def test_the_flat_formula_asks_for_six_times_as_much() -> None:
    """A defect of the original: every layer of Gemma 3 counts as one that reads all."""
    setup = CacheSetup(max_model_len=131072, in_flight=2048)
    assert GEMMA.most_bytes_per_token() * 131072 / GEMMA.sequence_bytes(131072, setup) > 5


@pytest.mark.parametrize(
    ("memory", "longest"),
    [
        pytest.param(0, 0, id="nothing"),
        pytest.param(2 * 32 * 64 * KIB, 16, id="a block, and the one set aside"),
        pytest.param(514 * 32 * 64 * KIB - 1, 512 * 16, id="one byte too few for another"),
        pytest.param(514 * 32 * 64 * KIB, 8200, id="all that the model reads"),
    ],
)
def test_the_longest_sequence_that_fits(memory: int, longest: int) -> None:
    assert LLAMA.longest(memory, replace(SETUP, max_model_len=8200)) == longest


def test_what_keeps_nothing_has_no_size() -> None:
    layout = CacheLayout((CacheGroup(LayerKind.ENCODER, 24),))
    assert layout.known
    assert layout.capacity_tokens(GIB, SETUP) is None
    assert (layout.needed_bytes(SETUP), layout.sequence_bytes(100, SETUP), layout.longest(0, SETUP)) == (0, 0, 8192)


def test_an_unknown_layout_says_so() -> None:
    assert not CacheLayout().known
    assert flat_layout(0, layers=32) == CacheLayout()


@pytest.mark.parametrize(("total", "layers"), [(131072, 32), (100, 3)], ids=["by layer", "one part when uneven"])
def test_a_flat_layout_has_those_bytes(total: int, layers: int) -> None:
    assert flat_layout(total, layers=layers).bytes_per_token() == total


def test_the_worked_example_of_the_documentation() -> None:
    """docs/planning.md, "How the cache is counted"."""
    setup = CacheSetup(max_model_len=131072)
    assert GEMMA.sequence_bytes(131072, setup) == (8192 + 6 * 1089) * 10 * 16 * 8 * KIB
    assert round(GEMMA.sequence_bytes(131072, setup) / GIB, 1) == 18.0
    assert GEMMA.most_bytes_per_token() * 131072 == 62 * GIB
    assert GEMMA.capacity_tokens(40 * GIB, setup) == 291_658
