"""Bars keep their width and lose no part; text is plain where colour is not wanted."""

from hypothesis import given
from hypothesis import strategies as st

from kaito.cli.screen import Part, bar, shares, size


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=6), st.integers(6, 80))
def test_a_bar_is_filled_and_shows_each_part(amounts: list[int], width: int) -> None:
    cells = shares(amounts, width)
    assert sum(cells) == (width if any(amounts) else 0)
    assert all((cell > 0) == (amount > 0) for cell, amount in zip(cells, amounts, strict=True))


def test_shares_are_fair() -> None:
    assert shares([50, 25, 25], 60) == [30, 15, 15]
    assert shares([1, 999], 10) == [1, 9]


def test_parts_are_told_apart_without_colour() -> None:
    parts = [Part(1, "blue", "█", "#"), Part(1, "green", "▒", "+")]
    assert bar(parts, 4).plain == "██▒▒"
    assert bar(parts, 4, plain=True).plain == "##++"


def test_sizes_for_people() -> None:
    assert [size(n) for n in (0, 512, 2048, 3 << 29, 5 << 40)] == ["0 B", "512 B", "2.0 KiB", "1.5 GiB", "5.0 TiB"]
