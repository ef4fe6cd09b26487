"""Reading container logs back: CRI lines, rotation, tail, since, follow."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FOLLOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a log is asked for. ``since`` is a moment; ``tail`` counts lines."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False


def files(folder: Path) -> list[Path]:
    """The log's files, oldest first."""
    old = sorted(folder.glob("log.*"), key=lambda path: -int(path.suffix[1:]))
    return [*old, *([folder / "log"] if (folder / "log").exists() else [])]


def lines(folder: Path) -> Iterator[bytes]:
    """Every CRI line on disk, oldest first."""
    for path in files(folder):
        with path.open("rb") as stream:
            yield from stream


def render(line: bytes, wanted: Wanted) -> bytes | None:
    """What the reader sees of one CRI line; None when it is too old or not a log line."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return None
    moment, _, tag, text = parts
    if wanted.since is not None and _moment(moment) < wanted.since:
        return None
    end = b"" if tag == b"P" else b"\n"
    return (moment + b" " if wanted.timestamps else b"") + text + end


async def read(folder: Path, wanted: Wanted, *, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log in pieces; with follow until the container is gone and everything it wrote was read."""
    # The place is taken before the history is read: what is written in between is not lost.
    path = folder / "log"
    chosen = await asyncio.to_thread(_history, folder, wanted)
    for piece in chosen[0]:
        yield piece
    if not wanted.follow:
        return
    place, inode = chosen[1]
    while True:
        last = not alive()
        fresh, place, inode = await asyncio.to_thread(_more, path, place, inode)
        for line in fresh:
            if piece := render(line, wanted):
                yield piece
        if last and not fresh:
            return
        if not fresh:
            await asyncio.sleep(FOLLOW_SECONDS)


def tail_text(folder: Path, *, max_lines: int = 80, max_bytes: int = 2048) -> str:
    """The end of a log as a termination message falls back to it."""
    wanted = Wanted(tail=max_lines)
    text = b"".join(deque((p for line in lines(folder) if (p := render(line, wanted))), maxlen=max_lines))
    return text[-max_bytes:].decode(errors="replace")


def _history(folder: Path, wanted: Wanted) -> tuple[list[bytes], tuple[int, int]]:
    kept: deque[bytes] = deque(maxlen=wanted.tail)
    place, inode = 0, 0
    for path in files(folder):
        with path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                place += len(line)
                if piece := render(line, wanted):
                    kept.append(piece)
            if path.name == "log":
                inode = path.stat().st_ino
            else:
                place = 0
    return list(kept), (place, inode)


def _more(path: Path, place: int, inode: int) -> tuple[list[bytes], int, int]:
    """Whole lines after ``place``; after a rotation first the rest of the old file."""
    fresh: list[bytes] = []
    try:
        now = path.stat().st_ino
    except FileNotFoundError:
        return [], place, inode
    if inode and now != inode:
        rotated = path.with_name("log.1")
        if rotated.exists() and rotated.stat().st_ino == inode:
            fresh, _ = _after(rotated, place)
        place = 0
    more, place = _after(path, place)
    return fresh + more, place, now


def _after(path: Path, place: int) -> tuple[list[bytes], int]:
    with path.open("rb") as stream:
        stream.seek(place)
        whole = [line for line in stream if line.endswith(b"\n")]
    return whole, place + sum(map(len, whole))


def _moment(text: bytes) -> datetime:
    seconds, _, fraction = text.rstrip(b"Z").partition(b".")
    parsed = datetime.strptime(seconds.decode(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return parsed.replace(microsecond=int((fraction + b"000000")[:6]))
