"""Forms in which models tell how their weights are quantised."""

from typing import Any

import pytest

from kaito.models.quantization import Quantization, quantization_of

W4 = {"weights": {"num_bits": 4, "type": "int"}}
W8 = {"weights": {"num_bits": 8, "type": "float"}}


@pytest.mark.parametrize(
    ("entry", "method", "bits"),
    [
        pytest.param({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq", 4, id="AWQ"),
        pytest.param({"quant_method": "awq", "w_bit": 4}, "awq", 4, id="AWQ in its older spelling"),
        pytest.param({"quant_method": "gptq", "bits": 8}, "gptq", 8, id="GPTQ in 8 bits"),
        pytest.param({"quant_method": "gptq"}, "gptq", 4, id="GPTQ that does not say"),
        pytest.param({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8", 8, id="FP8"),
        pytest.param({"quant_method": "mxfp4"}, "mxfp4", 4, id="MXFP4, as of gpt-oss"),
        pytest.param({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes", 4, id="bitsandbytes, 4"),
        pytest.param({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", 8, id="bitsandbytes, 8"),
        pytest.param(
            {"quant_method": "compressed-tensors", "config_groups": {"a": W4}}, "compressed-tensors", 4,
            id="W4A16",
        ),
        pytest.param(
            {"quant_method": "compressed_tensors", "config_groups": {"a": W8, "b": W4}}, "compressed-tensors", 4,
            id="groups that differ: the fewest",
        ),
        pytest.param({"quant_method": "compressed-tensors"}, "compressed-tensors", None, id="sparse, not quantised"),
        pytest.param({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", 4, id="ModelOpt, NVFP4"),
        pytest.param({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8", 8, id="ModelOpt, FP8"),
        pytest.param(
            {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}},
            "nvfp4", 4, id="ModelOpt's file of its own",
        ),
        pytest.param(
            {"quant_algo": "MIXED_PRECISION",
             "quantized_layers": {"a": {"quant_algo": "FP8"}, "b": {"quant_algo": "NVFP4"}}},
            "MIXED_PRECISION", 4, id="layers that differ",
        ),
        pytest.param(
            {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"a": {"quant_algo": "FP8"}}}, "MIXED_PRECISION", 8,
            id="layers that differ, none of fewer than 8",
        ),
        pytest.param({"quant_method": "later"}, "later", None, id="a method that nobody knows"),
    ],
)  # fmt: skip
def test_what_a_model_tells(entry: dict[str, Any], method: str, bits: int | None) -> None:
    assert quantization_of({"quantization_config": entry}) == Quantization(method, bits)


@pytest.mark.parametrize(
    "config", [{}, {"quantization_config": None}, {"quantization_config": {}}, {"quantization_config": 3}]
)
def test_weights_as_they_were_trained(config: dict[str, Any]) -> None:
    assert quantization_of(config) is None


def test_the_older_key_of_compressed_tensors_is_read() -> None:
    config = {"compression_config": {"quant_method": "compressed-tensors", "config_groups": {"a": W8}}}
    assert quantization_of(config) == Quantization("compressed-tensors", 8)
