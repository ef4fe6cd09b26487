"""The webhook server with a certificate that may change, and the registrations that tell the API server of it."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from aiohttp import web

from kaito.api import keys
from kaito.api.kinds import KINDS
from kaito.api.webhooks import configuration_name
from kaito.controllers import admission
from kaito.controllers.admission import FactsSource
from kaito.kube.ca_bundles import BundleKeeper, Registration
from kaito.kube.cert_sources import CertificateSource
from kaito.kube.certificates import Material
from kaito.kube.client import Client
from kaito.kube.resources import CRDS, VALIDATING_WEBHOOKS
from kaito.kube.serving import ServingContext

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hook:
    """Where the webhook listens, where its certificate comes from, and which registrations are kept filled with it.

    ``instance_type`` is the machine type of v1alpha1 objects that name none; None where nodes are brought.
    """

    host: str
    port: int
    source: CertificateSource
    registrations: Sequence[Registration] = ()
    instance_type: str | None = None


def registrations() -> list[Registration]:
    """What this release registers: a configuration for each kind, a conversion for each kind with two versions."""
    hooks = [Registration(VALIDATING_WEBHOOKS, configuration_name(info)) for info in KINDS.values()]
    converted = [info for info in KINDS.values() if len(info.versions) > 1]
    return hooks + [Registration(CRDS, f"{info.plural}.{keys.GROUP}") for info in converted]


class HookServer:
    """One replica's. All replicas serve; `keeper` is for the one that leads, so that they never write in turn."""

    def __init__(self, client: Client, hook: Hook, facts: FactsSource | None = None) -> None:
        self.keeper = BundleKeeper(client, hook.registrations)
        self._hook, self._facts = hook, facts
        self._serving = ServingContext()
        self._runner: web.AppRunner | None = None

    @property
    def unready(self) -> str | None:
        """Why it does not serve; None when it does."""
        return None if self._serving.ready else "the webhook has no certificate yet"

    async def listen(self) -> tuple[str, int]:
        """The address that it listens on until `close`. Raises OSError."""
        application = admission.app(self._facts, instance_type=self._hook.instance_type)
        self._runner = await admission.listen(application, self._hook.host, self._hook.port, self._serving.context)
        host, port = self._runner.addresses[0][:2]
        return str(host), int(port)

    async def follow(self) -> None:
        """Take up each new certificate, until cancelled."""
        await self._hook.source.run(self._use)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _use(self, material: Material) -> None:
        # Trust first: whoever is told of a new authority early only knows more.
        self.keeper.use(material.bundle)
        try:
            self._serving.use(material)
        except ssl.SSLError as exc:
            log.warning("the webhook's certificate cannot be served with, the last one stays: %s", exc)
        else:
            log.info("the webhook has a new certificate")


async def first(*jobs: Awaitable[None]) -> None:
    """Run until the first ends, end the others, and end as it did."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
