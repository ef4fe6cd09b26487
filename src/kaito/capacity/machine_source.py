"""Which file of the user's own this process reads beside the built-in machines. Light: the entry point imports it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "KAITO_MACHINES"
_used: list[Path] = []


class MachineError(ValueError):
    """A machine that cannot be planned for; the message names it, what is wrong, and the remedy."""


class MachineFileError(MachineError):
    """A file of machines that cannot be used; the message names file, line, field, value and remedy."""


def user_files(environ: Mapping[str, str], home: Path) -> list[Path]:
    """The user's own file: $KAITO_MACHINES where it is set, with nothing in it for none, else the one in ~/.config."""
    if VARIABLE in environ:
        return [Path(environ[VARIABLE]).expanduser()] if environ[VARIABLE] else []
    base = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    path = base / "kaito" / "machines.yaml"
    return [path] if path.exists() else []


def use(*paths: Path) -> None:
    """Read these files beside the built-in ones from now on. For the entry point, before anything is looked up."""
    _used[:] = paths


def used() -> tuple[Path, ...]:
    """The files that `use` named last; none without it."""
    return tuple(_used)
