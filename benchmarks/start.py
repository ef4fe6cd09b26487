"""How long `kaito --help` takes, as a person waits for it."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUNS = 15


def run() -> dict[str, Any]:
    return {"help_ms": timed("--help", goal=200)}


def timed(*words: str, goal: int) -> dict[str, int]:
    """Milliseconds from start to end of the command."""
    kaito = str(Path(sys.executable).parent / "kaito")
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        done = subprocess.run([kaito, *words], capture_output=True)
        assert done.returncode in (0, 3), done.stderr.decode()
        times.append(time.perf_counter() - began)
    median = round(statistics.median(times) * 1000)
    return {"median": median, "worst": round(max(times) * 1000), "runs": RUNS, "goal": goal}
