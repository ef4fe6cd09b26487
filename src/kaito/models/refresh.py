"""A record made anew from what a hub tells of its model. Pure, but for ``write``."""

import difflib
import os
import tempfile
from pathlib import Path
from typing import Final

from kaito.models.engine import engine_options
from kaito.models.hub import HubModel
from kaito.models.profile import ModelError
from kaito.models.record import CatalogueEntry, Kind, kept

EMBEDS: Final = ("feature-extraction", "sentence-similarity")
"""Tasks of models that turn text into vectors."""
UNKNOWN: Final = "unknown"
"""The licence of a model whose card names none."""


def refreshed(found: HubModel, old: CatalogueEntry | None) -> CatalogueEntry:
    """The record of what was found, pinned to its commit.

    ``old`` is the model's record so far: its alias and kind stay, and what the hub does not say: what a card leaves
    out, and keys of config.json that a record writes out because the file leaves them to a default of the model's
    code. Raises ModelError when the hub calls the model by another name, or does not say what a plan needs.
    """
    if old is not None and old.id != found.id:
        raise ModelError(
            f"{old.id}: the hub calls it {found.id} now. Move its record to {found.id}.yaml, change its id, "
            "and refresh it again."
        )
    config = (dict(old.config) if old is not None else {}) | kept(found.config)
    for key in ("architectures", "num_hidden_layers"):
        if not config.get(key):
            raise ModelError(f"{found.id}: its configuration names no {key}. Write its record by hand, then refresh.")
    return CatalogueEntry(
        id=found.id,
        kind=old.kind if old is not None else kind_of(found),
        license=found.license or (old.license if old is not None else UNKNOWN),
        alias=old.alias if old is not None else None,
        task=found.task or (old.task if old is not None else None),
        base_model=found.base_model or (old.base_model if old is not None else ()),
        revision=found.revision,
        gated=found.gated,
        format=found.weight_format,
        weights=found.weight_bytes,
        config=config,
    )


def kind_of(found: HubModel) -> Kind:
    """What a new model is for, as far as its files tell: its author's word is better."""
    if found.task in EMBEDS:
        return Kind.EMBEDDING
    if not found.has_chat_template:
        return Kind.BASE
    architectures = found.config.get("architectures") or ()
    thinks = engine_options(found.id, architectures, weight_format=found.weight_format).reasoning_parser
    return Kind.REASONING if thinks else Kind.INSTRUCT


def difference(old: str, new: str, name: str) -> str:
    """The lines that change, as `diff -u` writes them; empty when none does. ``old`` is empty for a new record."""
    before = f"a/{name}" if old else "/dev/null"
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), before, f"b/{name}", n=1, lineterm="")
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Write a record wholly or not at all. Raises ModelError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise ModelError(f"{path}: cannot be written: {exc.strerror}. Name a folder of yours with --to.") from exc
