"""How long `kaito --help` and `kaito plan` take, as a person waits for them."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUNS = 15


def run() -> dict[str, Any]:
    return {"help_ms": _timed("--help", goal=200), "plan_ms": _timed("plan", "phi-4", "--gpu", "H100-80GB", goal=500)}


def _timed(*words: str, goal: int) -> dict[str, int]:
    kaito = str(Path(sys.executable).parent / "kaito")
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([kaito, *words], capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    median = round(statistics.median(times) * 1000)
    return {"median": median, "worst": round(max(times) * 1000), "runs": RUNS, "goal": goal}
