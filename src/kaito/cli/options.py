"""The options that many commands share, and how a result is printed."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Default: in-cluster, $KUBECONFIG, ~/.kube/config.")
]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: the kubeconfig's, else 'default'.")]


class Output(StrEnum):
    table = "table"
    json = "json"
    yaml = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]


def dump(value: object, output: Output) -> str:
    """``value`` as JSON or YAML text."""
    if output is Output.json:
        import json

        return json.dumps(value, indent=2)
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip()
