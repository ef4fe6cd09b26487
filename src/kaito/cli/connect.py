"""From a synchronous command to the cluster's API and back, with errors turned into sentences."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kaito.cli.errors import NOT_FOUND, UNREACHABLE, USAGE, CliError, from_api
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


def read_manifests(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Every object of the given YAML or JSON files ('-' is standard input), in order.

    Raises CliError naming the file and, for malformed YAML, the line.
    """
    import sys

    import yaml

    found: list[dict[str, Any]] = []
    for path in files:
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text()
        except OSError as exc:
            raise CliError(f"{path}: cannot be read: {exc.strerror}", NOT_FOUND) from exc
        except UnicodeDecodeError as exc:
            raise CliError(f"{path}: is not text in UTF-8") from exc
        try:
            documents = [doc for doc in yaml.safe_load_all(text) if doc is not None]
        except yaml.YAMLError as exc:
            mark = getattr(exc, "problem_mark", None)
            where = f":{mark.line + 1}" if mark else ""
            raise CliError(f"{path}{where}: is not valid YAML: {getattr(exc, 'problem', None) or exc}") from exc
        for doc in documents:
            if not isinstance(doc, dict) or not doc.get("apiVersion") or not doc.get("kind"):
                raise CliError(f"{path}: every document needs apiVersion and kind")
            found.extend(doc["items"] if doc["kind"] == "List" else [doc])
    if not found:
        raise CliError("no object found in the given files")
    return found
