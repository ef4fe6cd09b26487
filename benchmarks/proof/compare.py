"""What we predict of the tiny models beside what the engine measures of them, as rows of a table."""

import json
import math
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kaito.models.cache import CacheSetup
from kaito.models.folder import from_folder

ROOT: Final = Path(__file__).parents[2]
WIDER: Final = ("A_log", "altup.correct_output_scale")
"""Tensors that the engine keeps in 32 bits though files have 16."""
BESIDE: Final = ("layer_scalar", "pooler.dense.weight", "pooler.dense.bias")
"""Tensors of files that are no weights of the engine's: numbers that it keeps beside them, and a part it leaves out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question of the engine: a block and a longest sequence in tokens, a memory in bytes."""

    block: int
    length: int
    memory: int
    predicted: int
    measured: int

    @property
    def error(self) -> float:
        """The prediction's share above what was measured; negative below."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One model. ``fault`` is why the engine could not load it; its other fields are then empty.

    ``known`` bytes of the weights are in the engine and not in the files, for reasons that this module names.
    """

    name: str
    predicted_weights: int
    measured_weights: int
    known: int
    answers: tuple[Answer, ...]
    fault: str | None = None

    @property
    def unexplained(self) -> int:
        """Bytes of weights that the engine holds beyond the files', for no reason that is known here."""
        return self.measured_weights - self.predicted_weights - self.known

    @property
    def worst(self) -> float:
        """The largest share by which a prediction of tokens misses."""
        return max((abs(answer.error) for answer in self.answers), default=0.0)


def rows(names: Iterable[str], where: Path, *, timeout_s: float = 600) -> list[Row]:
    """Those models' rows. Writes their files into ``where``, and starts one process that asks the engine."""
    words = [sys.executable, "-m", "benchmarks.proof.probe", str(where), *names]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=ROOT)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if len(found) != len(list(names)):
        raise RuntimeError(f"the engine's process ended with {done.returncode}: {done.stderr[-2000:]}")
    return [row(where, one) for one in found]


def row(where: Path, found: dict[str, Any]) -> Row:
    """One row, out of a line that the engine's process printed."""
    name = found["name"]
    if "error" in found:
        return Row(name, 0, 0, 0, (), found["error"])
    folder = where / name.partition("@")[0]
    profile = from_folder(folder)
    answers = []
    for asked in found["answers"]:
        setup = CacheSetup(
            max_model_len=asked["length"],
            block=asked["block"],
            in_flight=asked["in_flight"],
            prefix_caching=asked["prefix_caching"],
            state_bits=asked["state_bits"],
            tensor_parallel=asked.get("tensor", 1),
            pipeline_parallel=asked.get("pipeline", 1),
        )
        tokens = profile.cache.capacity_tokens(asked["memory"], setup) or 0
        answers.append(Answer(asked["block"], asked["length"], asked["memory"], tokens, asked["tokens"]))
    return Row(name, profile.weight_bytes, found["weights"], _known(folder / "model.safetensors"), tuple(answers))


def _known(file: Path) -> int:
    with file.open("rb") as opened:
        entries = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    known = 0
    for name, entry in entries.items():
        if name.endswith(WIDER):
            known += 2 * math.prod(entry["shape"])
        elif name.endswith(BESIDE):
            known -= 2 * math.prod(entry["shape"])
    return known
