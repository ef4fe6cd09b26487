"""The `kaito` command: parsing and help only. Every command imports what it needs when it runs."""

import io
import os
import sys
from pathlib import Path

import typer

from kaito.capacity import machine_source
from kaito.cli import catalogue, cluster, errors, machines, models, objects, operate, plan, render, talk

app = typer.Typer(
    name="kaito",
    help="One small YAML into a working LLM service, on Kubernetes.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (cluster, plan, models, machines, render, objects, talk, catalogue, operate):
    module.register(app)


def main() -> None:
    """Run the command. Exit codes: 0 ok, 1 usage, 2 not found, 3 not ready, 4 refused, 5 cluster unreachable."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A model may answer in signs that the terminal's encoding lacks: better a ? than no answer.
            stream.reconfigure(errors="replace")
    machine_source.use(*machine_source.user_files(os.environ, Path.home()))
    try:
        app()
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
