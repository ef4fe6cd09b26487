"""Field errors and the Status they make, worded as a Kubernetes API server words them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
NOT_SUPPORTED = "FieldValueNotSupported"
TOO_LONG = "FieldValueTooLong"
TYPE_INVALID = "FieldValueTypeInvalid"
NOT_FOUND = "FieldValueNotFound"
TOO_MANY = "FieldValueTooMany"

_WORDS = {
    REQUIRED: "Required value",
    INVALID: "Invalid value",
    DUPLICATE: "Duplicate value",
    FORBIDDEN: "Forbidden",
    NOT_SUPPORTED: "Unsupported value",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TYPE_INVALID: "Invalid value",
    NOT_FOUND: "Not found",
}


# The value of an error about an object or a list as a whole, which is not worth showing.
OMITTED: Any = type("Omitted", (), {"__repr__": lambda self: "OMITTED"})()


class Ordered(dict[str, Any]):
    """A value that is shown with its keys in their own order, as Go shows a struct."""


class AsWritten(str):
    """A value that is JSON already, in the order in which it is to be shown."""


def show(value: Any) -> str:
    if isinstance(value, AsWritten):
        return str(value)
    first = value[0] if isinstance(value, list) and value else value
    option = 0 if isinstance(first, Ordered) else orjson.OPT_SORT_KEYS
    return orjson.dumps(value, option=option).decode()


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field."""

    field: str
    type: str
    detail: str = ""
    value: Any = None

    @property
    def message(self) -> str:
        """The text without the field: `Invalid value: "x": must be ...`."""
        text = _WORDS[self.type]
        if self.type not in (REQUIRED, FORBIDDEN, TOO_LONG) and self.value is not OMITTED:
            text += f": {show(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"

    def cause(self) -> dict[str, str]:
        return {"reason": self.type, "message": self.message, "field": self.field}


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(field, REQUIRED, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(field, INVALID, detail, value)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(field, FORBIDDEN, detail)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(field, DUPLICATE, "", value)


def not_supported(field: str, value: Any, allowed: list[str]) -> FieldError:
    names = ", ".join(show(item) for item in allowed)
    return FieldError(field, NOT_SUPPORTED, f"supported values: {names}", value)


def invalid_status(group: str, kind: str, name: str, errors: list[FieldError]) -> dict[str, Any]:
    """The 422 Status for these errors."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {"kind": kind, "causes": [error.cause() for error in errors]}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'{qualified} "{name}" is invalid: {joined}',
        "reason": "Invalid",
        "details": details,
        "code": 422,
    }
