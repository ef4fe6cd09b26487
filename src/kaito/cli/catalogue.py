"""crds: what KAITO can say without any cluster."""

from typing import Annotated

import typer


def crds(
    webhook_service: Annotated[
        str | None,
        typer.Option(
            "--webhook-service",
            metavar="NAMESPACE/NAME[:PORT]",
            help="With the webhooks behind this Service: their configurations, and conversion between versions.",
        ),
    ] = None,
) -> None:
    """Print the CustomResourceDefinitions, ready for `kubectl apply --server-side -f -`.

    caBundles are left out: the operator fills them, and applying this again does not empty them.
    """
    import yaml

    from kaito.api import webhooks
    from kaito.api.crds import all_crds, with_webhook

    documents = all_crds()
    if webhook_service is not None:
        client = webhooks.Service(*_service(webhook_service))
        documents = [with_webhook(crd, client(webhooks.CONVERT_PATH)) for crd in documents]
        documents += webhooks.configurations(client)
    print(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True).rstrip())


def _service(text: str) -> tuple[str, str, int]:
    """(namespace, name, port). Raises CliError."""
    from kaito.api.webhooks import PORT
    from kaito.cli.errors import USAGE, CliError

    where, _, port = text.partition(":")
    namespace, _, name = where.partition("/")
    if not namespace or not name or not (port or "1").isdigit():
        raise CliError(f"--webhook-service {text}: is no Service: write NAMESPACE/NAME or NAMESPACE/NAME:PORT", USAGE)
    return namespace, name, int(port or PORT)


def register(app: typer.Typer) -> None:
    app.command()(crds)
