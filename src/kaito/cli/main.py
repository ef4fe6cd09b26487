"""The `kaito` command: parsing and help only. Every command imports what it needs when it runs."""

import errno
import io
import os
import sys
from pathlib import Path

import typer

from kaito.capacity import machine_source
from kaito.cli import catalogue, cluster, errors, machines, models, objects, operate, plan, render, talk, validate

app = typer.Typer(
    name="kaito",
    help="One small YAML into a working LLM service, on Kubernetes.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (cluster, plan, models, machines, validate, render, objects, talk, catalogue, operate):
    module.register(app)


def main() -> None:
    """Run the command; a reader that goes away (`kaito get | head -1`) ends it quietly.

    Exit codes: 0 ok, 1 usage, 2 not found, 3 not ready, 4 refused, 5 cluster unreachable.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:  # closed by the caller
            os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A model may answer in signs that the terminal's encoding lacks: better a ? than no answer.
            stream.reconfigure(errors="replace")
    machine_source.use(*machine_source.user_files(os.environ, Path.home()))
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _give_up_output()
        sys.exit(errors.USAGE)
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EIO) or exc.filename is not None:
            raise
        _give_up_output()
        print(f"error: the output cannot be written: {exc.strerror}", file=sys.stderr)
        sys.exit(errors.USAGE)
    except errors.CliError as exc:
        print(f"error: {exc}", file=sys.stderr)
        sys.exit(exc.code)
    except machine_source.MachineFileError as exc:
        print(f"error: {exc}", file=sys.stderr)
        sys.exit(errors.USAGE)
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as exc:
        # The parser ends with 2 on wrong usage; in our contract 2 means "not found".
        sys.exit(errors.USAGE if exc.code == 2 else exc.code)


def _give_up_output() -> None:
    """Let what is still unwritten go nowhere: the interpreter would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
