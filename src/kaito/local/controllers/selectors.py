"""Label selectors: does an object's labels match a metav1.LabelSelector or a plain map."""

from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]


def matches(selector: Mapping[str, Any] | None, labels: Labels | None) -> bool:
    """Whether ``labels`` satisfy a metav1.LabelSelector. None selects nothing, an empty selector everything."""
    if selector is None:
        return False
    have = labels or {}
    if not includes(selector.get("matchLabels"), have):
        return False
    return all(_expression(one, have) for one in selector.get("matchExpressions") or ())


def includes(wanted: Labels | None, labels: Labels | None) -> bool:
    """Whether ``labels`` hold every pair of ``wanted``."""
    have = labels or {}
    return all(have.get(key) == value for key, value in (wanted or {}).items())


def _expression(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"operator {other!r} of label {key!r} is not one of In, NotIn, Exists, DoesNotExist")
