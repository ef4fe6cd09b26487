"""The whole way of a webhook over a real API server: registered, trusted, asked, and asked again after a rotation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kaito.api import webhooks
from kaito.api.crds import all_crds, with_webhook
from kaito.controllers.hook_server import Hook, HookServer, first, registrations
from kaito.kube import errors
from kaito.kube.cert_sources import SelfSigned
from kaito.kube.certificates import LIFE, RENEW, SETTLE
from kaito.kube.client import Client, Object, Resource
from kaito.kube.resources import CRDS, ENDPOINT_SLICES, SECRETS, SERVICES, VALIDATING_WEBHOOKS
from kaito.local.apiserver import ApiServer

SECRET, HOST = "hook-cert", "hooks.default.svc"
OLD = Resource("kaito.sh", "v1alpha1", "workspaces", "Workspace", True)
NEW = Resource("kaito.sh", "v1beta1", "workspaces", "Workspace", True)
GOOD: Object = {
    "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "one", "namespace": "default"},
    "resource": {"labelSelector": {"matchLabels": {"apps": "one"}}},
    "inference": {"preset": {"name": "kaito-demo"}},
}  # fmt: skip


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    server = ApiServer(tmp_path)
    await server.start()
    yield Client(server.transport("test"))
    await server.stop()


async def until(true: Callable[[], Any]) -> None:
    """Until an asynchronous condition holds."""
    async with asyncio.timeout(20):
        while not await true():
            await asyncio.sleep(0.01)


class Clock:
    """So far behind the real time that a whole renewal has room; who checks certificates looks at the real one."""

    def __init__(self) -> None:
        self.behind = LIFE - RENEW + SETTLE

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind


async def behind_a_service(client: Client, port: int) -> None:
    """A Service that leads to a port of this machine, as the cluster's own controllers would write it."""
    ports = [{"name": "https", "port": 9443, "targetPort": port}]
    await client.create(SERVICES, {"metadata": {"name": "hooks", "namespace": "default"}, "spec": {"ports": ports}})
    labels = {"kubernetes.io/service-name": "hooks"}
    slices = {
        "metadata": {"name": "hooks-1", "namespace": "default", "labels": labels}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port}],
    }  # fmt: skip
    await client.create(ENDPOINT_SLICES, slices)


async def registered(client: Client) -> None:
    at = webhooks.Service("default", "hooks", 9443)
    for crd in all_crds():
        await client.apply(CRDS, with_webhook(crd, at(webhooks.CONVERT_PATH)), field_manager="chart")
    for configuration in webhooks.configurations(at):
        await client.apply(VALIDATING_WEBHOOKS, configuration, field_manager="chart")


async def filled(client: Client) -> bool:
    """Whether every registration of ours has a caBundle."""
    for one in registrations():
        obj = await client.get(one.resource, one.name)
        hooks = obj.get("webhooks") or [obj["spec"]["conversion"]["webhook"]]
        if not all(hook["clientConfig"].get("caBundle") for hook in hooks):
            return False
    return True


class Running:
    """A webhook behind a Service, with certificates of its own and a clock that can be set forward."""

    def __init__(self, client: Client) -> None:
        self.clock = Clock()
        self.source = SelfSigned(client, namespace="default", secret=SECRET, hosts=[HOST], now=self.clock)
        self.server = HookServer(client, Hook("127.0.0.1", 0, self.source, registrations()))


@pytest.fixture
async def running(client: Client) -> AsyncIterator[Running]:
    made = Running(client)
    assert made.server.unready == "the webhook has no certificate yet"
    _, port = await made.server.listen()
    await behind_a_service(client, port)
    await registered(client)
    task = asyncio.create_task(first(made.server.follow(), made.server.keeper.run()))
    await until(lambda: filled(client))
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.server.close()


async def test_what_is_wrong_is_refused_and_versions_are_converted(client: Client, running: Running) -> None:
    assert running.server.unready is None
    with pytest.raises(errors.ApiError, match=r"validation failed: inference\.template: cannot stand beside preset"):
        bad = {"preset": {"name": "kaito-demo"}, "template": {"spec": {"containers": []}}}
        await client.create(NEW, {**GOOD, "inference": bad})
    made = await client.create(OLD, {**GOOD, "apiVersion": OLD.api_version})
    assert made["apiVersion"] == OLD.api_version
    assert (await client.get(NEW, "one", "default"))["apiVersion"] == NEW.api_version
    listed, _ = await client.list(OLD, "default")
    assert [one["apiVersion"] for one in listed] == [OLD.api_version]


async def test_calls_go_on_through_a_whole_renewal(client: Client, running: Running) -> None:
    before = (await client.get(SECRETS, SECRET, "default"))["data"]

    async def works(name: str) -> None:
        await client.create(OLD, {**GOOD, "apiVersion": OLD.api_version, "metadata": GOOD["metadata"] | {"name": name}})

    await works("before")
    running.clock.behind = SETTLE
    await running.source.ensure()
    await works("prepared")
    running.clock.behind = timedelta()
    renewed = await running.source.ensure()
    assert renewed.data["server-cert.pem"] != before["server-cert.pem"]
    await works("renewed")


async def test_a_deletion_waits_for_nobody(client: Client, running: Running) -> None:
    await client.create(NEW, GOOD)
    await running.server.close()
    with pytest.raises(errors.Unavailable, match="failed calling webhook"):
        await client.create(NEW, {**GOOD, "metadata": GOOD["metadata"] | {"name": "two"}})
    await client.delete(NEW, "one", "default")
