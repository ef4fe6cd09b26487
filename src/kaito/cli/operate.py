"""operator: KAITO's controllers as a process of their own, in a cluster or beside one."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kaito.cli.options import Kubeconfig

EVERYWHERE = "0.0.0.0"


class Cloud(StrEnum):
    azure = "azure"
    aws = "aws"
    gcp = "gcp"
    arc = "arc"


def operator(
    image: Annotated[str, typer.Option("--image", help="Serving image: kaito with vLLM for GPUs.")],
    cpu_image: Annotated[
        str | None, typer.Option("--cpu-image", help="Serving image for nodes without GPUs; default: --image.")
    ] = None,
    cloud: Annotated[
        Cloud | None, typer.Option("--cloud", help="Whose instance types are meant; default: those of all.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of the lease; default: the pod's or the kubeconfig's.")
    ] = None,
    kubeconfig: Kubeconfig = None,
    elect: Annotated[
        bool, typer.Option("--leader-election/--no-leader-election", help="One replica works, the others wait.")
    ] = True,
    crds: Annotated[
        bool, typer.Option("--install-crds/--no-install-crds", help="Apply the CRDs at the start.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Workspaces looked at at the same time.")] = 4,
    health_port: Annotated[
        int, typer.Option("--health-port", min=0, max=65535, help="For /healthz and /readyz; 0: none.")
    ] = 8081,
    webhook_certs: Annotated[
        Path | None,
        typer.Option("--webhook-cert-dir", help="Serve the webhook with tls.crt and tls.key (and ca.crt) in there."),
    ] = None,
    webhook_tls_secret: Annotated[
        str | None,
        typer.Option("--webhook-tls-secret", help="Serve it with a kubernetes.io/tls Secret, as cert-manager makes."),
    ] = None,
    webhook_service: Annotated[
        str | None,
        typer.Option("--webhook-service", help="Serve it with a certificate of its own, for this Service."),
    ] = None,
    webhook_secret: Annotated[
        str, typer.Option("--webhook-secret", help="Where the certificate of its own is kept.")
    ] = "workspace-webhook-cert",
    webhook_port: Annotated[
        int, typer.Option("--webhook-port", min=1, max=65535, help="Where the webhook listens.")
    ] = 9443,
) -> None:
    """Run the operator until SIGTERM or SIGINT. Workspaces run on nodes that their owner brings."""
    from kaito.api.crds import all_crds
    from kaito.cli import operating
    from kaito.cli.errors import USAGE, CliError
    from kaito.controllers.operator import OperatorSettings
    from kaito.workloads.inference import WorkloadSettings

    sources = (webhook_certs, webhook_tls_secret, webhook_service)
    if sum(one is not None for one in sources) > 1:
        raise CliError("use one of --webhook-cert-dir, --webhook-tls-secret and --webhook-service", USAGE)
    webhook = None
    if any(one is not None for one in sources):
        webhook = operating.Webhook((EVERYWHERE, webhook_port), *sources, webhook_secret)
    workloads = WorkloadSettings(image=image, cpu_image=cpu_image, azure=cloud is Cloud.azure)
    operating.run(
        operating.Options(
            operator=OperatorSettings(workloads, workers=workers, crds=all_crds() if crds else ()),
            cloud=cloud.value if cloud is not None else None,
            kubeconfig=kubeconfig,
            namespace=namespace,
            elect=elect,
            health=(EVERYWHERE, health_port) if health_port else None,
            webhook=webhook,
        )
    )


def register(app: typer.Typer) -> None:
    app.command()(operator)
