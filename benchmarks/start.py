"""How long `kaito --help` takes, as a person waits for it."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUNS = 15


def run() -> dict[str, Any]:
    kaito = str(Path(sys.executable).parent / "kaito")
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([kaito, "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    median = round(statistics.median(times) * 1000)
    return {"help_ms": {"median": median, "worst": round(max(times) * 1000), "runs": RUNS, "goal": 200}}
