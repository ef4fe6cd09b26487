"""What the engine itself says of tiny models: run as a process of its own, it prints one line of JSON for each.

It loads the weights as the engine does, asks each layer what it keeps, and lets the engine deal out a given memory.
Nothing is computed here: every number is the engine's.
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
        folder = where / name
        try:
            with contextlib.redirect_stdout(sys.stderr):
                if not folder.is_dir():
                    checkpoints.write(name, folder)
                found = measure(folder)
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
    from vllm.v1.attention.backends.utils import resolve_kv_cache_layout
    from vllm.v1.core import kv_cache_utils

    made: list[dict[str, Any]] = []
    cache, model = config.cache_config, config.model_config
    fixed = model.use_mla
    for block in (cache.block_size,) if fixed else BLOCKS:
        cache.block_size, cache.mamba_page_size_padded = block, None
        current_platform.update_block_size_for_backend(config)
        specs = executor.get_kv_cache_specs()
        if not any(specs):
            return []
        cache.kv_cache_layout = None
        flat = [spec for worker in specs for spec in worker.values()]
        executor.set_kv_cache_layout(
            resolve_kv_cache_layout(config, executor.get_supported_kv_cache_layouts(), flat).name
        )
        for length in LENGTHS:
            for memory in MEMORY:
                model.max_model_len = length
                dealt = kv_cache_utils.get_kv_cache_configs(config, [dict(one) for one in specs], [memory])
                whole = kv_cache_utils.generate_scheduler_kv_cache_config(dealt)
                tokens, sequences = kv_cache_utils.get_kv_cache_capacity(config, whole)
                made.append(
                    {
                        "block": block, "length": length, "memory": memory, "tokens": tokens, "sequences": sequences,
                        "in_flight": config.max_in_flight_tokens, "prefix_caching": cache.enable_prefix_caching,
                        "state_bits": 32 if cache.mamba_ssm_cache_dtype == "float32" else None,
                        "groups": len(whole.kv_cache_groups),
                    }
                )  # fmt: skip
    return made


if __name__ == "__main__":
    sys.exit(main())
