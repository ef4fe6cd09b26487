"""One container of a pod: its attempts, their supervision (exit, probes, memory), and how it looks from outside."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kaito.local.kubelet import logs, probes, quantity, status
from kaito.local.kubelet.process import Attempt, attempts, forget_old, memory_bytes
from kaito.local.kubelet.settings import KubeletSettings

Emit = Callable[..., Awaitable[None]]
START_SECONDS = 30.0
STATE_POLL = 0.01
MESSAGE_BYTES = 4096
DEFAULT_MESSAGE_PATH = "/dev/termination-log"


@dataclass(frozen=True, slots=True)
class Program:
    """What runs: everything already resolved to host terms."""

    argv: list[str]
    target: probes.Target


class Container:
    """Supervises the attempts of one container; ``wake`` tells the pod that something changed."""

    def __init__(
        self, spec: Mapping[str, Any], folder: Path, *, settings: KubeletSettings, emit: Emit, wake: Callable[[], None]
    ) -> None:
        self.spec, self.name, self._folder = spec, spec["name"], folder
        self._settings, self._emit, self._wake = settings, emit, wake
        self.current: Attempt | None = next(iter(reversed(attempts(folder))), None)
        self.ready = self.started = False
        self.problem: tuple[str, str] | None = None
        self._delay: float | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._helpers: list[asyncio.Task[None]] = []
        self._restarting: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """An attempt exists and has not reported its end."""
        return self.current is not None and self.current.exited() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the present attempt when it has ended."""
        report = self.current.exited() if self.current else None
        return report["exit_code"] if report else None

    def adopt(self, program: Program, known: Mapping[str, Any]) -> None:
        """Take over an attempt that an earlier kubelet started.

        ``known`` is the container's status as the API has it: what was started and ready stays so until a probe says
        otherwise, so that a new kubelet takes no service away.
        """
        if self.current is not None:
            same = known.get("restartCount") == self.current.number and "running" in (known.get("state") or {})
            started, ready = same and known.get("started") is True, same and known.get("ready") is True
            self._supervise(self.current, program, started=started, ready=ready)

    @property
    def supervised(self) -> bool:
        """Whether this kubelet already watches the present attempt."""
        return self._supervisor is not None and not self._supervisor.done()

    async def start(self, program: Program) -> None:
        """Begin the next attempt and wait until the program runs (or could not)."""
        number = 0 if self.current is None else self.current.number + 1
        attempt = Attempt(self._folder / str(number))
        self.ready = self.started = False
        attempt.spawn(
            program.argv,
            program.target.env,
            program.target.cwd,
            log_max_bytes=self._settings.log_max_bytes,
            log_keep=self._settings.log_keep,
        )
        self.current, self.problem = attempt, None
        forget_old(self._folder)
        # The shim says so within milliseconds; a file has no descriptor to wait on.
        for _ in range(int(START_SECONDS / STATE_POLL)):
            if attempt.started() is not None or attempt.shim_pid() is None:
                break
            await asyncio.sleep(STATE_POLL)
        self._supervise(attempt, program)
        report = attempt.started() or {}
        if "start_error" in report:
            await self._emit("Failed", f"Error: {self._last_words(attempt, report)}", self.name, kind="Warning")
        else:
            await self._emit("Started", f"Started container {self.name}", self.name)

    def backoff_left(self) -> float:
        """Seconds until a restart is allowed; 0 means now. The first restart is immediate, as in kube."""
        report = self.current.exited() if self.current else None
        if self._delay is None or report is None:
            return 0.0
        return max(0.0, self._delay - _age(report["finished_at"]))

    def note_restart(self) -> None:
        """Double the back-off; a run longer than twice the longest back-off resets it."""
        report = self.current.exited() if self.current else None
        ran = _age(report["started_at"]) - _age(report["finished_at"]) if report else 0.0
        fresh = self._delay is None or ran > 2 * self._settings.backoff_max
        self._delay = self._settings.backoff_base if fresh else min(2 * (self._delay or 0), self._settings.backoff_max)

    @property
    def delay(self) -> float:
        """The back-off now in force."""
        return self._delay or 0.0

    def view(self, *, idle: str, backing_off: str = "") -> status.View:
        """How the container looks now. ``idle`` is the reason before the first attempt."""
        attempt = self.current
        previous = self._previous()
        if attempt is None:
            state = status.waiting(*(self.problem or (idle, "")))
            return self._shape(state, {}, restarts=0)
        report = attempt.exited()
        if report is not None:
            ended = self._ended(attempt, report)
            if self.problem:
                return self._shape(status.waiting(*self.problem), ended, restarts=attempt.number)
            if backing_off:
                return self._shape(status.waiting("CrashLoopBackOff", backing_off), ended, restarts=attempt.number)
            return self._shape(ended, previous, restarts=attempt.number)
        state = attempt.started()
        if state is None or "start_error" in state:
            return self._shape(status.waiting("ContainerCreating"), previous, restarts=attempt.number)
        running = {"running": {"startedAt": status.whole_seconds(state["started_at"])}}
        return self._shape(running, previous, restarts=attempt.number)

    async def stop(self, grace: float) -> None:
        """SIGTERM to the group, ``grace`` seconds, SIGKILL; returns when it is gone."""
        attempt = self.current
        if attempt is None or not self.running:
            return
        attempt.signal_group(signal.SIGTERM)
        try:
            async with asyncio.timeout(max(grace, 0.05)):
                await attempt.wait()
        except TimeoutError:
            attempt.kill()
            await attempt.wait()

    async def pre_stop(self, target: probes.Target | None, grace: float) -> None:
        """Run the preStop hook within the grace period."""
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and target is not None and self.running:
            problem = await probes.check(hook, target, timeout=max(grace, 1))
            if problem:
                await self._emit("FailedPreStopHook", f"PreStopHook failed: {problem}", self.name, kind="Warning")

    async def close(self) -> None:
        """Stop watching; the process itself runs on."""
        tasks = [*self._helpers, *filter(None, [self._supervisor, self._restarting])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _supervise(self, attempt: Attempt, program: Program, *, started: bool = False, ready: bool = False) -> None:
        self.started = started or "startupProbe" not in self.spec
        self.ready = self.started and (ready or "readinessProbe" not in self.spec)
        self._supervisor = asyncio.create_task(self._run(attempt, program), name=f"container {self.name}")

    async def _run(self, attempt: Attempt, program: Program) -> None:
        self._helpers = [asyncio.create_task(self._watch_memory(attempt), name=f"memory {self.name}")]
        if self.started:
            self._start_probes(program.target)
        else:
            self._probe("startupProbe", program.target, self._on_startup(program.target))
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            self._helpers.append(asyncio.create_task(self._post_start(hook, program.target)))
        self._wake()
        try:
            await attempt.wait()
        finally:
            for task in self._helpers:
                task.cancel()
            self.ready = self.started = False
        self._wake()

    def _start_probes(self, target: probes.Target) -> None:
        if "readinessProbe" in self.spec:
            self._probe("readinessProbe", target, self._on_readiness)
        if "livenessProbe" in self.spec:
            self._probe("livenessProbe", target, lambda good: None if good else self._unhealthy("liveness"))

    def _probe(self, kind: str, target: probes.Target, on_result: Callable[[bool], None]) -> None:
        word = kind.removesuffix("Probe").capitalize()

        async def failed(problem: str) -> None:
            await self._emit("Unhealthy", f"{word} probe failed: {problem}", self.name, kind="Warning")

        task = probes.watch(self.spec[kind], target, on_result=on_result, on_failure=failed)
        self._helpers.append(asyncio.create_task(task, name=f"{kind} {self.name}"))

    def _on_startup(self, target: probes.Target) -> Callable[[bool], None]:
        def result(good: bool) -> None:
            if self.started:
                return
            if not good:
                self._unhealthy("startup")
                return
            self.started = True
            self.ready = "readinessProbe" not in self.spec
            self._helpers.pop(1).cancel()
            self._start_probes(target)
            self._wake()

        return result

    def _on_readiness(self, good: bool) -> None:
        if self.ready != good:
            self.ready = good
            self._wake()

    def _unhealthy(self, word: str) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.create_task(self._end_unhealthy(word))

    async def _end_unhealthy(self, word: str) -> None:
        message = f"Container {self.name} failed {word} probe, will be restarted"
        await self._emit("Killing", message, self.name)
        probe = self.spec.get(f"{word}Probe") or {}
        await self.stop(probe.get("terminationGracePeriodSeconds") or self.spec.get("_grace", 30))

    async def _post_start(self, hook: Mapping[str, Any], target: probes.Target) -> None:
        problem = await probes.check(hook, target, timeout=3600)
        if problem:
            await self._emit("FailedPostStartHook", f"PostStartHook failed: {problem}", self.name, kind="Warning")
            self._unhealthy("postStart")

    async def _watch_memory(self, attempt: Attempt) -> None:
        limit = ((self.spec.get("resources") or {}).get("limits") or {}).get("memory")
        if limit is None:
            return
        allowed = int(quantity.parse(limit))
        while True:
            used = memory_bytes(attempt.tree(), allowed)
            if used > allowed:
                attempt.remark(reason="OOMKilled", exit_code=137, message="")
                attempt.kill()
                return
            await asyncio.sleep(self._settings.memory_interval)

    def _previous(self) -> dict[str, Any]:
        before = [a for a in attempts(self._folder) if self.current and a.number < self.current.number]
        report = before[-1].exited() if before else None
        return self._ended(before[-1], report) if report else {}

    def _ended(self, attempt: Attempt, report: Mapping[str, Any]) -> dict[str, Any]:
        message = self._last_words(attempt, report)
        return status.terminated(report, container_id=container_id(attempt), message=message)

    def _last_words(self, attempt: Attempt, report: Mapping[str, Any]) -> str:
        if "start_error" in report:
            text = report["start_error"].partition(":")[2]
            return f"failed to start container {self.name!r}: its command cannot be run: {text}"
        with contextlib.suppress(OSError):
            text = attempt.termination_log.read_bytes()[:MESSAGE_BYTES].decode(errors="replace")
            if text:
                return text
        policy = self.spec.get("terminationMessagePolicy")
        if policy == "FallbackToLogsOnError" and report["exit_code"]:
            return logs.tail_text(attempt.folder)
        return report.get("message", "")

    def _shape(self, state: Mapping[str, Any], last: Mapping[str, Any], *, restarts: int) -> status.View:
        return status.View(
            name=self.name,
            image=self.spec.get("image", ""),
            state=state,
            last=last,
            restarts=restarts,
            ready=self.ready and "running" in state,
            started=self.started and "running" in state,
            container_id=container_id(self.current) if self.current else "",
        )


def container_id(attempt: Attempt) -> str:
    """Stable id of one attempt."""
    uid, name = attempt.folder.parts[-4], attempt.folder.parts[-2]
    return f"process://{uid}-{name}-{attempt.number}"


def _age(moment: str) -> float:
    """Seconds since a moment written by the shim."""
    text, _, fraction = moment.rstrip("Z").partition(".")
    then = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() + float(f"0.{fraction or 0}")
    return time.time() - then
