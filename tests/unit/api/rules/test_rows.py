"""Every row and every oddity of the contract's validation rules has a test whose id begins with it."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from _pytest.mark.structures import Mark


def numbered(letter: str, last: int, first: int = 1) -> list[str]:
    return [f"{letter}{number}" for number in range(first, last + 1)]


ROWS = [
    *numbered("W", 12),
    *numbered("R", 17),
    *numbered("P", 9),
    *numbered("R", 28, 20),
    *numbered("I", 14),
    *numbered("A", 8),
    *numbered("IC", 7),
    *numbered("D", 10),
    *numbered("T", 11),
    *numbered("TC", 11),
    *numbered("N", 3),
    *numbered("S", 2),
    "V1",
    *numbered("IS", 9),
    *numbered("G", 18),
    *numbered("M", 11),
    *numbered("MM", 9),
]
"""Section 10 of the v0.12 contract. Without numbers there: N, the three ways to be a model's name (10.8:
registered, alias, Hugging Face id), and V1, the older version (10.10)."""

ODDITIES = {
    "W6": "re-checked on update",
    "W7": "re-checked on update",
    "W8": "re-checked on update",
    "W1": "63 characters are too many for the labels of pods",
    "R3": "expressions count as labels, and an empty selector selects nothing on brought nodes",
    "R9": "nodes without GPUs are ignored",
    "R16": "the bypass annotation is true or empty",
    "P": "accelerator partitions are compared with the nodes",
    "R20": "a null count is 1",
    "R25": "judged when the field changed",
    "I7": "a strength of 1 is none",
    "A1": "a null source",
    "A8": "strengths that are not finite",
    "A": "the limit on update",
    "IC4": "nested values",
    "IC6": "auto, -1 and suffixes; no other value up to 0",
    "IC": "judged again when the field changed",
    "D1": "on update",
    "D2": "readers of URLs that disagree",
    "D4": "normalised hosts",
    "D5": "every spelling of an internal address",
    "T9": "the model can be tuned",
    "TC11": "by path component, and absolute folders as they are",
    "TC1": "the name that was looked up",
    "N3": "a Hugging Face id has two parts",
    "IS1": "names of replicas are cut so that they can be served",
    "IS8": "one path",
    "IS9": "judged when what becomes of a replica changed, in both versions",
    "G1": "the path of the field",
    "G3": "a null spec",
    "G11": "digests, and registries with a port and no tag",
    "G13": "the path of the field",
    "G15": "judged when the field changed",
    "G18": "the rules of the provisioner",
    "G": "names of Services, vector databases, partitions, v1alpha1",
    "M1": "names that have room for what is made of them",
    "M10": "no default",
    "M": "the replicas that roles would be",
    "MM": "the namespace of the download and of its Secret",
}

DIFFERENT = {
    "W1": "on update a name is not judged: it cannot change, and an object must stay changeable",
    "R2": "the wrong name is said once, with what else is wrong",
    "R7": "nodes that cannot be listed are not judged: the Workspace is accepted and its condition says so",
    "R9": "where no node has GPUs nothing is refused: the model is served on processors",
    "R15": "sizes are numbers here; an unknown one is not judged",
    "R27": "a stored selector that cannot be read may be put right",
    "I4": "a hub is never asked in admission: what it says becomes a condition",
    "IC2": "a ConfigMap that cannot be read is not judged",
    "IC6": "judged for every model, not only for those with a known limit",
    "T2": "an unknown release namespace is not judged: the operator's own defaults are its own matter",
    "T3": "a ConfigMap that is named on update is judged as on create",
    "T4": "refused when the object is decoded, as a required field",
    "T6": "refused when the object is decoded, as a required field",
    "P8": "refused when the object is decoded, as a value outside the list",
    "S2": "drivers that cannot be read are not judged",
    "V1": "no rules of its own: the same as v1beta1, with a warning",
    "IS1": "on update a name is not judged: it cannot change",
    "IS2": "refused when the object is decoded, as below the least value",
    "IS3": "on update judged when the template changed",
    "IS4": "on update judged when the template changed",
    "IS6": "no @every, which names no time, no zone, and no day that never comes",
    "IS7": "what is no span of time is said like one that is not above 0",
    "G1": "absolute, with http or https: a path alone reaches nobody",
    "G3": "refused when the object is decoded, as a required field",
    "G6": "an unknown cloud is not judged; one that is none of ours is refused",
    "G14": "an unknown release namespace is not judged; an installation that has none refuses",
    "G15": "a ConfigMap that cannot be read is not judged",
    "M1": "on update a name is not judged: it cannot change",
    "M3": "refused when the object is decoded, as a required field",
    "M6": "refused when the object is decoded, by the length of the list",
    "M10": "refused when the object is decoded, as below the least value",
    "M11": "said with M7: two roles that differ are one prefill and one decode",
    "MM5": "refused when the object is decoded, as a value outside the list",
    "MM6": "also what can be no Hugging Face id",
    "MM8": "also what is not above 0",
    "MM9": "a StorageClass that cannot be read is not judged",
}
"""Rows that are covered and differ from the contract on purpose."""


def test_every_row_has_a_test() -> None:
    covered = {row for row in ROWS if any(name.startswith(f"{row}-") or f"ODDITY-{row}-" in name for name in ids())}
    assert sorted(set(ROWS) - covered) == []
    assert (len(covered), len(ROWS)) == (161, 161)


def test_every_oddity_has_a_test() -> None:
    known = ids()
    assert [row for row in ODDITIES if not any(name.startswith(f"ODDITY-{row}-") for name in known)] == []


def test_every_difference_is_of_a_row() -> None:
    assert set(DIFFERENT) <= set(ROWS)


def ids() -> set[str]:
    """The ids of all rows of all tables of this folder."""
    found = set(_ids())
    assert len(found) > 400
    return found


def _ids() -> Iterator[str]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.name == Path(__file__).name:
            continue
        module = importlib.import_module(f"tests.unit.api.rules.{path.stem}")
        for test in vars(module).values():
            for mark in getattr(test, "pytestmark", ()):
                yield from _of(mark)


def _of(mark: Mark) -> Iterator[str]:
    named = mark.kwargs.get("ids")
    for case in mark.args[1]:
        if getattr(case, "id", None):
            yield str(case.id)
        elif callable(named):
            yield str(named(case))
