"""Exit codes, and the one place where an error becomes a sentence and an exit code."""

from typing import Final

OK: Final = 0
USAGE: Final = 1
NOT_FOUND: Final = 2
NOT_READY: Final = 3
REFUSED: Final = 4
UNREACHABLE: Final = 5


class CliError(Exception):
    """A sentence for the person at the terminal, and the code the command ends with."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def from_api(exc: Exception) -> CliError:
    """The exit code of an API error: 2 not found, 4 refused, 5 unreachable, 1 anything else."""
    from kaito.kube import errors

    message = str(exc)
    match exc:
        case errors.NotFound():
            return CliError(message, NOT_FOUND)
        case errors.Unavailable():
            return CliError(f"cannot reach the cluster: {message}", UNREACHABLE)
        case errors.Invalid() | errors.Forbidden() | errors.Conflict() | errors.AlreadyExists():
            return CliError(message, REFUSED)
        case errors.ApiError() if exc.status in (400, 422):
            return CliError(message, REFUSED)
        case errors.Unauthorized():
            return CliError(f"{message}. The kubeconfig's credentials are not accepted.", UNREACHABLE)
    return CliError(message)
