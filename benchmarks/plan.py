"""How long one plan takes, the table of all models on all machine types, and the command with its process."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.start import timed
from kaito.capacity import machines
from kaito.capacity.plan import Wishes
from kaito.capacity.planner import plan
from kaito.capacity.verdict import compare
from kaito.models.catalogue import entries

RUNS = 200
TABLES = 5


def run() -> dict[str, Any]:
    models = [entry.profile() for entry in entries()]
    known = [machines.by_instance_type(name) for name in machines.instance_types()]
    large = next(one for one in models if "deepseek-v3" in one.name)
    card = machines.by_instance_type("Standard_ND96isr_H100_v5")

    def table() -> None:
        for model in models:
            compare(model, known, Wishes())

    return {
        "plan_ms": _measured(lambda: plan(large, card), RUNS, goal=5, unit=1000),
        "table_s": _measured(table, TABLES, goal=2, unit=1) | {"models": len(models), "machines": len(known)},
        "command_ms": timed("plan", "phi-4", "--gpu", "H100-80GB", goal=500),
        "comparison_ms": timed("plan", "phi-4", goal=500),
    }


def _measured(call: Callable[[], object], runs: int, *, goal: float, unit: float) -> dict[str, float]:
    call()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * unit)
    return {"median": round(statistics.median(times), 3), "worst": round(max(times), 3), "runs": runs, "goal": goal}
