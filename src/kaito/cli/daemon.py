"""The local cluster's one process: API server, controllers, kubelet, service addresses, and KAITO's own operator.

Started by `kaito up`, as ``python -m kaito.cli.daemon``. SIGTERM and SIGINT end it and every pod. Whatever else kills
it leaves the pods running: the next one takes them over.
"""

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from aiohttp import web

from kaito.api import podcontract
from kaito.api.crds import all_crds, with_webhook
from kaito.api.webhooks import CONVERT_PATH, configurations
from kaito.cli import hubs
from kaito.cli.rendering import LOCAL_IMAGE
from kaito.controllers import admission, operator
from kaito.controllers.admission_facts import ClusterFacts, FactSettings
from kaito.controllers.resolver import Resolver, secrets_of
from kaito.kube import config
from kaito.kube.client import Client, Object
from kaito.kube.resources import VALIDATING_WEBHOOKS
from kaito.local import controllers
from kaito.local.apiserver import AddressError, ApiServer, IdentityError, StoreError, certs
from kaito.local.kubelet import HostImage, Kubelet, KubeletSettings, stop_all
from kaito.local.proxy import ServiceProxy
from kaito.workloads.inference import WorkloadSettings

log = logging.getLogger("kaito")
IMAGE = LOCAL_IMAGE
PID_FILE, LOG_FILE, KUBECONFIG_FILE = "kaito.pid", "kaito.log", "kubeconfig"
STOP_GRACE = 10.0
WEBHOOK_PORT = 9443
SOCKET_FOLDER = 60
"""The longest folder in which a socket's whole path still fits the system's limit of 107 characters."""


class StartError(Exception):
    """The cluster cannot start; a sentence for the person who asked."""


def node_dir(state_dir: Path) -> Path:
    """Where the pods' folders are."""
    return state_dir / "node"


def scratch(state_dir: Path) -> Path:
    """For the engine's sockets and temporary files; emptied when the cluster ends."""
    return state_dir / "tmp"


def images(state_dir: Path) -> dict[str, HostImage]:
    """The one image that every local pod of ours runs: this installation of Python."""
    cache = state_dir / "cache" / "vllm"
    env = {
        podcontract.ENV_BIND_HOST: "$(POD_IP)",
        podcontract.ENV_TERMINATION_LOG: "$(TERMINATION_LOG)",
        # What the engine keeps between starts stays in the state folder.
        "VLLM_CACHE_ROOT": str(cache),
        "VLLM_CONFIG_ROOT": str(cache),
    }
    temporary = scratch(state_dir)
    if len(str(temporary)) <= SOCKET_FOLDER:
        env["TMPDIR"] = str(temporary)
    return {IMAGE.split(":")[0]: HostImage(path=(str(Path(sys.executable).parent),), env=env)}


def prepare(state_dir: Path) -> None:
    """Make the state folder. Raises StartError."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=state_dir) as probe:
            probe.write(b"x" * 4096)
    except OSError as exc:
        free = "Free some space, or choose" if exc.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose"
        raise StartError(
            f"the state folder {state_dir} cannot be written: {exc.strerror}. {free} another with --state-dir."
        ) from exc


async def serve(state_dir: Path, port: int | None, announce: Callable[[str], None]) -> None:
    """Run the cluster until SIGTERM or SIGINT. Raises StartError."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    server = ApiServer(state_dir, port=port)
    try:
        await server.start()
    except (StoreError, AddressError, IdentityError) as exc:
        raise StartError(str(exc)) from exc
    try:
        kubeconfig = server.write_kubeconfig()
        scratch(state_dir).mkdir(exist_ok=True, mode=0o700)
        (state_dir / PID_FILE).write_text(f"{os.getpid()}\n")
        await _run(server, state_dir, kubeconfig, announce, ending)
    finally:
        try:
            await asyncio.to_thread(stop_all, node_dir(state_dir), grace=STOP_GRACE)
            shutil.rmtree(scratch(state_dir), ignore_errors=True)
        finally:
            await server.stop()
            (state_dir / PID_FILE).unlink(missing_ok=True)


