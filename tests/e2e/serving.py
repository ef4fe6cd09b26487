"""Start the real serving program on a loopback address of its own, and talk to it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from kaito.api import podcontract

DEMO = Path(__file__).parents[2] / "src/kaito/models/demo/kaito-demo"
START_SECONDS = 150
"""Far more than a start takes, for a machine that is busy with other tests."""


@dataclass
class Server:
    """One running program, what it wrote, and its last words."""

    process: subprocess.Popen[bytes]
    host: str
    log: Path
    last_words: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{podcontract.HTTP_PORT}"

    def wait_ready(self) -> None:
        """Until ``/health`` answers 200; any other answer before that fails the test."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.process.poll() is None, f"exit {self.process.returncode}: {self.log.read_text()[-4000:]}"
            try:
                assert httpx.get(f"{self.url}/health", timeout=5).status_code == 200
                return
            except httpx.TransportError:
                self.wait_a_little()
        raise AssertionError(f"not ready in {START_SECONDS} s: {self.log.read_text()[-4000:]}")

    def wait_a_little(self) -> None:
        """A tenth of a second, or less when the process ends."""
        try:
            self.process.wait(0.1)
        except subprocess.TimeoutExpired:
            return

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def ended(self) -> int:
        """Its exit code when it stops by itself."""
        return self.process.wait(START_SECONDS)


def start(folder: Path, host: str, *words: str, env: dict[str, str] | None = None) -> Server:
    """The program with these words, in a process group of its own, its caches and last words below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    last_words = folder / "termination-log"
    last_words.touch()
    log = folder / "log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VLLM_", "HF_", "KAITO_"))}
    environment |= {
        podcontract.ENV_BIND_HOST: host,
        podcontract.ENV_TERMINATION_LOG: str(last_words),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CACHE_ROOT": os.environ["VLLM_CACHE_ROOT"],
        **(env or {}),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *podcontract.VLLM_COMMAND[1:], *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return Server(process, host, log, last_words)


def end(server: Server) -> None:
    """Leave nothing running, whatever state the test left it in."""
    if server.process.poll() is None:
        server.process.kill()
    server.process.wait()
    try:
        os.killpg(server.process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
