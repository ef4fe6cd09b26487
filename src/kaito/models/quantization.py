"""How a model's weights are quantised: by which method, and in how many bits each. Pure.

Forms of the entry are those that ``_normalize_quantization_config`` in vLLM's ``model_arch_config_convertor.py`` reads,
and those of the compressed-tensors and ModelOpt writers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kaito.models.config import Config, integer, section

BITS: Final = {
    "awq": 4, "gptq": 4, "mxfp4": 4, "nvfp4": 4, "bitsandbytes": 8, "fp8": 8, "fbgemm_fp8": 8, "mxfp8": 8,
    "experts_int8": 8, "auto-round": 4, "quark": 8, "hqq": 4, "aqlm": 2, "eetq": 8,
}  # fmt: skip
"""Bits of a weight by method, where the entry does not tell them."""
ALGORITHMS: Final = {
    "NVFP4": ("nvfp4", 4),
    "NVFP4_AWQ": ("nvfp4", 4),
    "FP8": ("fp8", 8),
    "FP8_PER_CHANNEL_PER_TOKEN": ("fp8", 8),
    "FP8_PB_WO": ("fp8", 8),
    "MXFP8": ("mxfp8", 8),
    "INT4_AWQ": ("awq", 4),
    "W4A16_AWQ": ("awq", 4),
}
"""What ModelOpt calls its methods."""
MIXED: Final = "MIXED_PRECISION"


@dataclass(frozen=True, slots=True)
class Quantization:
    """``method`` as the model's own configuration names it; ``bits`` the fewest that any of its weights has."""

    method: str
    bits: int | None


def quantization_of(config: Config) -> Quantization | None:
    """How the weights are quantised; None for weights as they were trained."""
    entry = _entry(config)
    method = entry.get("quant_method")
    method = method.strip() if isinstance(method, str) else ""
    algorithm = _algorithm(entry)
    if algorithm == MIXED:
        return Quantization(MIXED, min(_layer_bits(entry), default=4))
    if algorithm in ALGORITHMS:
        return Quantization(*ALGORITHMS[algorithm])
    if method.lower().replace("_", "-") == "compressed-tensors":
        return Quantization("compressed-tensors", min(_group_bits(entry), default=None))
    if not method:
        return None
    return Quantization(method, integer(entry, "bits", "w_bit", "weight_bits") or _bits(method, entry))


def _entry(config: Config) -> Config:
    keys = ("quantization_config", "compression_config", "quantization")
    return next((section(config, key) for key in keys if section(config, key)), {})


def _algorithm(entry: Config) -> str:
    """ModelOpt's name of the method, in its older nested entry or in its newer flat one."""
    named = entry.get("quant_algo") or section(entry, "quantization").get("quant_algo")
    return named.upper() if isinstance(named, str) else ""


def _bits(method: str, entry: Config) -> int | None:
    if method.lower() == "bitsandbytes":
        return 4 if entry.get("load_in_4bit") or entry.get("_load_in_4bit") else 8
    return BITS.get(method.lower())


def _group_bits(entry: Config) -> Iterator[int]:
    for group in section(entry, "config_groups").values():
        if isinstance(group, dict):
            bits = integer(section(group, "weights"), "num_bits")
            if bits:
                yield bits


def _layer_bits(entry: Config) -> Iterator[int]:
    layers = section(entry, "quantized_layers") or section(section(entry, "quantization"), "quantized_layers")
    for layer in layers.values():
        if isinstance(layer, dict):
            named = str(layer.get("quant_algo", "")).upper()
            if named in ALGORITHMS:
                yield ALGORITHMS[named][1]
