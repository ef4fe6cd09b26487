"""validate: what admission would say of manifests, with file and line. Contacts no cluster."""

from enum import StrEnum
from typing import Annotated

import typer

from kaito.cli.errors import REFUSED, USAGE
from kaito.cli.objects import Files
from kaito.cli.operate import Cloud
from kaito.cli.options import Namespace, Output, OutputOption, dump


class Provisioner(StrEnum):
    """Who makes nodes, as kaito.api.validation.facts has it."""

    azure = "azure-gpu-provisioner"
    karpenter = "karpenter"
    byo = "byo"
    local = "local"


def validate(
    filename: Files,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="Folders below the given ones too.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    provisioner: Annotated[
        Provisioner | None,
        typer.Option("--provisioner", help="Who makes nodes where it will run; default: nothing is assumed."),
    ] = None,
    cloud: Annotated[
        Cloud | None, typer.Option("--cloud", help="Whose machine types are meant; default: those of all.")
    ] = None,
    output: OutputOption = Output.table,
    namespace: Namespace = None,
) -> None:
    """Say what admission would refuse in manifests, with file and line. Contacts no cluster.

    ConfigMaps and Secrets in the files are looked at where a Workspace names them. Ends with 4 when an object would be
    refused, with 1 when a file cannot be read.
    """
    import asyncio

    from kaito.cli import judging, manifests, validate_view
    from kaito.controllers.admission_facts import FactSettings

    sources = manifests.read(filename, recursive=recursive)
    found = [one for source in sources for one in source.manifests]
    settings = FactSettings(provisioner.value if provisioner else None, cloud.value if cloud else None)
    said = asyncio.run(judging.verdict(found, settings, namespace=namespace or "default"))
    report = validate_view.Report.of(sources, said)
    if output is not Output.table:
        print(dump(report.as_json(), output))
    else:
        validate_view.show(report)
    if report.unreadable:
        raise typer.Exit(USAGE)
    if report.errors or (strict and report.warnings):
        raise typer.Exit(REFUSED)


def register(app: typer.Typer) -> None:
    app.command()(validate)
