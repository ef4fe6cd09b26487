"""Keeps one relay per Service address in step with Services and EndpointSlices."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from kaito.kube.client import Client
from kaito.kube.informer import Informer, key_of
from kaito.kube.resources import ENDPOINT_SLICES, SERVICES
from kaito.local.kubelet.events import Recorder
from kaito.local.proxy.endpoints import SERVICE_LABEL, Address, listeners, ready
from kaito.local.proxy.relay import Relay

log = logging.getLogger(__name__)
PRIVILEGED = 1024
FALLBACK_OFFSET = 10000
RETRY_SECONDS = 5.0


class ServiceProxy:
    """``run`` until cancelled; ``bound`` tells where each Service address is really listened on."""

    def __init__(self, client: Client) -> None:
        self._services = Informer(client, SERVICES)
        self._slices = Informer(client, ENDPOINT_SLICES)
        self._recorder = Recorder(client, component="kaito-proxy")
        self._relays: dict[Address, Relay] = {}
        self.bound: dict[Address, Address] = {}
        self._owners: dict[Address, tuple[str, str]] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Watch and reconcile."""
        try:
            async with asyncio.TaskGroup() as group:
                for informer in (self._services, self._slices):
                    group.create_task(informer.run(), name="informer")
                for informer in (self._services, self._slices):
                    await informer.synced.wait()
                self._services.add_handler(lambda old, new: self._changed.set())
                self._changed.set()
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    await self._reconcile()
        finally:
            await asyncio.gather(*(relay.close() for relay in self._relays.values()))

    async def _reconcile(self) -> None:
        wanted: dict[Address, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        for service in self._services.store.list():
            wanted |= {address: (service, port) for address, port in listeners(service).items()}
        # An address may pass from a deleted Service to a new one between two looks; its listener then stays.
        self._owners = {address: key_of(service) for address, (service, _) in wanted.items()}
        for address in set(self._relays) - set(wanted):
            self.bound.pop(address, None)
            await self._relays.pop(address).close()
        for address in sorted(set(wanted) - set(self._relays)):
            await self._open(address, wanted[address][0])

    async def _open(self, address: Address, service: Mapping[str, Any]) -> None:
        relay = Relay(lambda: self._endpoints(address))
        host, port = address
        try:
            try:
                await relay.listen(host, port)
            except PermissionError:
                if port >= PRIVILEGED:
                    raise
                port += FALLBACK_OFFSET
                await relay.listen(host, port)
                text = f"Port {address[1]} of {host} needs rights that this process lacks; listening on {host}:{port}"
                await self._recorder.emit({"kind": "Service", **service}, "PortNotPermitted", text, kind="Warning")
        except OSError as error:
            await self._refused(service, address, error)
            return
        self.bound[address] = (host, port)
        self._relays[address] = relay

    async def _refused(self, service: Mapping[str, Any], address: Address, error: OSError) -> None:
        text = f"Cannot listen on {address[0]}:{address[1]}: {error.strerror or error}; trying again"
        await self._recorder.emit({"kind": "Service", **service}, "ListenFailed", text, kind="Warning")
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._changed.set)

    def _endpoints(self, address: Address) -> list[Address]:
        """Looked up per connection: cheap, and never stale."""
        namespace, name = self._owners.get(address, ("", ""))
        service = self._services.store.get(namespace, name)
        port = listeners(service).get(address) if service else None
        if service is None or port is None:
            return []
        mine = [
            piece
            for piece in self._slices.store.list()
            if piece["metadata"]["namespace"] == namespace
            and (piece["metadata"].get("labels") or {}).get(SERVICE_LABEL) == name
        ]
        return ready(mine, port, unready=bool(service["spec"].get("publishNotReadyAddresses")))
