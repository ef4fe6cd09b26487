"""Completion indexes of an Indexed Job, written as Kubernetes writes them: "0-2,5". Pure."""

from collections.abc import Iterable

INDEX = "batch.kubernetes.io/job-completion-index"


def parse(text: str) -> set[int]:
    """The numbers in "0-2,5"."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def show(numbers: Iterable[int]) -> str:
    """Sorted numbers as ranges."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