async def _run(
    server: ApiServer, state_dir: Path, kubeconfig: Path, announce: Callable[[str], None], ending: asyncio.Event
) -> None:
    client = Client(server.transport("kube-controller-manager"))
    pods = server.address.pod_cidr
    settings = KubeletSettings(state_dir=node_dir(state_dir), pod_cidr=pods, images=images(state_dir))
    kubelet = Kubelet(Client(server.transport("kubelet")), settings)
    server.set_logs(_logs_of(kubelet))
    outside = config.load(kubeconfig).transport()
    cluster = Client(outside)
    webhook, at = await _webhook(server, state_dir, client)
    for configuration in configurations(at):
        await client.apply(VALIDATING_WEBHOOKS, configuration, field_manager="kaito")
    synced, ready = asyncio.Event(), asyncio.Event()
    crds = [with_webhook(crd, at(CONVERT_PATH)) for crd in all_crds()]
    work = {
        "controllers": controllers.run(client, root_ca=server.ca, ready=ready),
        "kubelet": kubelet.run(),
        "service addresses": ServiceProxy(client).run(),
        "operator": operator.run(
            cluster,
            operator.OperatorSettings(
                WorkloadSettings(image=IMAGE, kv_events=False, single_node=True), provisioner="local", crds=crds
            ),
            Resolver.local(secrets_of(cluster), hubs.settings()),
            synced=synced,
        ),
    }
    tasks = [asyncio.create_task(job, name=name) for name, job in work.items()]
    watch = asyncio.create_task(ending.wait(), name="signal")
    begun = asyncio.create_task(_all(ready, kubelet.ready, synced), name="start")
    try:
        await asyncio.wait([*tasks, watch, begun], return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            announce("ready")
            log.info("ready: %s, kubeconfig %s", server.url, kubeconfig)
        await asyncio.wait([*tasks, watch], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled() and (exc := task.exception()) is not None:
                raise exc
    finally:
        for task in (*tasks, watch, begun):
            task.cancel()
        await asyncio.gather(*tasks, watch, begun, return_exceptions=True)
        await outside.close()
        await webhook.cleanup()


async def _webhook(server: ApiServer, state_dir: Path, client: Client) -> tuple[web.AppRunner, Callable[[str], Object]]:
    """(the webhook on an address of the pods' range that no pod gets, the clientConfig for each of its paths)."""
    host = server.address.pod_cidr.split("/")[0].rsplit(".", 2)[0] + ".255.254"
    pem = certs.issue(state_dir, "webhook", [host])
    facts = ClusterFacts(client, FactSettings("local", release_namespace=""))
    runner = await admission.start(admission.Serve(host, WEBHOOK_PORT, pem, pem), facts)
    bundle = b64encode(server.ca.encode()).decode()
    return runner, lambda path: {"url": f"https://{host}:{WEBHOOK_PORT}{path}", "caBundle": bundle}


async def _all(*events: asyncio.Event) -> None:
    for event in events:
        await event.wait()


def _logs_of(kubelet: Kubelet) -> Callable[..., AsyncIterator[bytes]]:
    def logs(
        namespace: str, pod: str, container: str, *, follow: bool, tail: int | None, previous: bool,
        since: datetime | None, timestamps: bool,
    ) -> AsyncIterator[bytes]:  # fmt: skip
        return kubelet.logs(
            namespace, pod, container, follow=follow, tail=tail, previous=previous, since=since, timestamps=timestamps
        )

    return logs


def main() -> None:
    """Parse the arguments, run, and tell the parent through ``--ready-fd``: "ready", or "error: ..."."""
    parser = argparse.ArgumentParser(prog="kaito up")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--ready-fd", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

    def announce(text: str) -> None:
        if arguments.ready_fd is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(arguments.ready_fd, f"{text}\n".encode())

    try:
        prepare(arguments.state_dir)
        import uvloop

        uvloop.run(serve(arguments.state_dir, arguments.port, announce))
    except StartError as exc:
        announce(f"error: {exc}")
        print(f"error: {exc}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
