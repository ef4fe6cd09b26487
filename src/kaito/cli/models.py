"""models list, describe, refresh: the catalogue, and all that is known of one model. Needs no cluster."""

from typing import Annotated, Any

import typer

from kaito.cli.errors import NOT_FOUND, CliError
from kaito.cli.options import Output, OutputOption, dump
from kaito.cli.refresh import refresh

app = typer.Typer(help="The models that KAITO knows by name.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_models(
    family: Annotated[
        str | None, typer.Option("--family", help="Only one family or publisher: qwen, phi, microsoft.")
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """List the catalogue: parameters, context, size of the weights, what it is for, gated or open."""
    from kaito.cli import facts
    from kaito.models import catalogue

    rows = [facts.summary(entry) for entry in catalogue.entries()]
    if family is not None:
        wanted = family.strip().lower()
        families = sorted({word for row in rows for word in (row["family"], row["publisher"]) if word})
        rows = [row for row in rows if wanted in (row["family"], row["publisher"])]
        if not rows:
            raise CliError(f"--family: {family!r} is not in the catalogue; use one of {', '.join(families)}", NOT_FOUND)
    if output is not Output.table:
        print(dump(rows, output))
        return
    from kaito.cli import models_view

    models_view.show_list(rows)


@app.command("describe")
def describe(
    model: Annotated[str, typer.Argument(help="A catalogue name, a Hugging Face id, or a folder.")],
    output: OutputOption = Output.table,
) -> None:
    """Say all that is known of a model, with the engine options that it gets."""
    from kaito.cli import facts, find

    described: dict[str, Any] = facts.description(find.model(model))
    if output is not Output.table:
        print(dump(described, output))
        return
    from kaito.cli import models_view

    models_view.show_one(described)


app.command("refresh")(refresh)


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="models")
