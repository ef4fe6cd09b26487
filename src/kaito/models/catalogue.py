"""The models that KAITO knows by name, with the facts that a plan needs, so that planning one reads no network.

``catalogue/`` holds one record a model, ``ORG/Name.yaml``, as kaito.models.record reads and writes them. Names are
looked up without regard to case and shown as their authors spell them.
"""

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from kaito.models.profile import ModelError
from kaito.models.record import CatalogueEntry, parse

RECORDS: Final = Path(__file__).parent / "catalogue"
CLOSE: Final = 3
RETIRED: Final = {
    "falcon-7b": "use tiiuae/falcon-7b",
    "falcon-7b-instruct": "use tiiuae/falcon-7b-instruct",
    "falcon-40b": "use tiiuae/falcon-40b",
    "falcon-40b-instruct": "use tiiuae/falcon-40b-instruct",
    "phi-2": "it is deprecated; use phi-4-mini-instruct",
}
"""Names of earlier releases that name no model now."""


class UnknownModelError(ModelError):
    """No model has this name; ``name`` is what was asked for and ``close`` the names that look like it."""

    def __init__(self, name: str, close: tuple[str, ...], remedy: str) -> None:
        super().__init__(f"model {name!r} is not in the catalogue: {remedy}")
        self.name, self.close, self.remedy = name, close, remedy


def lookup(name: str) -> CatalogueEntry:
    """The entry that a catalogue name, in any case, stands for: an alias or an id.

    Raises UnknownModelError naming the closest names.
    """
    key = name.strip().lower()
    found = _by_key().get(key)
    if found is not None:
        return found
    if key in RETIRED:
        raise UnknownModelError(name, (), RETIRED[key])
    close = closest(key)
    if close:
        raise UnknownModelError(name, close, f"did you mean {' or '.join(close)}?")
    raise UnknownModelError(name, (), "use a Hugging Face id (org/model), or a name of `kaito models list`")


def find(name: str) -> CatalogueEntry | None:
    """The entry of that name, in any case, or None."""
    return _by_key().get(name.strip().lower())


def names() -> tuple[str, ...]:
    """The name of each model, the package's own first, then in the alphabet's order."""
    return tuple(entry.name for entry in entries())


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Every model, in the order of ``names``."""
    return read(RECORDS)


def read(folder: Path) -> tuple[CatalogueEntry, ...]:
    """The records below ``folder``, in the order of ``names``.

    Raises ModelError for a record that cannot be read, lies where its id does not say, or takes another's name.
    """
    found: dict[Path, CatalogueEntry] = {}
    for path in sorted(folder.glob("**/*.yaml")):
        found[path] = entry = parse(path.read_text(), str(path))
        if path != path_of(entry.id, folder):
            raise ModelError(f"{path}: id: {entry.id} belongs in {path_of(entry.id, folder)}. Move the file.")
    owners: dict[str, Path] = {}
    for path, entry in found.items():
        for key in _keys(entry):
            if owners.setdefault(key, path) != path:
                raise ModelError(f"{path}: {key!r} is the name of {owners[key]} too. Choose another alias.")
    return tuple(sorted(found.values(), key=lambda entry: (entry.folder is None, entry.name.lower())))


def path_of(model_id: str, folder: Path = RECORDS) -> Path:
    """Where the record of a model lies: ``ORG/Name.yaml``, as its authors spell it."""
    return folder / f"{model_id}.yaml"


def closest(key: str) -> tuple[str, ...]:
    """At most three names that look like ``key``, which is in lower case; the closest first."""
    same = tuple(entry.name for entry in entries() if entry.served_name == key)
    if same:
        return same
    spellings = {entry.served_name: entry.name for entry in entries()} | {
        known: entry.name for known, entry in _by_key().items()
    }
    found = difflib.get_close_matches(key, spellings, n=2 * CLOSE, cutoff=0.6)
    found += [known for known in spellings if len(key) > 2 and known.rpartition("/")[2].startswith(key)]
    return tuple(dict.fromkeys(spellings[known] for known in found))[:CLOSE]


@cache
def _by_key() -> Mapping[str, CatalogueEntry]:
    return {key: entry for entry in entries() for key in _keys(entry)}


def _keys(entry: CatalogueEntry) -> set[str]:
    return {name.lower() for name in (entry.id, entry.alias) if name}
