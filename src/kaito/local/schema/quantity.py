"""Quantities such as `500m` and `1Gi`: read, and written in the one form that a Kubernetes API server stores."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

PATTERN_TEXT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_FORM = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = {exponent: suffix for suffix, exponent in _BINARY.items()}
_NANO = 10**9


def parse(value: object) -> Fraction | None:
    """The number that a quantity means; None when it is not one."""
    found = _parse(_text(value))
    return found[0] if found else None


def canonical(value: object) -> str | None:
    """The stored form: no fraction, the largest suffix, the family of suffixes that was given; None for rubbish."""
    return _canonical(_text(value))


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _parse(text: str) -> tuple[Fraction, str] | None:
    """(the number, the suffix as it was given)."""
    match = _FORM.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return None
    sign, whole, part, suffix = match[1], match[2] or "", match[3] or "", match[4] or ""
    number = Fraction(int(whole + part), 10 ** len(part))
    if suffix in _BINARY:
        number *= 1 << _BINARY[suffix]
    else:
        exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
        if abs(exponent) > 100:
            return None
        number *= Fraction(10) ** exponent
    # Nothing finer than a billionth is kept; what is finer is rounded away from zero.
    number = Fraction(-((-number * _NANO).__floor__()), _NANO)
    return (-number if sign == "-" else number), suffix


@lru_cache(maxsize=1024)
def _canonical(text: str) -> str | None:
    found = _parse(text)
    if found is None:
        return None
    number, suffix = found
    if not number:
        return "0"
    if suffix in _BINARY and abs(number) >= 1024 and number.denominator == 1:
        mantissa, exponent = int(number), 0
        while mantissa % 1024 == 0 and exponent < 60:
            mantissa, exponent = mantissa // 1024, exponent + 10
        return f"{mantissa}{_BINARY_SUFFIX.get(exponent, '')}"
    mantissa, exponent = int(number * _NANO), -9
    while mantissa % 1000 == 0 and (exponent < 18 or suffix[1:]):
        mantissa, exponent = mantissa // 1000, exponent + 3
    if suffix not in _DECIMAL and suffix not in _BINARY:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX[exponent]}"
