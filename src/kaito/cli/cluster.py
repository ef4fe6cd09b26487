"""up, down, kubeconfig: the local cluster, from the command line."""

import contextlib
import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from kaito.cli.errors import NOT_FOUND, CliError

if TYPE_CHECKING:
    import subprocess

StateDir = Annotated[Path | None, typer.Option("--state-dir", help="Default: ~/.local/state/kaito.")]
START_SECONDS = 60.0
STOP_SECONDS = 40.0
KILL_SECONDS = 5.0
NEEDED_MIB = 32
"""Free space without which no cluster starts: for its keys, its store and the store's journal."""


def state_dir(given: Path | None) -> Path:
    """The folder that the local cluster lives in."""
    if given is not None:
        return given.absolute()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "kaito"


def running(folder: Path) -> int | None:
    """The process id of the cluster in this folder, None when there is none.

    The number alone says little: another process may have it by now, and a copied folder names the original's.
    """
    try:
        pid = int((folder / "kaito.pid").read_text())
        command = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        place = command[command.index("--state-dir") + 1]
        mine = "kaito.cli.daemon" in command and Path(place).samefile(folder)
    except (OSError, ValueError, IndexError):
        return None
    return pid if mine else None


def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return once the cluster is ready; it goes on.")] = False,
    state: StateDir = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Default: any that is free.")] = None,
) -> None:
    """Start a Kubernetes with KAITO in it on this machine."""
    folder = state_dir(state)
    if (pid := running(folder)) is not None:
        raise CliError(
            f"a cluster runs in {folder} already (process {pid}). Use it, stop it with "
            f"`kaito down --state-dir {quote(str(folder))}`, or choose another --state-dir."
        )
    check_room(folder)
    fresh = not folder.exists()
    process, ready = _start(folder, port, detach=detach)
    text = _first_line(ready, process.pid)
    if text != "ready":
        process.wait()
        if fresh:
            _withdraw(folder)
        raise CliError(text.removeprefix("error: ") or f"the cluster did not start; see {folder / 'kaito.log'}")
    print(f"Kubernetes with KAITO is ready.\n\n  export KUBECONFIG={quote(str(folder / 'kubeconfig'))}\n")
    if detach:
        flag = f" --state-dir {quote(str(folder))}" if state is not None else ""
        print(f"Log: {folder / 'kaito.log'}. Stop it with `kaito down{flag}`.")
        return
    print("Press Ctrl-C to stop it and its pods.")
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # The terminal sends the signal to the whole foreground group: the cluster is ending already.
        code = process.wait()
    if code not in (0, -2):
        raise CliError(f"the cluster ended by itself with exit code {code}")


def check_room(folder: Path) -> None:
    """Raises CliError, before anything is made, when the disk under ``folder`` is full or nearly so."""
    import shutil

    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free >> 20
    if free < NEEDED_MIB:
        raise CliError(
            f"the state folder {folder} has {free} MiB free and a cluster needs {NEEDED_MIB} MiB: "
            "free some space, or choose another with --state-dir"
        )


def _start(folder: Path, port: int | None, *, detach: bool) -> "tuple[subprocess.Popen[bytes], TextIO]":
    """(the cluster's process, the pipe on which it says how the start went)."""
    import subprocess
    import sys

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = (folder / "kaito.log").open("ab") if detach else None
    except OSError as exc:
        text = f"the state folder {folder} cannot be written: {exc.strerror}. Choose another with --state-dir."
        raise CliError(text) from exc
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "kaito.cli.daemon", "--state-dir", str(folder), "--ready-fd", str(writing)]
    command += ["--port", str(port)] if port is not None else []
    process = subprocess.Popen(
        command,
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=detach,
        cwd="/",
    )
    os.close(writing)
    if log is not None:
        log.close()
    return process, os.fdopen(reading)


def _withdraw(folder: Path) -> None:
    """Remove a folder that was made for a cluster that never wrote a word into it."""
    log = folder / "kaito.log"
    with contextlib.suppress(OSError):
        if log.exists() and not log.stat().st_size:
            log.unlink()
        folder.rmdir()


def _first_line(ready: TextIO, pid: int) -> str:
    """What the cluster says of its start; "" when it ended without a word."""
    import select

    with ready:
        try:
            answered = select.select([ready], [], [], START_SECONDS)[0]
        except KeyboardInterrupt:
            # Detached, it does not get the terminal's signal.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 15)
            raise
        if not answered:
            os.kill(pid, 15)
            return f"error: the cluster was not ready after {START_SECONDS:.0f} seconds and was stopped"
        return str(ready.readline()).strip()


def down(state: StateDir = None) -> None:
    """Stop the local cluster and all its pods. What was applied is kept for the next `kaito up`."""
    folder = state_dir(state)
    pid = running(folder)
    orderly = pid is None or _stop(pid)
    # A cluster that was killed leaves its pods running: they end here.
    from kaito.local.kubelet import stop_all

    left = stop_all(folder / "node") if (folder / "node").exists() else 0
    if pid is None and not left:
        raise CliError(f"no cluster runs in {folder}", NOT_FOUND)
    if not orderly:
        print(
            f"Stopped: process {pid} did not end within {STOP_SECONDS:.0f} seconds and was killed; nothing is lost. "
            f"See {folder / 'kaito.log'}."
        )
        return
    print("Stopped." if pid is not None else f"Stopped {left} processes that a killed cluster had left behind.")


def _stop(pid: int) -> bool:
    """Ask a process to end, and kill it when it does not; whether it ended by itself."""
    import select
    import signal

    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watched, signal.SIGTERM)
        if select.select([watched], [], [], STOP_SECONDS)[0]:
            return True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watched, signal.SIGKILL)
        select.select([watched], [], [], KILL_SECONDS)
        return False
    finally:
        os.close(watched)


def kubeconfig(state: StateDir = None) -> None:
    """Print the path of the local cluster's kubeconfig."""
    path = state_dir(state) / "kubeconfig"
    if not path.exists():
        raise CliError(f"{path} does not exist: start the cluster first, with `kaito up`", NOT_FOUND)
    print(path)


def register(app: typer.Typer) -> None:
    for command in (up, down, kubeconfig):
        app.command()(command)
