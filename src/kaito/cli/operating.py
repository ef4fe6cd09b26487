"""The process behind `kaito operator`: the cluster's client, the signals, and errors as sentences."""

import asyncio
import logging
import signal
import socket
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from kaito.api import webhooks
from kaito.api.crds import with_webhook
from kaito.cli import hubs
from kaito.cli.connect import Session
from kaito.cli.connect import run as connected
from kaito.cli.errors import USAGE, CliError
from kaito.controllers import process
from kaito.controllers.admission_facts import FactSettings
from kaito.controllers.hook_server import Hook, registrations
from kaito.controllers.operator import OperatorSettings
from kaito.controllers.resolver import Resolver, secrets_of
from kaito.kube.cert_sources import CertificateSource, Files, SelfSigned, TlsSecret
from kaito.kube.lease import LeaseLost
from kaito.models import hub


@dataclass(frozen=True)
class Webhook:
    """Where the webhook listens, and its certificate: files in ``folder``, somebody's ``tls_secret``, or our own.

    Our own is for the ``service`` and is kept in ``secret``; both are in the operator's namespace.
    """

    address: tuple[str, int]
    folder: Path | None = None
    tls_secret: str | None = None
    service: str | None = None
    secret: str = ""


@dataclass(frozen=True)
class Options:
    """The command line, read."""

    operator: OperatorSettings
    cloud: str | None
    kubeconfig: Path | None
    namespace: str | None
    elect: bool
    health: tuple[str, int] | None
    webhook: Webhook | None


def run(options: Options) -> None:
    """Until a signal. Raises CliError."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = hubs.settings()

    async def action(session: Session) -> None:
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        election = process.Election(session.namespace, _identity()) if options.elect else None
        facts = FactSettings(options.operator.provisioner, options.cloud, gated_hub=settings.endpoint == hub.ENDPOINT)
        await process.run(
            session.client,
            process.ProcessSettings(
                _operator(options, session), election, options.health, _hook(options, session), facts
            ),
            Resolver(secrets=secrets_of(session.client), hub_settings=settings, cloud=options.cloud),
            ending=ending,
        )

    try:
        connected(action, kubeconfig=options.kubeconfig, namespace=options.namespace)
    except (LeaseLost, process.ListenError) as exc:
        raise CliError(str(exc), USAGE) from exc


def _operator(options: Options, session: Session) -> OperatorSettings:
    """The CRDs that are installed are converted by the webhook where this process serves it behind a Service."""
    found, asked = options.operator, options.webhook
    if asked is None or asked.service is None:
        return found
    client = webhooks.Service(session.namespace, asked.service, asked.address[1])
    return replace(found, crds=[with_webhook(crd, client(webhooks.CONVERT_PATH)) for crd in found.crds])


def _hook(options: Options, session: Session) -> Hook | None:
    asked = options.webhook
    if asked is None:
        return None
    source: CertificateSource
    if asked.folder is not None:
        # Without the authority's file, somebody else fills the caBundles: cert-manager's injector, or a person.
        authority = asked.folder / "ca.crt"
        known = authority if authority.exists() else None
        source = Files(asked.folder / "tls.crt", asked.folder / "tls.key", known)
    elif asked.tls_secret is not None:
        source = TlsSecret(session.client, namespace=session.namespace, secret=asked.tls_secret)
    else:
        hosts = [f"{asked.service}.{session.namespace}.svc"]
        source = SelfSigned(session.client, namespace=session.namespace, secret=asked.secret, hosts=hosts)
    return Hook(*asked.address, source, registrations())


def _identity() -> str:
    """Other than any earlier process of the same pod: its lease has to run out first."""
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
