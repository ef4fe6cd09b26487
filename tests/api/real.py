"""A real control plane out of a folder with etcd and kube-apiserver, the ecosystem's KUBEBUILDER_ASSETS.

When the folder also holds kube-controller-manager, it runs too: it empties namespaces, makes service accounts
and collects garbage. Without it such tests are skipped, and pods need no service account.
"""

from __future__ import annotations

import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.api.cluster import Cluster, write_kubeconfig

START_SECONDS = 90
STOP_SECONDS = 15


@contextmanager
def start_real(assets: Path, tmp: Path) -> Iterator[Cluster]:
    """Run the binaries of `assets` with their state under `tmp` until the block ends."""
    etcd_url, peer_url, port = (f"http://127.0.0.1:{_free_port()}", f"http://127.0.0.1:{_free_port()}", _free_port())
    url, token, certs = f"https://127.0.0.1:{port}", secrets.token_hex(16), tmp / "certs"
    certs.mkdir()
    key, public = _service_account_keys(certs)
    (tmp / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')
    manager = assets / "kube-controller-manager"
    ca = certs / "apiserver.crt"
    with ExitStack() as stack:

        def run(*command: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(_process(tmp, command))

        run(
            *(str(assets / "etcd"), f"--data-dir={tmp / 'etcd'}", "--unsafe-no-fsync"),
            *(f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}"),
            *(f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}"),
            f"--initial-cluster=default={peer_url}",
        )
        api = run(
            *(str(assets / "kube-apiserver"), f"--etcd-servers={etcd_url}", f"--cert-dir={certs}"),
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}"),
            *(f"--service-account-key-file={public}", f"--service-account-signing-key-file={key}"),
            *("--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={tmp / 'tokens.csv'}"),
            *("--authorization-mode=RBAC", "--anonymous-auth=true", "--service-cluster-ip-range=10.96.0.0/16"),
            *(() if manager.exists() else ("--disable-admission-plugins=ServiceAccount",)),
        )
        _wait_ready(url, token, ca, api, tmp)
        kubeconfig = write_kubeconfig(tmp / "kubeconfig", url, token, ca)
        if manager.exists():
            run(
                *(str(manager), f"--kubeconfig={kubeconfig}", f"--service-account-private-key-file={key}"),
                *("--leader-elect=false", f"--secure-port={_free_port()}", f"--cert-dir={tmp / 'manager'}"),
            )
        yield Cluster(kubeconfig, url, token, ca, "real", controllers=manager.exists())


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _service_account_keys(folder: Path) -> tuple[Path, Path]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private, public = folder / "sa.key", folder / "sa.pub"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@contextmanager
def _process(tmp: Path, command: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    with (tmp / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(url: str, token: str, ca: Path, api: subprocess.Popen[bytes], tmp: Path) -> None:
    def ready() -> bool:
        try:
            tls = ssl.create_default_context(cafile=str(ca))
            with httpx.Client(verify=tls, headers={"Authorization": f"Bearer {token}"}) as client:
                return client.get(f"{url}/readyz", timeout=5).status_code == 200
        except (OSError, httpx.TransportError):  # not listening, or the certificate is not written yet
            return False

    def dead() -> bool:
        return api.poll() is not None

    _poll(ready, dead, tmp)


def _poll(ready: Callable[[], bool], dead: Callable[[], bool], tmp: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not ready():
        if dead() or time.monotonic() > end:
            tail = (tmp / "kube-apiserver.log").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"kube-apiserver did not become ready; the end of its log:\n{tail}")
        time.sleep(0.2)
