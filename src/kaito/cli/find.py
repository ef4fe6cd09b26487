"""From what a person writes for a model (a catalogue name, a Hugging Face id, a folder) to what is known of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from kaito.cli.errors import NOT_FOUND, UNREACHABLE, CliError
from kaito.models.profile import ModelError, ModelProfile
from kaito.models.record import Kind


@dataclass(frozen=True)
class Found:
    """A model. ``id`` is its Hugging Face id, or its folder; ``license`` and ``revision`` None where unknown.

    ``layers_known``: whether it is known what each layer keeps, so that the cache is no upper bound.
    """

    name: str
    id: str
    profile: ModelProfile
    kind: Kind
    gated: bool = False
    revision: str | None = None
    license: str | None = None
    task: str | None = None
    base_model: tuple[str, ...] = ()
    layers_known: bool = True
    weight_format: str = "auto"
    source: str = "catalogue"


def model(name: str) -> Found:
    """The model. Reads the network only for an id that the catalogue lacks. Raises CliError."""
    from kaito.models import catalogue

    if is_folder(name):
        return _folder(Path(name).expanduser())
    try:
        if "/" in name and catalogue.find(name) is None:
            return _on_hub(name)
        entry = catalogue.lookup(name)
        made = entry.profile()
    except catalogue.UnknownModelError as exc:
        raise CliError(_sentence(exc), NOT_FOUND) from exc
    except ModelError as exc:
        raise CliError(str(exc), NOT_FOUND) from exc
    return Found(
        name=entry.name,
        id=entry.id,
        profile=made,
        kind=entry.kind,
        gated=entry.gated,
        revision=entry.revision,
        license=entry.license,
        task=entry.task,
        base_model=entry.base_model,
        layers_known=entry.layers_known,
        weight_format=entry.format,
    )


def is_folder(name: str) -> bool:
    """Whether a path is meant: it begins like one, or has more parts than a Hugging Face id."""
    return name.startswith(("/", "./", "../", "~")) or name in (".", "..") or name.count("/") > 1


def _sentence(exc: Exception) -> str:
    text = str(exc)
    return text if "kaito models list" in text else f"{text} `kaito models list` shows all."


def _folder(path: Path) -> Found:
    from kaito.models.folder import from_folder

    folder = path.absolute()
    try:
        made = from_folder(folder)
    except ModelError as exc:
        raise CliError(str(exc), NOT_FOUND) from exc
    return Found(folder.name, str(folder), made, _kind(made), source="folder")


def _kind(made: ModelProfile) -> Kind:
    """What a model outside the catalogue is for, as far as its files tell."""
    return Kind.INSTRUCT if made.has_chat_template else Kind.BASE


def _on_hub(name: str) -> Found:
    import asyncio

    from kaito.cli import hubs
    from kaito.models import hub

    async def ask() -> hub.HubModel:
        which = hubs.options()
        token = os.environ.get("HF_TOKEN")
        async with hub.Hub(which.endpoint, token, cache=which.cache, offline=which.offline) as client:
            return await client.model(name)

    try:
        found = asyncio.run(ask())
    except hub.HubUnavailableError as exc:
        raise CliError(str(exc), UNREACHABLE) from exc
    except ModelError as exc:
        raise CliError(str(exc), NOT_FOUND) from exc
    return Found(
        name=found.id,
        id=found.id,
        profile=found.profile,
        kind=_kind(found.profile),
        gated=found.gated,
        revision=found.revision,
        license=found.license,
        task=found.task,
        base_model=found.base_model,
        weight_format=found.weight_format,
        source="hub",
    )
