"""How many parameters a model has, and of which family it is: what its name says, else what its weights say. Pure."""

import re
from typing import Final

from kaito.models.profile import ModelProfile

BITS: Final = {"awq": 4, "gptq": 4, "mxfp4": 4, "nvfp4-pack-quantized": 4, "pack-quantized": 4, "MIXED_PRECISION": 4}
"""Bits of a weight by quantisation; those of other methods, fp8 above all, have 8."""
_NAMED: Final = re.compile(r"(?:^|[-_.])(\d+(?:\.\d+)?)b(?![a-z0-9])")
_VENDOR: Final = re.compile(r"^(?:nvidia|meta)-")


def parameters(name: str, profile: ModelProfile) -> tuple[int, bool]:
    """The number of parameters, and whether the name says it: else it is an estimate from the weights' size."""
    named = _NAMED.search(name.rpartition("/")[2].lower())
    if named is not None:
        return int(float(named[1]) * 1e9), True
    method = profile.quantization
    bits = profile.quantization_bits or (BITS.get(method, 8) if method else 32 if profile.dtype == "float32" else 16)
    return profile.weight_bytes * 8 // bits, False


def family(name: str) -> str:
    """The word that a model's name begins with, its vendor left out: ``qwen`` of ``Qwen/Qwen2.5-7B``."""
    last = _VENDOR.sub("", name.rpartition("/")[2].lower())
    found = re.match(r"[a-z]+", last)
    return found[0] if found else last
