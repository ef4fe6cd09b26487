"""All workload controllers on one set of informers."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.informer import Key
from kaito.local.controllers.accounts import Accounts
from kaito.local.controllers.claims import Claims
from kaito.local.controllers.cluster import Add, Cluster
from kaito.local.controllers.deployment import Deployments
from kaito.local.controllers.endpoints import Endpoints
from kaito.local.controllers.garbage import GarbageCollector
from kaito.local.controllers.job import Jobs
from kaito.local.controllers.namespaces import Namespaces
from kaito.local.controllers.orphans import OrphanedPods
from kaito.local.controllers.replica_set import ReplicaSets
from kaito.local.controllers.stateful_set import StatefulSets


class Kind(Protocol):
    """A controller of one kind."""

    @property
    def name(self) -> str: ...

    def wire(self, add: Add) -> None: ...

    async def reconcile(self, key: Key) -> float | None: ...


async def run(
    client: Client,
    *,
    root_ca: str = "",
    clock: Callable[[], float] = time.time,
    ready: asyncio.Event | None = None,
) -> None:
    """Run every controller until cancelled.

    ``root_ca`` is the PEM that pods find in the ConfigMap kube-root-ca.crt. ``ready`` is set when the shared informers
    have their first copy. One API server, one ``run``: two of them would undo each other's work.
    """
    cluster = Cluster(client, clock=clock)
    kinds: list[Kind] = [
        StatefulSets(cluster),
        ReplicaSets(cluster),
        Deployments(cluster),
        Jobs(cluster),
        Endpoints(cluster),
        Claims(cluster),
        Namespaces(cluster),
        OrphanedPods(cluster),
        Accounts(cluster, root_ca=root_ca),
    ]
    controllers: list[Controller[Key]] = []
    for kind in kinds:
        controller: Controller[Key] = Controller(kind.name, kind.reconcile)
        kind.wire(controller.queue.add)
        controllers.append(controller)
    collector = GarbageCollector(cluster)
    informers = list(cluster.informers)
    async with asyncio.TaskGroup() as tasks:
        for informer in informers:
            tasks.create_task(informer.run(), name=f"informer {informer.resource.plural}")
        for controller in controllers:
            tasks.create_task(controller.run(informers), name=f"{controller.name} controller")
        tasks.create_task(collector.run(), name="garbage collector")
        for informer in informers:
            await informer.synced.wait()
        if ready is not None:
            ready.set()
