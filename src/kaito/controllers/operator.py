"""The operator: informers and controllers wired together, run until cancelled."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kaito.controllers.caches import Caches
from kaito.controllers.prober import HttpProber, Prober
from kaito.controllers.workspace import FIELD_MANAGER, Resolver, WorkspaceReconciler
from kaito.kube import resources
from kaito.kube.client import Client, Object
from kaito.kube.controller import Controller
from kaito.nodes.provisioner import Byo, Local, Provisioner
from kaito.workloads.inference import WorkloadSettings


@dataclass(frozen=True)
class OperatorSettings:
    """How this installation runs. ``crds`` are applied at the start when given."""

    workloads: WorkloadSettings
    provisioner: Literal["byo", "local"] = "byo"
    workers: int = 4
    crds: Sequence[Object] = field(default_factory=tuple)


def provisioner(name: Literal["byo", "local"]) -> Provisioner:
    """The node provisioner of that name."""
    return {"byo": Byo, "local": Local}[name]()


async def install_crds(client: Client, crds: Sequence[Object]) -> None:
    """Apply the definitions; one that is the same already is left as it is by the server."""
    for crd in crds:
        await client.apply(resources.CRDS, crd, field_manager=FIELD_MANAGER)


async def run(
    client: Client,
    settings: OperatorSettings,
    resolver: Resolver,
    prober: Prober | None = None,
    *,
    synced: asyncio.Event | None = None,
) -> None:
    """Reconcile Workspaces until cancelled. ``synced`` is set when every informer has its first copy."""
    await install_crds(client, settings.crds)
    caches = Caches.over(client)
    reconciler = WorkspaceReconciler(
        client,
        caches,
        settings=settings.workloads,
        provisioner=provisioner(settings.provisioner),
        resolver=resolver,
        prober=prober or HttpProber(),
    )
    controller = Controller("workspace", reconciler.reconcile, workers=settings.workers)
    caches.route(controller.queue.add)
    async with asyncio.TaskGroup() as tasks:
        for informer in caches.all():
            tasks.create_task(informer.run(), name=f"informer {informer.resource.plural}")
        tasks.create_task(controller.run(caches.all()), name="workspace controller")
        for informer in caches.all():
            await informer.synced.wait()
        if synced is not None:
            synced.set()
