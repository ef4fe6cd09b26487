"""From `kaito apply` to the first token of the demo model, with where the time went."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
RUNS = 3


def run() -> dict[str, Any]:
    parts = [_once() for _ in range(RUNS)]
    median = {key: round(statistics.median(part[key] for part in parts), 1) for key in parts[0]}
    return {"seconds": median, "first_token": {"worst": max(p["first_token"] for p in parts), "goal": 30, "runs": RUNS}}


def _once() -> dict[str, float]:
    kaito = str(Path(sys.executable).parent / "kaito")
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"KUBECONFIG": f"{folder}/kubeconfig"}

        def call(*words: str) -> str:
            return subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout

        call(kaito, "up", "--detach", "--state-dir", folder)
        try:
            began = time.time()
            call(kaito, "apply", "-f", str(ROOT / "examples" / "inference" / "kaito-demo.yaml"))
            call(kaito, "wait", "kaito-demo", "--timeout", "200")
            ready = time.time()
            service = json.loads(call("kubectl", "get", "service", "kaito-demo", "-o", "json"))
            _first_token(service["spec"]["clusterIP"])
            end = time.time()
            pod = json.loads(call("kubectl", "get", "pod", "kaito-demo-0", "-o", "json"))
        finally:
            call(kaito, "down", "--state-dir", folder)
    started = _seconds(pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])
    serving = next(_seconds(c["lastTransitionTime"]) for c in pod["status"]["conditions"] if c["type"] == "Ready")
    return {
        "schedule": max(0.0, started - began),
        "load": serving - started,
        "prove": ready - serving,
        "first_token": round(end - began, 1),
    }


def _first_token(address: str) -> None:
    body = {
        "model": "kaito-demo", "stream": True, "temperature": 0,
        "messages": [{"role": "user", "content": "What is KAITO?"}],
    }  # fmt: skip
    with httpx.stream(
        "POST", f"http://{address}/v1/chat/completions", json=body, timeout=60, trust_env=False
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                return


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
