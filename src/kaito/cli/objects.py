"""apply, get, status, logs, wait, delete: commands on objects of a cluster, local or not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaito.cli.errors import NOT_READY, UNREACHABLE, CliError, from_api
from kaito.cli.options import Kubeconfig, Namespace, Output, OutputOption, dump

if TYPE_CHECKING:
    from kaito.cli.manifests import Manifest

Files = Annotated[
    list[Path],
    typer.Option("--filename", "-f", help="A manifest, or a folder of them; '-' is standard input. Repeatable."),
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait.")]


def apply(filename: Files, namespace: Namespace = None, kubeconfig: Kubeconfig = None) -> None:
    """Create or change the objects of a manifest."""
    from kaito.cli.connect import Session, run
    from kaito.cli.manifests import read_manifests

    manifests = read_manifests(filename)

    async def action(session: Session) -> None:
        for one in manifests:
            with located(one):
                await _apply(session, one.value)

    run(action, kubeconfig=kubeconfig, namespace=namespace)


@contextmanager
def located(manifest: "Manifest") -> Iterator[None]:
    """What is refused of an object is told with the file and line where it begins. Raises CliError."""
    from kaito.kube.errors import ApiError

    try:
        yield
    except CliError as exc:
        raise CliError(f"{manifest.where}: {exc}", exc.code) from exc
    except ApiError as exc:
        told = from_api(exc)
        if told.code == UNREACHABLE:
            raise
        raise CliError(f"{manifest.where}: {told}", told.code) from exc


async def _apply(session: Any, obj: dict[str, Any]) -> None:
    from kaito.cli.connect import FIELD_MANAGER, resource_of

    resource = await resource_of(session.client, obj["apiVersion"], obj["kind"])
    if resource.namespaced:
        obj["metadata"] = {"namespace": session.namespace} | (obj.get("metadata") or {})
    before = await _get_or_none(session, resource, obj)
    after = await session.client.apply(resource, obj, field_manager=FIELD_MANAGER, force=True)
    name = f"{resource.kind.lower()}{'.' + resource.group if resource.group else ''}/{obj['metadata']['name']}"
    print(f"{name} {_what_happened(before, after)}")


async def _get_or_none(session: Any, resource: Any, obj: dict[str, Any]) -> dict[str, Any] | None:
    from kaito.kube.errors import NotFound

    if "name" not in obj.get("metadata", {}):
        raise CliError(f"metadata.name: is missing in a {obj['kind']}: give the object a name")
    try:
        return await session.client.get(resource, obj["metadata"]["name"], obj["metadata"].get("namespace"))
    except NotFound:
        return None


def _what_happened(before: dict[str, Any] | None, after: dict[str, Any]) -> str:
    if before is None:
        return "created"
    same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    return "unchanged" if same else "configured"


def get(
    name: Annotated[str | None, typer.Argument(help="One Workspace; all of them when left out.")] = None,
    output: OutputOption = Output.table,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List Workspaces, or show one."""
    from kaito.cli.connect import WORKSPACES, Session, run

    async def action(session: Session) -> list[dict[str, Any]]:
        if name is not None:
            return [await session.client.get(WORKSPACES, name, session.namespace)]
        return (await session.client.list(WORKSPACES, session.namespace))[0]

    found = run(action, kubeconfig=kubeconfig, namespace=namespace)
    if output is not Output.table:
        print(dump(found[0] if name is not None else found, output))
        return
    from kaito.cli import view

    view.print_workspaces(found)


def status(
    name: Annotated[str, typer.Argument(help="The Workspace.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow until it is ready.")] = False,
    output: OutputOption = Output.table,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Say how a Workspace is, why, and what comes next. Ends with 3 when it is not ready."""
    from kaito.cli import view
    from kaito.cli.connect import WORKSPACES, Session, run

    async def action(session: Session) -> dict[str, Any]:
        if watch:
            return await view.follow(session, name, timeout=None)
        return await session.client.get(WORKSPACES, name, session.namespace)

    workspace = run(action, kubeconfig=kubeconfig, namespace=namespace)
    if output is not Output.table:
        print(dump(workspace, output))
    elif not watch:
        view.print_status(workspace)
    if not view.is_ready(workspace):
        raise typer.Exit(NOT_READY)


def wait(
    name: Annotated[str, typer.Argument(help="The Workspace.")],
    timeout: Timeout = 600,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Wait until a Workspace answers, saying what it waits for. Ends with 3 when the time is over."""
    from kaito.cli import view
    from kaito.cli.connect import Session, run

    async def action(session: Session) -> dict[str, Any]:
        return await view.follow(session, name, timeout=timeout)

    workspace = run(action, kubeconfig=kubeconfig, namespace=namespace)
    if not view.is_ready(workspace):
        raise CliError(f"workspace/{name} is not ready after {timeout:g} s: {view.why(workspace)}", NOT_READY)


def logs(
    name: Annotated[str, typer.Argument(help="The Workspace.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", help="Only the last lines.")] = None,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the container before the restart.")] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what the Workspace's leader pod wrote."""
    import sys

    from kaito.cli.connect import WORKSPACES, Session, run

    async def action(session: Session) -> None:
        await session.client.get(WORKSPACES, name, session.namespace)
        stream = session.client.logs(
            session.namespace, f"{name}-0", container=None, follow=follow, tail=tail, previous=previous
        )
        async for chunk in stream:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()

    run(action, kubeconfig=kubeconfig, namespace=namespace)


def delete(
    name: Annotated[str | None, typer.Argument(help="A Workspace.")] = None,
    filename: Annotated[list[Path] | None, typer.Option("--filename", "-f", help="The objects of a manifest.")] = None,
    timeout: Timeout = 120,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Delete a Workspace and all it owns, or the objects of a manifest."""
    from kaito.cli.connect import WORKSPACES, Session, resource_of, run
    from kaito.cli.manifests import read_manifests

    if (name is None) == (not filename):
        raise CliError("give either the name of a Workspace or -f MANIFEST")
    objects = [one.value for one in read_manifests(filename)][::-1] if filename else []

    async def action(session: Session) -> None:
        targets = [(WORKSPACES, name, session.namespace)] if name else []
        for obj in objects:
            resource = await resource_of(session.client, obj["apiVersion"], obj["kind"])
            where = obj["metadata"].get("namespace", session.namespace) if resource.namespaced else None
            targets.append((resource, obj["metadata"]["name"], where))
        for resource, target, where in targets:
            await _delete(session, resource, target, where, timeout)
            print(f"{resource.kind.lower()}/{target} deleted")

    run(action, kubeconfig=kubeconfig, namespace=namespace)


async def _delete(session: Any, resource: Any, name: str, namespace: str | None, timeout: float) -> None:
    """Delete and wait until the object is gone, as kubectl does."""
    from kaito.cli.view import deleting
    from kaito.kube.errors import NotFound

    await session.client.delete(resource, name, namespace)
    left: dict[str, Any] = {}
    try:
        async with asyncio.timeout(timeout):
            while True:
                left = await session.client.get(resource, name, namespace)
                await asyncio.sleep(0.1)
    except NotFound:
        return
    except TimeoutError as exc:
        why = f": {deleting(left)}" if left else ""
        raise CliError(f"{resource.kind.lower()}/{name} is still there after {timeout:g} s{why}", NOT_READY) from exc


def register(app: typer.Typer) -> None:
    for command in (apply, get, status, wait, logs, delete):
        app.command()(command)
