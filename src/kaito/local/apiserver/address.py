"""Where a cluster listens: its port, and the loopback ranges of its pods and services; chosen once, kept after."""

import ipaddress
import json
import socket
import time
import zlib
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
PATIENCE = 1.0
_FIRST, _LAST = 20, 250  # 127.<n>.0.0/16: pods take an even n, services the next


class AddressError(Exception):
    """The port or range cannot be had; the message names it and the remedy."""


@dataclass(frozen=True)
class Address:
    """A cluster's place on this machine. Whoever holds ``mark`` owns the ranges; close it to let go of them."""

    port: int
    pod_cidr: str
    service_cidr: str
    mark: socket.socket = field(repr=False, compare=False)


def free(host: str, port: int) -> bool:
    """True when a TCP server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose(state_dir: Path, requested: int | None = None) -> Address:
    """The cluster's address: what ``state_dir`` remembers where that is still free, otherwise a new one.

    Raises AddressError when the port or the ranges are taken. The ranges never change once chosen: pods know them.
    """
    file = state_dir / "address.json"
    try:
        kept = json.loads(file.read_text())
    except (OSError, ValueError):
        kept = {}
    if requested is not None:
        if not free(HOST, requested):
            raise AddressError(f"port {requested} on {HOST} is taken by another program. Choose another with --port.")
        port = requested
    else:
        port = kept.get("port", 0)
        if not port or not free(HOST, port):
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                port = probe.getsockname()[1]
    if "pods" in kept and "services" in kept:
        pods, services, mark = kept["pods"], kept["services"], _claim_own(kept["pods"])
        if mark is None:
            raise AddressError(
                f"the addresses of this cluster, {pods}, are in use by another one. Stop that one, or choose another "
                "--state-dir."
            )
    else:
        pods, services, mark = _ranges(zlib.crc32(bytes(state_dir.absolute())))
    wanted = {"port": port, "pods": pods, "services": services}
    if wanted != kept:
        try:
            file.write_text(json.dumps(wanted))
        except OSError as exc:
            mark.close()
            raise AddressError(f"{file} cannot be written: {exc.strerror}. Choose another folder.") from exc
    return Address(port, pods, services, mark)


def claim(pods: str) -> socket.socket | None:
    """The mark of a range: a name that one process of a machine has for as long as it lives. None when another has it.

    Two clusters that start at the same moment see the same free ranges; only one of them gets this.
    """
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0kaito/{pods}")
    except OSError:
        mark.close()
        return None
    return mark


def _claim_own(pods: str) -> socket.socket | None:
    """The mark of a range that was this cluster's: a predecessor that was just killed holds it for a moment yet."""
    deadline = time.monotonic() + PATIENCE
    while (mark := claim(pods)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return mark


def _ranges(seed: int) -> tuple[str, str, socket.socket]:
    """Two neighbouring loopback ranges in which nobody listens, for pods and services, and the mark of the first.

    The search starts at a place of the seed's: else each new cluster would take what one that is down comes back to.
    """
    every = range(_FIRST, _LAST, 2)
    start = seed % len(every)
    for n in (*every[start:], *every[:start]):
        if not free(f"127.{n + 1}.0.1", 0) or any(_listening(f"127.{n + 1}.0.1", port) for port in (443, 80)):
            continue
        if (mark := claim(f"127.{n}.0.0/16")) is not None:
            return f"127.{n}.0.0/16", f"127.{n + 1}.0.0/16", mark
    raise AddressError("all loopback ranges from 127.20.0.0 to 127.250.0.0 are in use. Stop another cluster first.")


def _listening(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0


def service_ip(cidr: str, used: Container[str], requested: str = "") -> str:
    """An address of ``cidr`` for a service: the requested one, or the first that is free. Raises ValueError.

    The first address belongs to the API server's own service, which asks for it by name.
    """
    network = ipaddress.ip_network(cidr)
    if requested:
        try:
            inside = ipaddress.ip_address(requested) in network
        except ValueError:
            inside = False
        if not inside:
            raise ValueError(f"provided IP is not in the valid range. The range of valid IPs is {cidr}")
        if requested in used:
            raise ValueError("provided IP is already allocated")
        return requested
    for number in range(2, network.num_addresses - 1):
        candidate = str(network[number])
        if candidate not in used:
            return candidate
    raise ValueError("range is full")


def node_port(used: Container[int], requested: int = 0) -> int:
    """A node port from 30000 to 32767. Raises ValueError."""
    if requested:
        if not 30000 <= requested <= 32767:
            raise ValueError("provided port is not in the valid range. The range of valid ports is 30000-32767")
        if requested in used:
            raise ValueError("provided port is already allocated")
        return requested
    for port in range(30000, 32768):
        if port not in used:
            return port
    raise ValueError("range is full")
