"""Tokens per second of vLLM behind our launcher, beside vLLM started by hand with the same flags.

Both serve the demo model at the same time on addresses of their own, and take turns: one burst each, the order swapped
every round, so that a machine that drifts slows both. The ratio of each round is one sample; both are started several
times over, since two starts of one program already differ. Ours must not be slower than the goal: the upper end of the
interval has to reach it.
"""

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "src" / "kaito" / "models" / "demo" / "kaito-demo"
PORT = 5000
STARTS, ROUNDS, CLIENTS, TOKENS = 3, 12, 8, 256
START_SECONDS = 240
FLAGS = (
    f"--model={MODEL}", "--served-model-name=kaito-demo", "--max-model-len=1024", "--enforce-eager",
    "--uvicorn-log-level=error", "--shutdown-timeout=20", f"--port={PORT}",
)  # fmt: skip
# What our launcher sets for a folder on a CPU host, so that the launcher alone differs.
ENV = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "THP_MEM_ALLOC_ENABLE": "1"}
STUDENT_95 = 2.03
"""Two-sided, for the 35 degrees of freedom of 36 rounds."""


def run() -> dict[str, Any]:
    ratios: list[float] = []
    speeds: dict[str, list[float]] = {"launcher": [], "by_hand": []}
    for start in range(STARTS):
        print(f"  start {start + 1} of {STARTS}", flush=True)
        for ours, by_hand in _rounds():
            ratios.append(ours / by_hand)
            speeds["launcher"].append(ours)
            speeds["by_hand"].append(by_hand)
    low, high = interval(ratios)
    return {
        "tokens_per_s": {name: round(statistics.median(found)) for name, found in speeds.items()},
        "ratio": {"mean": round(math.sqrt(low * high), 3), "interval_95": [round(low, 3), round(high, 3)]},
        "goal": {"interval_reaches": 0.98, "reached": high >= 0.98},
        "rounds": len(ratios), "starts": STARTS, "clients": CLIENTS, "tokens_each": TOKENS,
    }  # fmt: skip


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the geometric mean of ``STARTS * ROUNDS`` ratios, by Student's t on their logarithms."""
    logs = [math.log(ratio) for ratio in ratios]
    middle, reach = statistics.mean(logs), STUDENT_95 * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(middle - reach), math.exp(middle + reach)


def _rounds() -> Iterator[tuple[float, float]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(_server(folder, "kaito.runtime.vllm", "127.83.0.1"))
        by_hand = stack.enter_context(_server(folder, "vllm.entrypoints.openai.api_server", "127.83.0.2"))
        for url in (ours, by_hand):
            _burst(url)
        for number in range(ROUNDS):
            if number % 2:
                second, first = _burst(by_hand), _burst(ours)
            else:
                first, second = _burst(ours), _burst(by_hand)
            yield first, second


@contextmanager
def _server(folder: Path, module: str, host: str) -> Iterator[str]:
    log = folder / f"{module}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *FLAGS, f"--host={host}"],
            env=os.environ | ENV | {"KAITO_TERMINATION_LOG": str(folder / "last-words")},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, f"http://{host}:{PORT}", log)
        yield f"http://{host}:{PORT}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} does not serve:\n{log.read_text(errors='replace')[-3000:]}")


def _burst(url: str) -> float:
    """Tokens per second over ``CLIENTS`` streams at once."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        tokens = sum(pool.map(lambda number: _stream(url, number), range(CLIENTS)))
    return tokens / (time.perf_counter() - began)


def _stream(url: str, number: int) -> int:
    body = {
        "model": "kaito-demo", "stream": True, "stream_options": {"include_usage": True}, "temperature": 0,
        "max_tokens": TOKENS, "ignore_eos": True,
        "messages": [{"role": "user", "content": f"What is KAITO? ({number})"}],
    }  # fmt: skip
    tokens = 0
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=120, trust_env=False) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data: {") and (usage := json.loads(line[6:]).get("usage")):
                tokens = usage["completion_tokens"]
    if tokens != TOKENS:
        raise RuntimeError(f"{url} gave {tokens} tokens of {TOKENS}")
    return tokens
