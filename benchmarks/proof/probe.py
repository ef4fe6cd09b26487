"""What the engine itself says of tiny models: run as a process of its own, it prints one line of JSON for each.

It loads the weights as the engine does, asks each layer what it keeps, and lets the engine deal out a given memory.
Nothing is computed here: every number is the engine's. ``llama@2x1`` is the model over 2 processes in 1 stage.
"""

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.proof import checkpoints

LENGTHS = (1000, 4096, 8000)
MEMORY = (64 << 20, (300 << 20) + 12345)
BLOCKS = (32, 128)


def main() -> int:
    where, names = Path(sys.argv[1]), sys.argv[2:]
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    for name in names:
        model, _, spread = name.partition("@")
        folder = where / model
        try:
            with contextlib.redirect_stdout(sys.stderr):
                if not folder.is_dir():
                    checkpoints.write(model, folder)
                found = measure_spread(folder, *map(int, spread.split("x"))) if spread else measure(folder)
        except Exception as exc:
            traceback.print_exc()
            found = {"error": f"{type(exc).__name__}: {exc}"[:400]}
        print(json.dumps({"name": name, **found}), flush=True)
    return 0


def measure(folder: Path) -> dict[str, Any]:
    """Bytes of the weights, and the cache's size in tokens for each block, length and memory."""
    from vllm.distributed import cleanup_dist_env_and_memory
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.executor.uniproc_executor import UniProcExecutor

    loaded: dict[str, int] = {}
    _count_weights(loaded)
    _import_class(folder)
    arguments = EngineArgs(
        model=str(folder), skip_tokenizer_init=True, enforce_eager=True, distributed_executor_backend="uni",
        load_format="counting", kv_cache_memory_bytes=MEMORY[0], max_num_seqs=8, disable_log_stats=True,
    )  # fmt: skip
    config = arguments.create_engine_config()
    executor = UniProcExecutor(config)
    try:
        return {**loaded, "answers": _answers(config, executor)}
    finally:
        executor.shutdown()
        cleanup_dist_env_and_memory()


def measure_spread(folder: Path, tensor: int, pipeline: int) -> dict[str, Any]:
    """The cache's size in tokens for each length and memory, of a model spread over several processes."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.executor.multiproc_executor import MultiprocExecutor

    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
    arguments = EngineArgs(
        model=str(folder), skip_tokenizer_init=True, enforce_eager=True, distributed_executor_backend="mp",
        kv_cache_memory_bytes=MEMORY[0], max_num_seqs=8, tensor_parallel_size=tensor, pipeline_parallel_size=pipeline,
    )  # fmt: skip
    config = arguments.create_engine_config()
    executor = MultiprocExecutor(config)
    try:
        specs = executor.get_kv_cache_specs()
        spread = {"tensor": tensor, "pipeline": pipeline}
        block = config.cache_config.block_size
        return {"weights": 0, "answers": [one | spread for one in _dealt(config, executor, specs, block)]}
    finally:
        executor.shutdown()


def _import_class(folder: Path) -> None:
    """Imports the model's class here: the engine would start a process for each only to look at it."""
    from vllm.model_executor.models import ModelRegistry

    for name in json.loads((folder / "config.json").read_text())["architectures"]:
        known = ModelRegistry.models.get(name)
        if hasattr(known, "module_name"):
            ModelRegistry.register_model(name, known.load_model_cls())


def _count_weights(loaded: dict[str, int]) -> None:
    """A loader that is the engine's own, and notes what it filled before kernels rearrange it."""
    from vllm.model_executor.model_loader import register_model_loader
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    @register_model_loader("counting")
    class Counting(DefaultModelLoader):  # type: ignore[misc]
        def __init__(self, load_config: Any) -> None:
            load_config.load_format = "auto"
            super().__init__(load_config)

        def load_weights(self, model: Any, model_config: Any) -> None:
            super().load_weights(model, model_config)
            loaded["weights"] = sum(one.numel() * one.element_size() for one in model.parameters())


def _answers(config: Any, executor: Any) -> list[dict[str, Any]]:
    from vllm.platforms import current_platform

    made: list[dict[str, Any]] = []
    cache = config.cache_config
    for block in (cache.block_size,) if config.model_config.use_mla else BLOCKS:
        cache.block_size, cache.mamba_page_size_padded, cache.kv_cache_layout = block, None, None
        current_platform.update_block_size_for_backend(config)
        specs = executor.get_kv_cache_specs()
        if any(specs):
            made += _dealt(config, executor, specs, block)
    return made


def _dealt(config: Any, executor: Any, specs: list[dict[str, Any]], block: int) -> list[dict[str, Any]]:
    """What the engine reports for each length and memory; ``specs`` is what each process's layers keep."""
    from vllm.v1.attention.backends.utils import resolve_kv_cache_layout
    from vllm.v1.core import kv_cache_utils

    made = []
    cache = config.cache_config
    flat = [spec for worker in specs for spec in worker.values()]
    resolve_kv_cache_layout(config, executor.get_supported_kv_cache_layouts(), flat)
    for length in LENGTHS:
        for memory in MEMORY:
            config.model_config.max_model_len = length
            held = [dict(one) for one in specs]
            dealt = kv_cache_utils.get_kv_cache_configs(config, held, [memory] * len(specs))
            whole = kv_cache_utils.generate_scheduler_kv_cache_config(dealt)
            tokens, _ = kv_cache_utils.get_kv_cache_capacity(config, whole)
            made.append(
                {
                    "block": block,
                    "length": length,
                    "memory": memory,
                    "tokens": tokens,
                    "in_flight": config.max_in_flight_tokens,
                    "prefix_caching": cache.enable_prefix_caching,
                    "state_bits": 32 if cache.mamba_ssm_cache_dtype == "float32" else None,
                }
            )
    return made


if __name__ == "__main__":
    sys.exit(main())
