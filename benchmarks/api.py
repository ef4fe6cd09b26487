"""The embedded API server under load; beside it etcd with kube-apiserver, when KUBEBUILDER_ASSETS names them."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil

from tests.api.cluster import Cluster
from tests.api.embedded import start_embedded
from tests.api.real import start_real

OBJECTS, WRITERS, READS, WATCHERS, WATCHED = 2000, 16, 1000, 100, 200
STARTS, IDLE_SECONDS = 5, 20.0
PATH = "/api/v1/namespaces/default/configmaps"


def run() -> dict[str, Any]:
    found: dict[str, Any] = {"ready_s": _starts(), "idle": _idle()}
    sides = ["embedded"] + (["kube-apiserver"] if os.environ.get("KUBEBUILDER_ASSETS") else [])
    for side in sides:
        with tempfile.TemporaryDirectory() as folder, _running(side, Path(folder)) as cluster:
            found[side] = asyncio.run(_measure(cluster))
    if len(sides) == 2:
        ours, theirs = found["embedded"], found["kube-apiserver"]
        found["ratio"] = {
            "creates_per_s": round(ours["creates_per_s"] / theirs["creates_per_s"], 2),
            "get_p99_ms": round(ours["get_ms"]["p99"] / theirs["get_ms"]["p99"], 2),
        }
    return found


@contextmanager
def _running(side: str, folder: Path) -> Iterator[Cluster]:
    if side == "embedded":
        with start_embedded(folder) as cluster:
            yield cluster
    else:
        with start_real(Path(os.environ["KUBEBUILDER_ASSETS"]), folder) as cluster:
            yield cluster


def _starts() -> dict[str, Any]:
    """From the start of the process to a served API with all controllers."""
    times = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            with start_embedded(Path(folder)):
                times.append(time.perf_counter() - began)
    return {"median": round(statistics.median(times), 2), "worst": round(max(times), 2), "goal": 1.0}


def _idle() -> dict[str, Any]:
    """What the whole cluster costs while nothing happens: processor share and memory of the daemon."""
    kaito = str(Path(sys.executable).parent / "kaito")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([kaito, "up", "--detach", "--state-dir", folder], check=True, capture_output=True)
        try:
            daemon = psutil.Process(int((Path(folder) / "kaito.pid").read_text()))
            daemon.cpu_percent(None)
            share = daemon.cpu_percent(IDLE_SECONDS)
            memory = daemon.memory_info().rss >> 20
        finally:
            subprocess.run([kaito, "down", "--state-dir", folder], check=True, capture_output=True)
    return {"cpu_percent": round(share, 2), "rss_mib": memory, "goal": {"cpu_percent": 1, "rss_mib": 150}}


async def _measure(cluster: Cluster) -> dict[str, Any]:
    connector = aiohttp.TCPConnector(ssl=cluster.tls(), limit=0)
    headers = {"Authorization": f"Bearer {cluster.token}"}
    async with aiohttp.ClientSession(cluster.url, connector=connector, headers=headers) as session:
        creates = await _creates(session)
        times = await _gets(session)
        return {
            "creates_per_s": round(creates),
            "get_ms": {"p50": round(times[len(times) // 2], 2), "p99": round(times[len(times) * 99 // 100], 2)},
            "watchers": await _watchers(session),
        }


async def _creates(session: aiohttp.ClientSession) -> float:
    names = iter(range(OBJECTS))

    async def writer() -> None:
        for number in names:
            await _create(session, f"bench-{number}")

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return OBJECTS / (time.perf_counter() - began)


async def _create(session: aiohttp.ClientSession, name: str) -> None:
    body = {"metadata": {"name": name}, "data": {"text": "x" * 100}}
    async with session.post(PATH, json=body) as answer:
        assert answer.status == 201, await answer.text()


async def _gets(session: aiohttp.ClientSession) -> list[float]:
    times = []
    for number in range(READS):
        began = time.perf_counter()
        async with session.get(f"{PATH}/bench-{number}") as answer:
            await answer.read()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


async def _watchers(session: aiohttp.ClientSession) -> dict[str, Any]:
    """Many watchers of one kind, each of which must see every object once."""
    async with session.get(PATH, params={"limit": "1"}) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    wanted = {f"watched-{number}" for number in range(WATCHED)}

    async def watch() -> tuple[bool, float]:
        seen: list[str] = []
        options = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "120"}
        async with session.get(PATH, params=options) as answer:
            async for line in answer.content:
                seen.append(orjson.loads(line)["object"]["metadata"]["name"])
                if len(seen) >= WATCHED:
                    break
        return set(seen) == wanted, time.perf_counter()

    tasks = [asyncio.create_task(watch()) for _ in range(WATCHERS)]
    began = time.perf_counter()
    for name in sorted(wanted):
        await _create(session, name)
    results = await asyncio.gather(*tasks)
    return {
        "watchers": WATCHERS,
        "events_each": WATCHED,
        "without_loss": all(whole for whole, _ in results),
        "all_seen_s": round(max(when for _, when in results) - began, 2),
    }
