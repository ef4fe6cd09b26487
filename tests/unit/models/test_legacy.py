"""The names of KAITO v0.12: which still name a model, and at which commit, and what the others are told."""

from pathlib import Path

import pytest

from kaito.models.catalogue import UnknownModelError, entries, lookup

ROWS = [
    tuple(cell.strip() for cell in line.split("|"))
    for line in (Path(__file__).parent / "v012_legacy.txt").read_text().splitlines()
    if not line.startswith("#")
]
USABLE = [row for row in ROWS if row[3] == "yes"]
RETIRED = [row for row in ROWS if row[3] != "yes"]


def test_the_release_lists_thirty_models() -> None:
    assert (len(USABLE), len(RETIRED)) == (25, 5)


@pytest.mark.parametrize("row", USABLE, ids=[row[0] for row in USABLE])
def test_a_name_of_the_release_names_the_same_commit(row: tuple[str, str, str, str]) -> None:
    name, repository, revision, _ = row
    entry = lookup(name)
    assert (entry.name, entry.id) == (name, repository)
    assert entry.revision is not None
    assert entry.revision.startswith(revision)


@pytest.mark.parametrize("row", RETIRED, ids=[row[0] for row in RETIRED])
def test_a_retired_name_is_told_what_to_write(row: tuple[str, str, str, str]) -> None:
    """ODDITY: the original lists Falcon by names that it then refuses as unknown."""
    name, repository, _, reason = row
    with pytest.raises(UnknownModelError) as caught:
        lookup(name.upper())
    remedy = "it is deprecated; use phi-4-mini-instruct" if reason == "deprecated" else f"use {repository}"
    assert str(caught.value).endswith(f"is not in the catalogue: {remedy}")


def test_no_other_model_of_the_release_has_an_alias() -> None:
    listed = {row[0] for row in USABLE}
    assert {entry.alias for entry in entries() if entry.alias} == listed


# Names that v0.12's tuning table knows, and the models that they mean.
TUNABLE = {
    "phi-4": "microsoft/phi-4",
    "phi-4-mini-instruct": "microsoft/Phi-4-mini-instruct",
    "phi-3-mini-4k-instruct": "microsoft/Phi-3-mini-4k-instruct",
    "phi-3-mini-128k-instruct": "microsoft/Phi-3-mini-128k-instruct",
    "phi-3-medium-4k-instruct": "microsoft/Phi-3-medium-4k-instruct",
    "phi-3-medium-128k-instruct": "microsoft/Phi-3-medium-128k-instruct",
    "phi-3.5-mini-instruct": "microsoft/Phi-3.5-mini-instruct",
    "mistral-7b-v0.3": "mistralai/Mistral-7B-v0.3",
    "qwen2.5-coder-7b-instruct": "Qwen/Qwen2.5-Coder-7B-Instruct",
    "qwen2.5-coder-32b-instruct": "Qwen/Qwen2.5-Coder-32B-Instruct",
}


@pytest.mark.parametrize(("served_name", "model_id"), TUNABLE.items(), ids=TUNABLE)
def test_a_served_name_of_the_tuning_table_belongs_to_one_model(served_name: str, model_id: str) -> None:
    assert [entry.id for entry in entries() if entry.served_name == served_name] == [model_id]
