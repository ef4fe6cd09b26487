"""Where certificates come from, over a real API server and real files."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaito.kube import certificates
from kaito.kube.cert_sources import CertificateSource, Files, SelfSigned, TlsSecret, tls_material
from kaito.kube.certificates import LIFE, RENEW, SETTLE, Kept, Material
from kaito.kube.client import Client
from kaito.kube.resources import SECRETS

NAME, HOST = "webhook-cert", "webhook.default.svc"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def replica(client: Client, clock: Callable[[], datetime]) -> SelfSigned:
    return SelfSigned(client, namespace="default", secret=NAME, hosts=[HOST], now=clock)


async def stored(client: Client) -> Kept:
    return Kept.of((await client.get(SECRETS, NAME, "default"))["data"])


@asynccontextmanager
async def published(source: CertificateSource) -> AsyncIterator["asyncio.Queue[Material]"]:
    """What a source publishes while the block runs."""
    found: asyncio.Queue[Material] = asyncio.Queue()
    task = asyncio.create_task(source.run(found.put_nowait))
    try:
        async with asyncio.timeout(20):
            yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_replicas_that_start_at_once_end_with_one_authority(client: Client) -> None:
    kept = await asyncio.gather(*(replica(client, Clock()).ensure() for _ in range(5)))
    assert {one.ca_bundle for one in kept} == {(await stored(client)).ca_bundle}
    assert {one.certificate for one in kept} == {(await stored(client)).certificate}


async def test_a_secret_that_a_chart_made_empty_is_filled_and_what_others_put_there_stays(client: Client) -> None:
    meta = {"name": NAME, "namespace": "default", "labels": {"chart": "mine"}}
    secret = {"metadata": meta, "data": {"note": b64encode(b"keep").decode(), "server-key.pem": ""}}
    await client.create(SECRETS, secret)
    kept = await replica(client, Clock()).ensure()
    found = await client.get(SECRETS, NAME, "default")
    assert found["data"] == kept.data | {"note": b64encode(b"keep").decode()}
    assert found["metadata"]["labels"] == {"chart": "mine"}


async def test_a_restart_keeps_what_is_valid(client: Client) -> None:
    first = await replica(client, Clock()).ensure()
    version = (await client.get(SECRETS, NAME, "default"))["metadata"]["resourceVersion"]
    assert await replica(client, Clock()).ensure() == first
    assert (await client.get(SECRETS, NAME, "default"))["metadata"]["resourceVersion"] == version


async def test_a_certificate_that_another_release_made_is_kept(client: Client) -> None:
    key, certificate, ca = certificates.issue([HOST, "webhook.default.svc.cluster.local"], START)
    made = Kept(key, certificate, ca)
    await client.create(SECRETS, {"metadata": {"name": NAME, "namespace": "default"}, "data": made.data})
    assert await replica(client, Clock()).ensure() == made


async def test_a_whole_renewal_over_two_replicas(client: Client) -> None:
    clock = Clock()
    one, two = replica(client, clock), replica(client, clock)
    first = await one.ensure()
    clock.now = START + LIFE - RENEW
    prepared, same = await asyncio.gather(one.ensure(), two.ensure())
    assert prepared == same
    assert prepared.certificate == first.certificate
    assert prepared.ca_bundle.endswith(first.ca_bundle)
    clock.now += SETTLE
    renewed, same = await asyncio.gather(two.ensure(), one.ensure())
    assert renewed == same == await stored(client)
    assert renewed.certificate == prepared.next_certificate
    assert first.ca_bundle in renewed.ca_bundle
    clock.now = START + LIFE
    assert first.ca_bundle not in (await one.ensure()).ca_bundle


async def test_an_ended_certificate_is_made_anew(client: Client) -> None:
    clock = Clock()
    first = await replica(client, clock).ensure()
    clock.now += LIFE + timedelta(days=1)
    second = await replica(client, clock).ensure()
    assert second.certificate != first.certificate
    assert first.ca_bundle not in second.ca_bundle


async def test_what_another_replica_changes_is_published(client: Client) -> None:
    clock = Clock()
    async with published(replica(client, clock)) as found:
        assert await found.get() == (await stored(client)).material
        clock.now = START + LIFE - RENEW
        prepared = await replica(client, clock).ensure()
        assert await found.get() == prepared.material


async def test_a_deleted_secret_comes_back(client: Client) -> None:
    async with published(replica(client, Clock())) as found:
        first = await found.get()
        await client.delete(SECRETS, NAME, "default")
        assert (await found.get()).certificate != first.certificate


def tls(material: Material) -> dict[str, str]:
    parts = {"tls.crt": material.certificate, "tls.key": material.key, "ca.crt": material.ca_bundle}
    return {key: b64encode(value).decode() for key, value in parts.items()}


def fresh() -> Material:
    return Material(*certificates.issue([HOST], START))


async def test_somebody_elses_secret_is_followed_from_before_it_is_there(client: Client) -> None:
    one, two = fresh(), fresh()
    async with published(TlsSecret(client, namespace="default", secret=NAME)) as found:
        meta = {"name": NAME, "namespace": "default"}
        await client.create(SECRETS, {"metadata": meta, "type": "kubernetes.io/tls", "data": tls(one)})
        assert await found.get() == one
        await client.patch(SECRETS, NAME, "default", {"data": {"tls.key": ""}})
        await client.patch(SECRETS, NAME, "default", {"data": tls(two)})
        assert await found.get() == two, "what cannot be served with is left out"


def test_what_is_wrong_with_a_secret_is_told() -> None:
    good, other = tls(fresh()), tls(fresh())
    assert tls_material({**good, "ca.crt": ""}) == (
        "ca.crt missing: let cert-manager issue it, with an issuer that has an authority"
    )
    assert tls_material({**good, "tls.key": other["tls.key"]}) == "the private key is not the certificate's"


class Folder:
    """Certificate files as a deployment's owner replaces them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, material: Material) -> None:
        (self.path / "tls.crt").write_bytes(material.certificate)
        (self.path / "tls.key").write_bytes(material.key)
        (self.path / "ca.crt").write_bytes(material.ca_bundle)

    def source(self) -> Files:
        return Files(self.path / "tls.crt", self.path / "tls.key", self.path / "ca.crt", poll=0.01)


async def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    folder, one, two = Folder(tmp_path), fresh(), fresh()
    async with published(folder.source()) as found:
        folder.write(one)
        assert await found.get() == one
        (tmp_path / "tls.crt").write_bytes(two.certificate)
        folder.write(two)
        assert await found.get() == two


def test_files_that_are_no_pair_are_named(tmp_path: Path) -> None:
    folder, one = Folder(tmp_path), fresh()
    folder.write(one)
    (tmp_path / "tls.key").write_bytes(fresh().key)
    with pytest.raises(ValueError, match=r"tls\.crt with .*tls\.key: the private key is not the certificate's"):
        folder.source().read()
