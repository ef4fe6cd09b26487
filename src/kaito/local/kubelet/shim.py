"""The parent of one container process: stdlib only, outlives the daemon, keeps the log and the exit status.

Started as ``python -I -S shim.py FOLDER`` in a session of its own, with its order as JSON on stdin (so that no
secret reaches argv or the disk). In FOLDER it writes ``state.json`` (pids and start times), ``log`` in CRI format with
rotation, and ``exit.json`` once the process and everything it left behind are gone. Nothing of kaito is imported here.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MAX_LINE = 16 * 1024
DRAIN_SECONDS = 5.0


def now() -> str:
    """RFC 3339 with nanoseconds, as container runtimes write it."""
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanos:09d}Z"


def start_ticks(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot; None where /proc is not there."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


def boot_id() -> str | None:
    """The identity of this boot: start ticks mean nothing across a reboot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def write_atomic(path: Path, value: dict[str, Any]) -> None:
    """The file is either absent or whole, even after a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(value, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def prctl(option: int, value: int) -> None:
    """Best effort: only Linux has it, and the container runs without it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


class Log:
    """One CRI log with numbered rotation: log, log.1, ... log.<keep - 1>."""

    def __init__(self, path: Path, *, max_bytes: int, keep: int) -> None:
        self._path, self._max, self._keep = path, max_bytes, keep
        self._partial: dict[str, bytes] = {}
        self._stream = path.open("ab", buffering=0)
        self._size = self._stream.tell()

    def feed(self, name: str, data: bytes) -> None:
        """Split what a stream delivered into whole lines; keep the rest for later."""
        *lines, rest = (self._partial.get(name, b"") + data).split(b"\n")
        out = [self._format(name, b"F", piece, last) for line in lines for piece, last in chunks(line)]
        while len(rest) >= MAX_LINE:
            out.append(self._format(name, b"P", rest[:MAX_LINE], False))
            rest = rest[MAX_LINE:]
        self._partial[name] = rest
        # One delivery can be larger than a whole file may be: it is cut at line ends, so that rotation keeps its word.
        batch, size = [], self._size
        for line in out:
            batch.append(line)
            size += len(line)
            if size >= self._max:
                self._write(b"".join(batch))
                batch, size = [], self._size
        self._write(b"".join(batch))

    def close(self, name: str) -> None:
        """A last line without its newline still counts."""
        rest = self._partial.pop(name, b"")
        if rest:
            self._write(self._format(name, b"P", rest, False))

    def _format(self, name: str, tag: bytes, piece: bytes, last: bool) -> bytes:
        return b"%s %s %s %s\n" % (now().encode(), name.encode(), tag if last or tag == b"P" else b"P", piece)

    def _write(self, data: bytes) -> None:
        # A full disk must cost log lines, never block or kill the container.
        with contextlib.suppress(OSError):
            self._stream.write(data)
            self._size += len(data)
            if self._size >= self._max:
                self._rotate()

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            source = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if source.exists():
                source.replace(self._path.with_name(f"{self._path.name}.{number}"))
        self._stream.close()
        self._stream = self._path.open("ab", buffering=0)
        self._size = 0


def chunks(line: bytes) -> Iterator[tuple[bytes, bool]]:
    """Pieces of at most MAX_LINE bytes, each with whether it is the last of its line."""
    while len(line) > MAX_LINE:
        yield line[:MAX_LINE], False
        line = line[MAX_LINE:]
    yield line, True


def spawn(order: dict[str, Any], streams: list[tuple[int, int]]) -> tuple[int, str]:
    """Fork and exec the container's program; returns its pid and, when exec failed, why."""
    failure_read, failure_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(streams[0][1], 1)
            os.dup2(streams[1][1], 2)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.umask(order.get("umask", 0o022))
            os.chdir(order["cwd"])
            os.execvpe(order["argv"][0], order["argv"], order["env"])
        except OSError as error:
            os.write(failure_write, f"{error.errno}:{error.strerror}".encode())
        finally:
            os._exit(128)
    os.close(failure_write)
    with os.fdopen(failure_read, "rb") as stream:
        failure = stream.read().decode()
    for _, write in streams:
        os.close(write)
    return pid, failure


def descendants() -> list[int]:
    """Direct children of this shim: as subreaper it inherits whatever the container left behind."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def sweep() -> None:
    """Pid 1 of a container takes everything with it; so does ours."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while (left := descendants()) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def pump(log: Log, readers: dict[int, str], pid: int, wake: int) -> int:
    """Copy output into the log until the process is gone and its pipes are drained; returns the wait status."""
    poll = select.poll()
    for fd in (*readers, wake):
        poll.register(fd, select.POLLIN)
    status: int | None = None
    deadline = float("inf")
    while status is None or (readers and time.monotonic() < deadline):
        for fd, _ in poll.poll(None if status is None else 200):
            if fd == wake:
                os.read(wake, 4096)
                continue
            data = os.read(fd, 65536)
            if data:
                log.feed(readers[fd], data)
            else:
                log.close(readers.pop(fd))
                poll.unregister(fd)
        if status is None:
            done, result = os.waitpid(pid, os.WNOHANG)
            if done:
                status, deadline = result, time.monotonic() + DRAIN_SECONDS
                sweep()
    for name in readers.values():
        log.close(name)
    return status


def main(folder: Path) -> None:
    """Run one order to its end."""
    order = json.loads(sys.stdin.buffer.read())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    streams = [os.pipe(), os.pipe()]
    started = now()
    pid, failure = spawn(order, streams)
    me = os.getpid()
    state = {"shim": me, "shim_start": start_ticks(me), "pid": pid, "pid_start": start_ticks(pid)}
    problem = {"start_error": failure} if failure else {}
    write_atomic(folder / "state.json", {**state, "boot": boot_id(), "started_at": started, **problem})
    log = Log(folder / "log", max_bytes=order["log_max_bytes"], keep=order["log_keep"])
    status = pump(log, {streams[0][0]: "stdout", streams[1][0]: "stderr"}, pid, wake_read)
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    report = {"exit_code": code, "signal": number, "started_at": started, "finished_at": now()}
    write_atomic(folder / "exit.json", {**report, **problem})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
