"""A label selector as a plain map, when it can be one."""

from kaito.api.errors import SpecError
from kaito.api.keys import RESERVED_SELECTOR_KEYS
from kaito.api.workspace import LabelSelector


def as_labels(selector: LabelSelector, field: str) -> dict[str, str]:
    """The labels that a node must have; `In` with one value counts as a label.

    Raises SpecError for anything a plain map cannot say.
    """
    labels = dict(selector.match_labels or {})
    for number, requirement in enumerate(selector.match_expressions or ()):
        path = f"{field}.matchExpressions[{number}]"
        if requirement.operator != "In":
            raise SpecError(f"{path}.operator", requirement.operator, "is not supported here: use In with one value")
        if len(requirement.values or ()) != 1:
            raise SpecError(f"{path}.values", requirement.values, "must hold exactly one value")
        value = (requirement.values or [""])[0]
        if labels.setdefault(requirement.key, value) != value:
            fix = f"contradicts '{labels[requirement.key]}' for the same key: keep one of them"
            raise SpecError(f"{path}.values", value, fix)
    return labels


def user_labels(labels: dict[str, str]) -> dict[str, str]:
    """``labels`` without the keys of our own making."""
    return {key: value for key, value in labels.items() if key not in RESERVED_SELECTOR_KEYS}
