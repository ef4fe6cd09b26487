"""render: the objects that the operator would apply for a manifest, without any cluster."""

from typing import Annotated, Any

import typer

from kaito.cli.objects import Files
from kaito.cli.options import Namespace, Output, dump

HEADER = "# What KAITO applies. ownerReferences are left out: a Workspace that is not created has no uid.\n"


def render(
    filename: Files,
    instance_type: Annotated[
        str | None, typer.Option("--instance-type", help="On this machine type; default: the manifest's, or this host.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", help="Serving image of the operator's installation; default: the local one."),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print.")] = Output.yaml,
    namespace: Namespace = None,
) -> None:
    """Print the objects that would be created for the Workspaces of a manifest. Contacts no cluster."""
    import asyncio

    from kaito.cli import rendering
    from kaito.cli.manifests import read_manifests

    manifest = rendering.Manifest.of([one.value for one in read_manifests(filename)], namespace=namespace or "default")
    made: list[dict[str, Any]] = []
    for ws in manifest.workspaces:
        target = rendering.target(ws, instance_type=instance_type, image=image)
        made += asyncio.run(rendering.objects(ws, manifest, target))
    if output is Output.json:
        print(dump({"apiVersion": "v1", "kind": "List", "items": made}, output))
    elif output is Output.yaml:
        owned = any("ownerReferences" in one["metadata"] for one in made)
        print(("" if owned else HEADER) + "---\n".join(f"{dump(one, output)}\n" for one in made), end="")
    else:
        from kaito.cli import view

        view.print_objects(made)


def register(app: typer.Typer) -> None:
    app.command()(render)
