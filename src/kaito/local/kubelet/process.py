"""One attempt at running a container: its folder, its shim, and whether it lives. All truth is on disk.

A later kubelet finds the same attempt by its folder: pid plus start time plus boot say whether it is still the same
process, ``exit.json`` says how it ended.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from kaito.local.kubelet import shim

SHIM = Path(shim.__file__)
LOST = {"exit_code": 137, "signal": 0, "reason": "ContainerStatusUnknown"}
LOST_MESSAGE = "The container could not be located when the kubelet looked for it"


def read_json(path: Path) -> dict[str, Any] | None:
    """The file's object, or None when it is not there or not whole."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


class Attempt:
    """The numbered run of a container, in FOLDER ``<pod>/containers/<name>/<number>``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = int(folder.name)

    @property
    def termination_log(self) -> Path:
        """Where the program may leave its last words."""
        return self.folder / "termination-log"

    def spawn(self, argv: list[str], env: Mapping[str, str], cwd: Path, *, log_max_bytes: int, log_keep: int) -> None:
        """Start the shim; returns at once. The order goes through a pipe, so no secret reaches disk or argv."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.termination_log.touch()
        order = {"argv": argv, "env": dict(env), "cwd": str(cwd), "log_max_bytes": log_max_bytes, "log_keep": log_keep}
        read, write = os.pipe()
        try:
            actions = [
                (os.POSIX_SPAWN_DUP2, read, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(self.folder / "shim.err"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            ]
            command = [sys.executable, "-I", "-S", str(SHIM), str(self.folder)]
            pid = os.posix_spawn(sys.executable, command, {}, file_actions=actions, setsid=True)
        finally:
            os.close(read)
        shim.write_atomic(self.folder / "shim.json", {"shim": pid, "start": shim.start_ticks(pid), "boot": boot()})
        with os.fdopen(write, "wb") as stream, contextlib.suppress(BrokenPipeError):
            stream.write(json.dumps(order).encode())

    def started(self) -> dict[str, Any] | None:
        """What the shim wrote when the process began."""
        return read_json(self.folder / "state.json")

    def exited(self) -> dict[str, Any] | None:
        """How the process ended, with the kubelet's own remarks; None while it runs."""
        report = read_json(self.folder / "exit.json")
        return None if report is None else {**report, **(read_json(self.folder / "verdict.json") or {})}

    def remark(self, **values: Any) -> None:
        """Note why the kubelet ended this attempt (OOMKilled and the like)."""
        shim.write_atomic(self.folder / "verdict.json", values)

    def shim_pid(self) -> int | None:
        """Pid of the shim when it is alive and the same process as was started here."""
        known = read_json(self.folder / "shim.json")
        return known["shim"] if known and same_process(known["shim"], known["start"], known["boot"]) else None

    def pid(self) -> int | None:
        """Pid of the container's process when it is alive and the same."""
        state = self.started()
        return state["pid"] if state and same_process(state["pid"], state["pid_start"], state["boot"]) else None

    def tree(self) -> list[psutil.Process]:
        """The container's processes: everything below the shim."""
        shim_pid = self.shim_pid()
        if shim_pid is None:
            pid = self.pid()
            return [] if pid is None else _tree(pid, itself=True)
        return _tree(shim_pid, itself=False)

    def signal_group(self, number: int) -> None:
        """Send a signal to the container's process group."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    def kill(self) -> None:
        """SIGKILL to everything of the container but its shim, which then reports the exit."""
        self.signal_group(signal.SIGKILL)
        for process in self.tree():
            with contextlib.suppress(psutil.Error):
                process.kill()

    async def wait(self) -> None:
        """Return when the shim is gone; afterwards ``exited()`` always has an answer."""
        while (pid := self.shim_pid()) is not None:
            await _process_end(pid)
            _reap(pid)
        self.settle()

    def settle(self) -> None:
        """A dead shim without a report (power cut, kill -9): write the report it could not write."""
        if self.exited() is None and self.shim_pid() is None:
            self.kill()
            self.folder.mkdir(parents=True, exist_ok=True)
            moment = shim.now()
            started = (self.started() or {}).get("started_at", moment)
            report = {**LOST, "message": LOST_MESSAGE, "started_at": started, "finished_at": moment}
            shim.write_atomic(self.folder / "exit.json", report)


def attempts(container_dir: Path) -> list[Attempt]:
    """Every attempt kept on disk, oldest first."""
    if not container_dir.is_dir():
        return []
    return [Attempt(container_dir / n) for n in sorted((e.name for e in container_dir.iterdir()), key=int)]


def forget_old(container_dir: Path, *, keep: int = 2) -> None:
    """Keep the present attempt and the one before it, for ``logs --previous``."""
    for attempt in attempts(container_dir)[:-keep]:
        shutil.rmtree(attempt.folder, ignore_errors=True)


def boot() -> str | None:
    """This boot's identity."""
    return shim.boot_id()


def same_process(pid: int, start: int | None, boot_id: str | None) -> bool:
    """Whether the pid is alive (no zombie) and is the process that was recorded."""
    if boot_id != boot() or shim.start_ticks(pid) != start:
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def memory_bytes(processes: list[psutil.Process], limit: int) -> int:
    """Unreclaimable memory of a process tree. Pages of mapped files do not count, as in a cgroup under pressure.

    The quick figure (resident minus shared) counts copy-on-write pages once per process, so only when it is over
    the limit is the exact proportional one read.
    """
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            info = process.memory_info()
            total += info.rss - getattr(info, "shared", 0)
    return sum(_proportional(process) for process in processes) if total > limit else total


def stop_all(state_dir: Path, *, grace: float = 10.0) -> int:
    """End every container process of a state folder: SIGTERM, ``grace`` seconds, SIGKILL. Returns how many."""
    living = [a for a in _all_attempts(state_dir) if a.shim_pid() is not None or a.pid() is not None]
    for attempt in living:
        attempt.signal_group(signal.SIGTERM)
    _wait_gone(living, grace)
    for attempt in living:
        attempt.kill()
    _wait_gone(living, shim.DRAIN_SECONDS)
    return len(living)


def _wait_gone(living: list[Attempt], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(a.shim_pid() is not None or a.pid() is not None for a in living):
        time.sleep(0.05)


def _all_attempts(state_dir: Path) -> list[Attempt]:
    return [Attempt(folder) for folder in (state_dir / "pods").glob("*/containers/*/*") if folder.name.isdigit()]


def _tree(pid: int, *, itself: bool) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return ([process] if itself else []) + process.children(recursive=True)
    except psutil.Error:
        return []


def _proportional(process: psutil.Process) -> int:
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        with contextlib.suppress(psutil.Error):
            info = process.memory_info()
            return info.rss - getattr(info, "shared", 0)
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def _reap(pid: int) -> None:
    """Collect a shim that is our own child; one that we adopted is somebody else's."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


async def _process_end(pid: int) -> None:
    """Wait for a process that need not be our child; without pidfd (not Linux) look twice a second."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        await asyncio.sleep(0.5)
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(fd, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
