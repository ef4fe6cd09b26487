"""From a synchronous command to the cluster's API and back, with errors turned into sentences."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kaito.cli.errors import UNREACHABLE, USAGE, CliError, from_api
from kaito.kube import config, errors
from kaito.kube.client import Client, Resource

T = TypeVar("T")

WORKSPACES = Resource("kaito.sh", "v1beta1", "workspaces", "Workspace", True)
FIELD_MANAGER = "kaito"


@dataclass(frozen=True)
class Session:
    """One command's view of a cluster."""

    client: Client
    namespace: str


def run(action: Callable[[Session], Awaitable[T]], *, kubeconfig: Path | None, namespace: str | None) -> T:
    """Open the cluster, run ``action``, close it. Raises CliError for everything a person can act on."""

    async def main() -> T:
        loaded = config.load(kubeconfig)
        transport = loaded.transport()
        try:
            return await action(Session(Client(transport), namespace or loaded.namespace or "default"))
        finally:
            await transport.close()

    try:
        return asyncio.run(main())
    except errors.ApiError as exc:
        raise from_api(exc) from exc
    except config.ConfigError as exc:
        raise CliError(str(exc), UNREACHABLE) from exc


async def resource_of(client: Client, api_version: str, kind: str) -> Resource:
    """Where objects of this kind live, asked of the server's own discovery. Raises CliError when it knows none."""
    group, _, version = api_version.rpartition("/")
    prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
    try:
        listing = await client.request_json("GET", prefix)
    except errors.NotFound as exc:
        raise CliError(f"apiVersion: '{api_version}' is not served by this cluster", USAGE) from exc
    for entry in listing["resources"]:
        if entry["kind"] == kind and "/" not in entry["name"]:
            return Resource(group, version, entry["name"], kind, entry["namespaced"])
    raise CliError(f"kind: '{kind}' is not a kind of {api_version} on this cluster", USAGE)
