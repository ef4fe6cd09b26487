"""What we predict of the tiny models beside what the engine measures of them, as rows of a table."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito.models.cache import CacheSetup
from kaito.models.folder import from_folder

ROOT = Path(__file__).parents[2]


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
    """One model. ``fault`` is why the engine could not load it; its other fields are then empty."""

    name: str
    predicted_weights: int
    measured_weights: int
    answers: tuple[Answer, ...]
    fault: str | None = None

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
        return Row(name, 0, 0, (), found["error"])
    profile = from_folder(where / name)
    answers = []
    for asked in found["answers"]:
        setup = CacheSetup(
            max_model_len=asked["length"],
            block=asked["block"],
            in_flight=asked["in_flight"],
            prefix_caching=asked["prefix_caching"],
            state_bits=asked["state_bits"],
        )
        tokens = profile.cache.capacity_tokens(asked["memory"], setup) or 0
        answers.append(Answer(asked["block"], asked["length"], asked["memory"], tokens, asked["tokens"]))
    return Row(name, profile.weight_bytes, found["weights"], tuple(answers))
