"""What an inference configuration fixes, in each spelling, and what it may not say."""

import pytest

from kaito.api.errors import SpecError
from kaito.capacity.plan import Wishes
from kaito.capacity.wishes import wishes


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("vllm:\n  max-model-len: 4096\n", 4096),
        ("vllm:\n  max-model-len: 131072\nmax_probe_steps: 6\n", 131072),
        pytest.param("vllm:\n  max-model-len: 4096  # enough\n", 4096, id="a comment behind it"),
        pytest.param("vllm:\n max-model-len: '4096'\n", 4096, id="quoted, one space"),
        pytest.param("vllm:\n  max_model_len: 128K\n", 131072, id="binary thousand"),
        pytest.param("vllm:\n  max-model-len: 128k\n", 128000, id="decimal thousand"),
        pytest.param("vllm:\n  max-model-len: 25.6k\n", 25600, id="decimal fraction"),
        pytest.param("vllm: {max-model-len: 1M}\n", 1 << 20, id="a map in one line"),
        ("vllm:\n  max-model-len: auto\n", None),
        ("vllm:\n  max-model-len: -1\n", None),
        ("vllm:\n  max-model-len:\n", None),
        ("vllm:\n", None),
        ("other:\n  max-model-len: 4096\n", None),
        ("", None),
    ],
)
def test_oddity_a_context_is_found_however_it_is_written(text: str, context: int | None) -> None:
    """ODDITY: the original scans lines, and misses a comment, a quote, one space of indentation and 128k."""
    assert wishes(text).context == context


def test_all_that_the_planner_must_know() -> None:
    text = "vllm:\n  gpu_memory_utilization: 0.9\n  tp: 2\n  pp: 3\n  data_parallel_size: '4'\n"
    text += "  kv-cache-dtype: fp8\n  seed: 1\n"
    assert wishes(text) == Wishes(
        utilization=0.9, tensor_parallel=2, pipeline_parallel=3, data_parallel=4, kv_cache_dtype="fp8"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vllm:\n  max-model-len: abc\n", "vllm.max-model-len: 'abc' is no length; write a number of tokens"),
        ("vllm:\n  max-model-len: 0\n", "vllm.max-model-len: 0 is no length"),
        ("vllm:\n  max-model-len: 1.5K\n", "vllm.max-model-len: '1.5K' is no length"),
        ("vllm:\n  max-model-len: yes\n", "vllm.max-model-len: True is no length"),
        ("vllm:\n  gpu-memory-utilization: 90\n", "vllm.gpu-memory-utilization: 90 is no share of a GPU's memory"),
        ("vllm:\n  gpu-memory-utilization: most\n", "'most' is no share of a GPU's memory"),
        ("vllm:\n  gpu-memory-utilization: .nan\n", "nan is no share of a GPU's memory"),
        ("vllm:\n  tensor-parallel-size: 0\n", "vllm.tensor-parallel-size: 0 is no number of GPUs"),
        ("vllm:\n  tensor-parallel-size: two\n", "'two' is no number of GPUs"),
        ("vllm:\n  pp: 1.5\n", "vllm.pipeline-parallel-size: 1.5 is no number of GPUs, stages or copies"),
        ("vllm:\n  dp: -1\n", "vllm.data-parallel-size: -1 is no number of GPUs"),
        ("vllm:\n  kv-cache-dtype: [fp8]\n", "vllm.kv-cache-dtype: ['fp8'] is no type of a cache"),
        ("vllm: [a]\n", "vllm: ['a'] is not a map"),
        ("- a\n", "inference_config.yaml: ['a'] is not a map; write the key vllm"),
        ("a: [\n", "inference_config.yaml: is not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        wishes(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith("inference.config: inference_config.yaml")
