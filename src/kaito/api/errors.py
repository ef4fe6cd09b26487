"""What is wrong with an object, said so that fixing the named field is enough."""

from collections.abc import Sequence
from typing import Any

MAX_VALUE = 120


class SpecError(ValueError):
    """One field that cannot stand as written: its path, the value found, and the remedy."""

    def __init__(self, field: str, value: Any, fix: str) -> None:
        self.field, self.value, self.fix = field, value, fix
        super().__init__(f"{field}: {_shown(value)}{fix}")


class SpecErrors(ValueError):
    """Everything that is wrong with an object, at once."""

    def __init__(self, errors: Sequence[SpecError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = repr(value)
    return (text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "...") + " "
