"""Where a webhook server's certificate comes from: made here and kept in a Secret, somebody's Secret, or files."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from kaito.kube import certificates, errors
from kaito.kube.certificates import Kept, Material, Step
from kaito.kube.client import Client, Object
from kaito.kube.informer import Informer
from kaito.kube.resources import SECRETS

log = logging.getLogger(__name__)
Publish = Callable[[Material], None]
POLL_SECONDS = 5.0
RETRY_SECONDS = 2.0
TRIES = 10


class CertificateSource(Protocol):
    """Gives the material to serve with at first and after each change, until cancelled."""

    async def run(self, publish: Publish) -> None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


class SelfSigned:
    """Made by whichever replica comes first, kept in one Secret, renewed before it ends (see `certificates`)."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        secret: str,
        hosts: Sequence[str],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """``hosts``: the DNS names by which the API server calls, as in "webhook.kaito.svc"."""
        self._client = client
        self._namespace, self._secret, self._hosts = namespace, secret, tuple(hosts)
        self._now = now

    async def run(self, publish: Publish) -> None:
        shown: Material | None = None
        async with _followed(self._client, self._namespace, self._secret) as changed:
            while True:
                changed.clear()
                try:
                    kept = await self.ensure()
                except errors.ApiError as exc:
                    log.warning("certificate in Secret %s/%s: %s", self._namespace, self._secret, exc.message)
                    await asyncio.sleep(exc.retry_after or RETRY_SECONDS)
                    continue
                if kept.material != shown:
                    shown = kept.material
                    publish(shown)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(certificates.due(kept, self._now()).total_seconds()):
                        await changed.wait()

    async def ensure(self) -> Kept:
        """What the Secret holds once everything that is due is done. Raises ApiError.

        Replicas that do it at the same time end with the same: who writes second finds the other's work done.
        """
        for _ in range(TRIES):
            found = await self._read()
            kept = Kept.of((found or {}).get("data") or {})
            what = certificates.step(kept, self._hosts, self._now())
            if what is Step.KEEP:
                return kept
            log.info("certificate in Secret %s/%s: %s", self._namespace, self._secret, what)
            kept = certificates.take(what, kept, self._hosts, self._now())
            with contextlib.suppress(errors.Conflict, errors.AlreadyExists):
                await self._write(found, kept)
        text = f"Secret {self._namespace}/{self._secret} was changed by others {TRIES} times in a row"
        raise errors.Conflict(409, "Conflict", text)

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(SECRETS, self._secret, self._namespace)
        except errors.NotFound:
            return None

    async def _write(self, found: Object | None, kept: Kept) -> None:
        if found is None:
            meta = {"name": self._secret, "namespace": self._namespace}
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": kept.data}
            await self._client.create(SECRETS, secret)
            return
        # What others put beside ours stays; ours that are no longer needed go.
        own = Kept(b"-", b"-", b"-", b"-", b"-").data
        others = {key: value for key, value in (found.get("data") or {}).items() if key not in own}
        await self._client.replace(SECRETS, found | {"data": others | kept.data})


class TlsSecret:
    """A Secret of type kubernetes.io/tls that somebody else keeps, as cert-manager does: tls.crt, tls.key, ca.crt."""

    def __init__(self, client: Client, *, namespace: str, secret: str) -> None:
        self._client = client
        self._namespace, self._secret = namespace, secret

    async def run(self, publish: Publish) -> None:
        informer = Informer(self._client, SECRETS, self._namespace, field_selector=f"metadata.name={self._secret}")
        shown: list[Material] = []

        def seen(_: Object | None, secret: Object | None) -> None:
            found = tls_material((secret or {}).get("data") or {})
            if isinstance(found, str):
                log.warning("Secret %s/%s cannot be served with: %s", self._namespace, self._secret, found)
            elif [found] != shown:
                shown[:] = [found]
                publish(found)

        informer.add_handler(seen)
        await informer.run()


def tls_material(data: dict[str, str]) -> Material | str:
    """The material in the `data` of a kubernetes.io/tls Secret, or what is wrong with it and the remedy."""
    missing = [key for key in ("tls.crt", "tls.key", "ca.crt") if not data.get(key)]
    if missing:
        return f"{', '.join(missing)} missing: let cert-manager issue it, with an issuer that has an authority"
    certificate, key, ca = (certificates.decoded(data[name]) for name in ("tls.crt", "tls.key", "ca.crt"))
    return certificates.pair_problem(certificate, key) or Material(key, certificate, ca)


class Files:
    """Files that somebody else keeps, such as a mounted Secret; read again when they change.

    ``ca`` may be left out when somebody else fills the caBundles too.
    """

    def __init__(self, certificate: Path, key: Path, ca: Path | None = None, *, poll: float = POLL_SECONDS) -> None:
        self._certificate, self._key, self._ca = certificate, key, ca
        self._poll = poll

    def read(self) -> Material:
        """What the files hold now. Raises OSError, and ValueError for what is no pair; both name the file."""
        certificate, key = self._certificate.read_bytes(), self._key.read_bytes()
        found = Material(key, certificate, self._ca.read_bytes() if self._ca is not None else b"")
        problem = certificates.pair_problem(found.certificate, found.key)
        if problem is not None:
            raise ValueError(f"{self._certificate} with {self._key}: {problem}")
        return found

    async def run(self, publish: Publish) -> None:
        shown: Material | None = None
        trouble = ""
        while True:
            try:
                found = self.read()
            except (OSError, ValueError) as exc:
                # While both files are being replaced they are no pair; what served last goes on serving.
                if str(exc) != trouble:
                    log.warning("certificate: %s", exc)
                trouble = str(exc)
            else:
                trouble = ""
                if found != shown:
                    shown = found
                    publish(found)
            await asyncio.sleep(self._poll)


@contextlib.asynccontextmanager
async def _followed(client: Client, namespace: str, name: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set after each change of a Secret."""
    informer = Informer(client, SECRETS, namespace, field_selector=f"metadata.name={name}")
    changed = asyncio.Event()
    informer.add_handler(lambda old, new: changed.set())
    task = asyncio.create_task(informer.run(), name=f"informer secret {name}")
    try:
        yield changed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
