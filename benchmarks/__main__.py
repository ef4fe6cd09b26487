"""`make bench`: the numbers that the README and the issues name, each from whole processes, as medians of several runs.

Prints a table and writes benchmarks/results/<name>.json. Names on the command line choose among: help, plan, api, demo,
launcher, engine-proof.
With KUBEBUILDER_ASSETS set, the API numbers come beside those of etcd and kube-apiserver from the same run.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import api, demo, launcher, plan, start
from benchmarks.proof import report

RESULTS = Path(__file__).parent / "results"
SUITES: dict[str, Callable[[], dict[str, Any]]] = {
    "help": start.run,
    "plan": plan.run,
    "api": api.run,
    "demo": demo.run,
    "launcher": launcher.run,
    "engine-proof": report.run,
}


def main() -> int:
    chosen = sys.argv[1:] or list(SUITES)
    unknown = [name for name in chosen if name not in SUITES]
    if unknown:
        print(f"error: {unknown[0]} is no benchmark: choose among {', '.join(SUITES)}", file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    for name in chosen:
        print(f"== {name}", flush=True)
        found = SUITES[name]()
        machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine, **found}, indent=2) + "\n")
        for key, value in found.items():
            print(f"  {key}: {json.dumps(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
