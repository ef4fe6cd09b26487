"""The models that KAITO knows by name, with the facts that a plan needs, so that planning one reads no network.

``catalogue.jsonl`` holds one model a line; its facts are those of KAITO v0.12. Names are looked up without regard to
case and shown as their authors spell them.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from kaito.models.folder import from_folder
from kaito.models.profile import ModelError, ModelProfile, profile

HERE: Final = Path(__file__).parent
GIB: Final = 1 << 30
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


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model. ``id`` is its Hugging Face id, or the name of a model that comes with this package.

    ``revision`` is the commit that KAITO v0.12 lists, None where it lists none. ``format`` is how the weights are
    stored: ``auto``, or ``mistral``. ``gated``: its files are read with a token of someone who accepted its licence.
    """

    id: str
    alias: str | None
    license: str
    task: str | None
    revision: str | None
    gated: bool
    format: str
    folder: Path | None
    facts: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What a person writes: the short alias where there is one, else the id."""
        return self.alias or self.id

    @property
    def served_name(self) -> str:
        """The name under which the API serves it: the id's last part in lower case."""
        return self.id.rpartition("/")[2].lower()

    def profile(self) -> ModelProfile:
        """The model in numbers. Reads files only for a model that comes with this package; raises ModelError."""
        if self.folder is not None:
            if not self.folder.is_dir():
                raise ModelError(
                    f"{self.id}: its folder {self.folder} is not there: this installation is incomplete. "
                    "Install kaito again, or choose another model."
                )
            return from_folder(self.folder, self.id)
        return _profile(self.served_name, self.facts)


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
    lines = (HERE / "catalogue.jsonl").read_text().splitlines()
    found = [_entry(json.loads(line)) for line in lines if line]
    return tuple(sorted(found, key=lambda entry: (entry.folder is None, entry.name.lower())))


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
    found = {entry.id.lower(): entry for entry in entries()}
    return found | {entry.alias.lower(): entry for entry in entries() if entry.alias}


def _entry(facts: dict[str, Any]) -> CatalogueEntry:
    folder = facts.get("folder")
    return CatalogueEntry(
        id=facts["id"],
        alias=facts.get("alias"),
        license=facts["license"],
        task=facts.get("task"),
        revision=facts.get("revision"),
        gated=facts.get("gated", False),
        format=facts.get("format", "auto"),
        folder=HERE / folder if folder else None,
        facts=facts,
    )


def _profile(name: str, facts: Mapping[str, Any]) -> ModelProfile:
    quantization = {"quant_method": facts.get("quantization"), "bits": facts.get("quantization_bits")}
    config = {
        "architectures": [facts["architecture"]],
        "max_position_embeddings": facts["context"],
        "num_hidden_layers": facts["layers"],
        "num_attention_heads": facts["heads"],
        "num_key_value_heads": facts["kv_heads"],
        "hidden_size": facts["hidden"],
        "head_dim": facts.get("head_dim"),
        "kv_lora_rank": facts.get("kv_lora_rank"),
        "qk_rope_head_dim": facts.get("qk_rope_head_dim"),
        "quantization_config": quantization,
    }
    weights = int(float(facts["weights_gib"]) * GIB)
    return profile(name, config, weight_bytes=weights, has_tokenizer=True, has_chat_template=facts.get("chat", True))
