"""What the server does by itself goes on after the disk was full."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from kaito.local.apiserver.again import again
from kaito.local.apiserver.kinds import CRD
from kaito.local.apiserver.server import ApiServer
from kaito.local.apiserver.store import Key, StoreError

NAME = "widgets.example.com"


def definition() -> dict[str, object]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def refuse_writes(folder: Path, refuse: bool) -> None:
    """What a full disk does to every write, without a full disk: a trigger that raises in SQLite itself."""
    with sqlite3.connect(folder / "store" / "state.db", timeout=5) as db:
        db.execute("DROP TRIGGER IF EXISTS full")
        if refuse:
            db.execute(
                "CREATE TRIGGER full BEFORE INSERT ON objects WHEN json_extract(NEW.body, '$.status') IS NOT NULL "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )


async def test_a_kind_is_served_once_there_is_space_again_and_the_server_ends_when_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = ApiServer(tmp_path)
    await server.start()
    try:
        refuse_writes(tmp_path, True)
        key = Key(CRD, "", NAME)
        await server._store.write(key, lambda _: definition())
        await until(lambda: "definitions: " in caplog.text and "database or disk is full" in caplog.text)
        refuse_writes(tmp_path, False)
        await until(lambda: (server._store.get(key) or {}).get("status"))
    finally:
        async with asyncio.timeout(10):
            await server.stop()


async def test_a_server_whose_own_write_was_refused_ends_when_told(tmp_path: Path) -> None:
    server = ApiServer(tmp_path)
    await server.start()
    refuse_writes(tmp_path, True)
    await server._store.write(Key(CRD, "", NAME), lambda _: definition())
    async with asyncio.timeout(10):
        await server.stop()
    assert server._store._writer is not None
    assert not server._store._writer.is_alive()


async def test_only_a_refused_write_is_tried_again() -> None:
    problems: list[Exception] = [StoreError("full"), StoreError("full")]
    runs = 0

    async def job() -> None:
        nonlocal runs
        runs += 1
        if problems:
            raise problems.pop()

    await again("a job", job, wait=0)
    assert runs == 3
    problems.append(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await again("a job", job, wait=0)
