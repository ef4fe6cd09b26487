"""What is said of a wrong field is a line that people can read, whatever stood there."""

from typing import Any

import pytest

from kaito.api.errors import MAX_ERRORS, SpecError, SpecErrors


def doubled(times: int) -> list[Any]:
    """A list that is short in memory, and endless once it is written out."""
    value: list[Any] = ["x"]
    for _ in range(times):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("x" * 100_000, "'" + "x" * 119 + "...", id="long text"),
        pytest.param(1 << 100_000, "a number of 100001 bits", id="a number too long to be written"),
        pytest.param(doubled(12), "[[[[[...], [...],", id="a list of lists a trillion times"),
        pytest.param("a\nb", r"'a\nb'", id="two lines"),
        pytest.param({"a": 1}, "{'a': 1}", id="a map"),
    ],
)
def test_a_value_is_shown_short(value: Any, shown: str) -> None:
    text = str(SpecError("field", value, "is wrong"))
    assert text.startswith(f"field: {shown}")
    assert len(text) < 200


@pytest.mark.parametrize(
    ("field", "fix", "text"),
    [
        pytest.param("a\nb", "is wrong", r"a\nb: is wrong", id="a line break in a field's name"),
        pytest.param("a", "use \x1b[31mred", r"a: use \x1b[31mred", id="colours of a terminal"),
        pytest.param("\u202ea", "is é", r"\u202ea: is é", id="text that turns round; letters stay"),
        pytest.param("a" * 400, "is wrong", "a" * 300 + "...: is wrong", id="a name without end"),
    ],
)
def test_an_error_is_one_line(field: str, fix: str, text: str) -> None:
    assert str(SpecError(field, None, fix)) == text


def test_many_errors_are_counted() -> None:
    lines = str(SpecErrors([SpecError(f"list[{n}]", None, "is wrong") for n in range(1000)])).split("\n")
    assert len(lines) == MAX_ERRORS + 1
    assert lines[-1] == f"list[{MAX_ERRORS}]: and 980 more that are wrong: correct these first"
