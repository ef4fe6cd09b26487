"""Refusals, worded as a Kubernetes API server words them: one exception that carries the metav1.Status to send."""

from typing import Any

Object = dict[str, Any]

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class StatusError(Exception):
    """The request is refused; ``status`` is the answer's body, its ``code`` the HTTP status."""

    def __init__(self, status: Object) -> None:
        super().__init__(status["message"])
        self.status = status
        # What the client is warned of besides, where it asked for no stricter or laxer reading.
        self.warnings: list[str] = []

    @property
    def code(self) -> int:
        return int(self.status["code"])

    @staticmethod
    def of(code: int, reason: str, message: str, details: Object | None = None) -> "StatusError":
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = message
        if reason:
            status["reason"] = reason
        if details is not None:
            status["details"] = details
        status["code"] = code
        return StatusError(status)


def _details(group: str, plural: str, name: str) -> Object:
    details: Object = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    details["kind"] = plural
    return details


def _qualified(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group else plural


def refusal(code: int, message: str, details: Object | None = None) -> StatusError:
    """An error whose reason is the usual one for its code."""
    return StatusError.of(code, _REASONS[code], message, details)


def bad_request(message: str) -> StatusError:
    return refusal(400, message)


def internal(message: str) -> StatusError:
    details = {"causes": [{"message": message}]}
    return refusal(500, f"Internal error occurred: {message}", details)


def path_not_found() -> StatusError:
    """404 for a path that no kind has."""
    return refusal(404, "the server could not find the requested resource", {})


def not_found(group: str, plural: str, name: str) -> StatusError:
    return refusal(404, f'{_qualified(group, plural)} "{name}" not found', _details(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> StatusError:
    message = f'{_qualified(group, plural)} "{name}" already exists'
    return StatusError.of(409, "AlreadyExists", message, _details(group, plural, name))


def conflict(group: str, plural: str, name: str, message: str) -> StatusError:
    text = f'Operation cannot be fulfilled on {_qualified(group, plural)} "{name}": {message}'
    return refusal(409, text, _details(group, plural, name))


def modified(group: str, plural: str, name: str) -> StatusError:
    """409 for a resourceVersion that is no longer the current one."""
    text = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(group, plural, name, text)


def forbidden(group: str, plural: str, name: str, message: str, causes: list[Object] | None = None) -> StatusError:
    details = _details(group, plural, name)
    if causes:
        details["causes"] = causes
    return refusal(403, f'{_qualified(group, plural)} "{name}" is forbidden: {message}', details)


def method_not_allowed() -> StatusError:
    return refusal(405, "the server does not allow this method on the requested resource", {})


def unsupported_media_type(accepted: list[str]) -> StatusError:
    kinds = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {kinds}"
    return refusal(415, message)


def not_acceptable(accepted: list[str], *, custom: bool = False) -> StatusError:
    kinds = ", ".join(accepted)
    if custom:
        return refusal(406, f"only the following media types are accepted: {kinds}")
    return refusal(406, f"406: Not Acceptable\n\nAvailable representations: {kinds}", {})


def expired(message: str) -> StatusError:
    return StatusError.of(410, "Expired", message)


def unauthorized() -> StatusError:
    return refusal(401, "Unauthorized")
