"""models refresh: records of the catalogue made anew from a hub."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaito.cli.errors import NOT_FOUND, UNREACHABLE, USAGE, CliError

if TYPE_CHECKING:
    from kaito.models.hub import Hub


def refresh(
    names: Annotated[list[str], typer.Argument(help="Catalogue names, or Hugging Face ids of new models.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="The hub; default: $HF_ENDPOINT, else huggingface.co.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The folder of the records; default: that of this installation.")
    ] = None,
) -> None:
    """Make records of the catalogue anew from the hub, and show what changes.

    Pins each to the commit that its main branch names now, and reads the sizes out of the headers of its weights, and
    licence, task and base model off its card. A Hugging Face id that the catalogue lacks gets a record. $HF_TOKEN opens
    gated models. See docs/preset-onboarding.md.
    """
    from kaito.cli import hubs
    from kaito.models.catalogue import RECORDS
    from kaito.models.hub import Hub, HubUnavailableError
    from kaito.models.profile import ModelError

    folder, which = to or RECORDS, hubs.options()
    if which.offline:
        raise CliError("HF_HUB_OFFLINE is set, and a record is made from the hub: clear it", USAGE)

    async def each() -> list[tuple[str, int]]:
        failed = []
        async with Hub(endpoint or which.endpoint, os.environ.get("HF_TOKEN")) as hub:
            for name in names:
                try:
                    print(await _one(hub, name, folder, dry_run=dry_run))
                except HubUnavailableError as exc:
                    failed.append((str(exc), UNREACHABLE))
                except ModelError as exc:
                    failed.append((str(exc), NOT_FOUND))
        return failed

    try:
        failed = asyncio.run(each())
    except ModelError as exc:
        raise CliError(str(exc), USAGE) from exc
    if failed:
        raise CliError("\nerror: ".join(text for text, _ in failed), failed[0][1])


async def _one(hub: "Hub", name: str, folder: Path, *, dry_run: bool) -> str:
    """Refresh one record; what happened, for people. Raises ModelError."""
    from kaito.models import catalogue
    from kaito.models.profile import ModelError
    from kaito.models.record import parse, text_of
    from kaito.models.refresh import difference, refreshed, write

    entry = catalogue.lookup(name) if "/" not in name else catalogue.find(name)
    if entry is not None and entry.folder is not None:
        raise ModelError(f"{entry.id}: comes with KAITO, not from a hub: there is nothing to refresh")
    found = await hub.model(entry.id if entry is not None else name)
    path = catalogue.path_of(found.id, folder)
    old = path.read_text() if path.is_file() else ""
    made = refreshed(found, parse(old, str(path)) if old else entry)
    new = text_of(made)
    parse(new, found.id)
    changes = difference(old, new, f"{found.id}.yaml")
    if not changes:
        return f"{found.id}: up to date"
    if dry_run:
        return f"{changes}\n{found.id}: would be written to {path}"
    write(path, new)
    return f"{changes}\n{found.id}: written to {path}"
