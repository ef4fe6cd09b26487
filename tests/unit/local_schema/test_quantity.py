"""Quantities as a real API server stores them."""

import pytest

from kaito.local.schema import quantity


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), (0.5, "500m"), (2, "2"), ("1000", "1k"), ("1024", "1024"),
        ("1024Mi", "1Gi"), ("1536Mi", "1536Mi"), ("512Ki", "512Ki"), ("0.5Gi", "512Mi"), ("1Ki", "1Ki"),
        ("0.5Ki", "512"), ("0", "0"), ("0Gi", "0"), ("1e3", "1e3"), ("1000e0", "1e3"), ("-1000m", "-1"), ("1E", "1E"),
        ("1000000k", "1G"), ("0.0000000001", "1n"), (".5", "500m"), ("5.", "5"), ("1000E", "1000E"), (1000.0, "1k"),
    ],
)  # fmt: skip
def test_a_quantity_has_one_stored_form(given: object, stored: str) -> None:
    assert quantity.canonical(given) == stored


@pytest.mark.parametrize("text", ["lots", "", "1.2.3", "1Kb", "Gi", "1 Gi", "--1", "1e", ".", "1e999999999"])
def test_rubbish_is_no_quantity(text: str) -> None:
    assert quantity.canonical(text) is None
