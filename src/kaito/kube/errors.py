"""What an API server's refusals look like in Python. One class per cause that a caller can act on."""

from collections.abc import Mapping
from typing import Any

import orjson

MAX_TEXT = 1024


class ApiError(Exception):
    """A Status of the API server. ``status`` is the HTTP code, ``reason`` the machine-readable word."""

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asked to wait, if it did."""
        seconds = self.details.get("retryAfterSeconds")
        return float(seconds) if seconds else None


class NotFound(ApiError):
    """404: the object, or its kind, is not there."""


class AlreadyExists(ApiError):
    """409: an object of that name is there."""


class Conflict(ApiError):
    """409: the object changed in between, or another field manager owns the field."""


class Gone(ApiError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422: a field's value is refused."""


class Forbidden(ApiError):
    """403."""


class Unauthorized(ApiError):
    """401."""


class TooManyRequests(ApiError):
    """429."""


class Unavailable(ApiError):
    """No answer, or a 5xx: try again later."""


_BY_REASON: dict[str, type[ApiError]] = {"AlreadyExists": AlreadyExists, "Expired": Gone, "Gone": Gone}
_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def from_status(status: Mapping[str, Any], code: int) -> ApiError:
    """The error for a metav1.Status document."""
    code = int(status.get("code") or code)
    reason = str(status.get("reason") or "")
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(code) or (Unavailable if code >= 500 else ApiError)
    message = str(status.get("message") or f"the server answered {code}")
    return kind(code, reason, message[:MAX_TEXT], status.get("details"))


def from_response(code: int, body: bytes) -> ApiError:
    """The error for an HTTP answer; a body that is no Status is quoted, cut at 1,024 characters."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return from_status(status, code)
    text = body.decode(errors="replace").strip()[:MAX_TEXT]
    return from_status({"message": f"the server answered {code}: {text}" if text else ""}, code)
