"""The embedded control plane as a process of its own: the API server and the controllers, without nodes and KAITO."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.cluster import Cluster, write_kubeconfig

PROGRAM = """
import asyncio, signal, sys
from pathlib import Path
from kaito.kube.client import Client
from kaito.local import controllers
from kaito.local.apiserver import ApiServer

async def main() -> None:
    server = ApiServer(Path(sys.argv[1]))
    await server.start()
    ready, ending = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    work = controllers.run(Client(server.transport("kube-controller-manager")), root_ca=server.ca, ready=ready)
    task = asyncio.create_task(work)
    await ready.wait()
    print(server.url, flush=True)
    await ending.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await server.stop()

asyncio.run(main())
"""


@contextmanager
def start_embedded(tmp: Path) -> Iterator[Cluster]:
    """Run the embedded control plane with its state under `tmp` until the block ends."""
    state = tmp / "state"
    state.mkdir()
    with (tmp / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(state)], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, (tmp / "log").read_text()
        token, ca = (state / "pki" / "token").read_text(), state / "pki" / "ca.crt"
        kubeconfig = write_kubeconfig(tmp / "kubeconfig", url, token, ca)
        yield Cluster(kubeconfig, url, token, ca, "embedded")
    finally:
        process.terminate()
        assert process.wait(20) == 0, (tmp / "log").read_text()
