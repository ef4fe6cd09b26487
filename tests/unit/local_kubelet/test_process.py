"""The shim and its attempt folder, with real processes."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from kaito.local.kubelet import logs
from kaito.local.kubelet.process import Attempt, memory_bytes, stop_all
from kaito.local.kubelet.shim import Log
from local_kubelet.until import until


def attempt_in(root: Path, number: int = 0) -> Attempt:
    return Attempt(root / "pods" / "uid-1" / "containers" / "main" / str(number))


def spawn(root: Path, code: str, *, env: dict[str, str] | None = None, log_max_bytes: int = 1 << 20) -> Attempt:
    attempt = attempt_in(root)
    argv = [sys.executable, "-I", "-S", "-u", "-c", code]
    attempt.spawn(argv, {"PATH": os.environ["PATH"], **(env or {})}, root, log_max_bytes=log_max_bytes, log_keep=3)
    return attempt


@pytest.fixture
def root(tmp_path: Path):
    yield tmp_path
    stop_all(tmp_path, grace=0)


async def test_exit_code_output_and_env(root: Path) -> None:
    code = "import os,sys; print(os.environ['SECRET']); print('bad', file=sys.stderr); sys.exit(3)"
    attempt = spawn(root, code, env={"SECRET": "s3cret"})
    await attempt.wait()
    report = attempt.exited()
    assert report is not None
    assert (report["exit_code"], report["signal"]) == (3, 0)
    lines = [line.split(b" ", 3)[1:] for line in logs.lines(attempt.folder)]
    assert sorted(lines) == [[b"stderr", b"F", b"bad\n"], [b"stdout", b"F", b"s3cret\n"]]
    for path in attempt.folder.glob("*.json"):
        assert "s3cret" not in path.read_text()


async def test_signal_is_128_plus_number(root: Path) -> None:
    attempt = spawn(root, "import time; print('up'); time.sleep(60)")
    await until(lambda: attempt.pid() is not None)
    attempt.signal_group(signal.SIGTERM)
    await attempt.wait()
    assert attempt.exited()["exit_code"] == 143


async def test_missing_program_is_a_start_error(root: Path) -> None:
    attempt = attempt_in(root)
    attempt.spawn(["no-such-program"], {"PATH": "/bin"}, root, log_max_bytes=1000, log_keep=2)
    await attempt.wait()
    assert attempt.exited()["exit_code"] == 128
    assert attempt.exited()["start_error"] == "2:No such file or directory"


async def test_children_left_behind_end_with_the_container(root: Path) -> None:
    child = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"
    attempt = spawn(root, child)
    await attempt.wait()
    (line,) = logs.lines(attempt.folder)
    assert not psutil.pid_exists(int(line.rsplit(b" ", 1)[1]))


async def test_killed_shim_takes_the_container_along_and_is_reported_lost(root: Path) -> None:
    attempt = spawn(root, "import time; time.sleep(60)")
    await until(lambda: attempt.pid() is not None)
    pid = attempt.pid()
    os.kill(attempt.shim_pid(), signal.SIGKILL)
    await attempt.wait()
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert attempt.exited()["reason"] == "ContainerStatusUnknown"
    assert attempt.exited()["exit_code"] == 137


async def test_rotation_keeps_the_newest_lines(root: Path) -> None:
    attempt = spawn(root, "for i in range(2000): print('line', i)", log_max_bytes=20_000)
    await attempt.wait()
    names = [path.name for path in logs.files(attempt.folder)]
    assert names == ["log.2", "log.1", "log"]
    text = [line.rsplit(b" ", 1)[1].strip() for line in logs.lines(attempt.folder)]
    numbers = [int(n) for n in text]
    assert numbers == list(range(numbers[0], 2000))


async def test_long_lines_come_back_whole(root: Path) -> None:
    attempt = spawn(root, "print('x' * 50000); print('end', end='')")
    await attempt.wait()
    data = b"".join([p async for p in logs.read(attempt.folder, logs.Wanted(), alive=lambda: False)])
    assert data == b"x" * 50000 + b"\nend"


async def test_follow_until_the_end_and_tail(root: Path) -> None:
    code = "import time\nfor i in range(5): print(i); time.sleep(0.05)"
    attempt = spawn(root, code)
    await until(lambda: (attempt.folder / "log").exists())
    wanted = logs.Wanted(follow=True)
    got = [p async for p in logs.read(attempt.folder, wanted, alive=lambda: attempt.exited() is None)]
    assert b"".join(got) == b"0\n1\n2\n3\n4\n"
    tail = [p async for p in logs.read(attempt.folder, logs.Wanted(tail=2), alive=lambda: False)]
    assert tail == [b"3\n", b"4\n"]


async def test_stop_all_ends_what_ignores_sigterm(root: Path) -> None:
    attempt = spawn(root, "import signal,time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)")
    await until(lambda: b"up" in b"".join(logs.lines(attempt.folder)))
    assert await asyncio.to_thread(stop_all, root, grace=0.2) == 1
    assert attempt.pid() is None
    assert attempt.exited()["exit_code"] == 137


async def test_memory_of_the_tree(root: Path) -> None:
    attempt = spawn(root, "import time; b = bytearray(50_000_000); print('up'); time.sleep(60)")
    await until(lambda: b"up" in b"".join(logs.lines(attempt.folder)))
    assert 50_000_000 < memory_bytes(attempt.tree(), 1 << 40) < 80_000_000
    assert 50_000_000 < memory_bytes(attempt.tree(), 1000) < 80_000_000


async def test_the_container_outlives_a_killed_daemon(root: Path) -> None:
    daemon = (
        "import os, pathlib, sys\n"
        "from kaito.local.kubelet.process import Attempt\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "attempt = Attempt(root / 'pods' / 'uid-1' / 'containers' / 'main' / '0')\n"
        "code = ['sh', '-c', 'echo up; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 5']\n"
        "attempt.spawn(code, {'PATH': os.environ['PATH']}, root, log_max_bytes=10000, log_keep=2)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", daemon, str(root))
    assert await process.wait() == -9
    attempt = attempt_in(root)
    await until(lambda: attempt.pid() is not None)
    (root / "go").touch()
    await attempt.wait()
    assert attempt.exited()["exit_code"] == 5
    assert [line.rsplit(b" ", 1)[1] for line in logs.lines(attempt.folder)] == [b"up\n", b"done\n"]


async def test_since_and_timestamps(root: Path) -> None:
    attempt = spawn(root, "import time; print('old'); time.sleep(0.2); print('new')")
    await attempt.wait()
    stamped = [p async for p in logs.read(attempt.folder, logs.Wanted(timestamps=True), alive=lambda: False)]
    moment, text = stamped[1].split(b" ", 1)
    assert text == b"new\n"
    since = datetime.fromisoformat(moment.decode()[:26]).replace(tzinfo=UTC)
    got = [p async for p in logs.read(attempt.folder, logs.Wanted(since=since), alive=lambda: False)]
    assert got == [b"new\n"]


def test_one_large_delivery_is_rotated_as_it_is_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", max_bytes=1000, keep=3)
    log.feed("stdout", b"".join(b"%d\n" % n for n in range(100)))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"log", "log.1", "log.2"}
    assert max(sizes.values()) < 1100
