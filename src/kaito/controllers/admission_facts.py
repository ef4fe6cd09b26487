"""What admission knows beyond the manifest: this installation, the catalogue, nodes, and the objects that are named.

Nothing waits for long: nodes come from a copy in memory, the few named objects are read with a limit of a second, no
hub is asked. What could not be read is unknown, and then nothing is refused for it.
"""

import asyncio
import logging
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from kaito.api import keys
from kaito.api.base import Kind
from kaito.api.errors import SpecErrors
from kaito.api.validation import AdmissionFacts, ModelAbsent, ModelFacts, NodeFacts
from kaito.api.validation.facts import GATE_STREAMING, MachineFacts, Place, ProvisionerName
from kaito.api.validation.lookups import Lookups, lookups
from kaito.api.validation.streaming import BLOB_DRIVER
from kaito.capacity import machines
from kaito.capacity.machines import MachineError
from kaito.controllers.writes import decoded
from kaito.kube import errors, resources
from kaito.kube.client import Client, Resource
from kaito.kube.informer import Informer
from kaito.models import catalogue
from kaito.models.catalogue import UnknownModelError
from kaito.models.profile import ModelError

Object = Mapping[str, Any]
LOOKUP_SECONDS: Final = 1.0
REMEMBERED: Final = 256
"""Models whose facts are kept: names come from users."""
CSI_DRIVERS: Final = Resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", False)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FactSettings:
    """What the installation is: see AdmissionFacts. ``gated_hub``: the hub is the one that gates models by licence."""

    provisioner: ProvisionerName | None = None
    cloud: str | None = None
    gates: Mapping[str, bool] = field(default_factory=dict)
    node_classes: frozenset[str] | None = None
    architectures: frozenset[str] | None = None
    release_namespace: str | None = None
    gated_hub: bool = True


class ClusterFacts:
    """Facts of one cluster, asked for each write: ``await facts(request)``. ``run`` keeps the nodes up to date."""

    def __init__(self, client: Client, settings: FactSettings, *, seconds: float = LOOKUP_SECONDS) -> None:
        self._client, self._settings, self._seconds = client, settings, seconds
        self._nodes = Informer(client, resources.NODES, keep=_what_matters) if settings.provisioner == "byo" else None
        self._installation = AdmissionFacts(
            provisioner=settings.provisioner,
            gates=settings.gates,
            cloud=settings.cloud,
            node_classes=settings.node_classes,
            machine_types=machine_types(settings.cloud),
            architectures=settings.architectures,
            release_namespace=settings.release_namespace,
        )

    async def run(self) -> None:
        """Follow the nodes until cancelled, where they matter."""
        if self._nodes is not None:
            await self._nodes.run()

    async def __call__(self, request: Object) -> AdmissionFacts:
        """What is known for one AdmissionRequest, in at most a second and a little."""
        new, old = (_decoded(request.get(one), self._installation) for one in ("object", "oldObject"))
        return await self.of(new, old)

    async def of(self, new: Kind | None, old: Kind | None = None) -> AdmissionFacts:
        """What is known of an object that is written, or would be; Secrets that ``old`` names too are not read."""
        facts = replace(self._installation, nodes=self._known_nodes())
        named, before = lookups(new, facts), lookups(old, facts)
        config_maps, secrets, classes, drivers, model = await asyncio.gather(
            self._all(resources.CONFIG_MAPS, named.config_maps),
            self._all(resources.SECRETS, named.secrets - before.secrets),
            self._all(resources.STORAGE_CLASSES, {("", name) for name in named.storage_classes}),
            self._drivers(),
            asyncio.to_thread(self._model, named),
        )
        return replace(
            facts,
            config_maps={place: None if one is None else one.get("data") or {} for place, one in config_maps.items()},
            secrets={
                place: None if one is None else frozenset(one.get("data") or ()) for place, one in secrets.items()
            },
            storage_classes={name: one is not None for (_, name), one in classes.items()},
            csi_drivers=drivers,
            model=model,
        )

    def _known_nodes(self) -> list[NodeFacts] | None:
        if self._nodes is None or not self._nodes.synced.is_set():
            return None
        alive = (one for one in self._nodes.store.list() if not one["metadata"].get("deletionTimestamp"))
        return sorted((_node(one) for one in alive), key=lambda node: node.name)

    async def _all(self, resource: Resource, places: Set[Place]) -> dict[Place, Object | None]:
        """The objects that could be read, and None for those that are not there."""
        ordered = sorted(places)
        found = await asyncio.gather(*(self._one(resource, namespace or None, name) for namespace, name in ordered))
        return {place: one[0] for place, one in zip(ordered, found, strict=True) if one is not None}

    async def _one(self, resource: Resource, namespace: str | None, name: str) -> tuple[Object | None] | None:
        """The object or its absence in a tuple; None when it cannot be said."""
        try:
            async with asyncio.timeout(self._seconds):
                return (await self._client.get(resource, name, namespace),)
        except errors.NotFound:
            return (None,)
        except (errors.ApiError, TimeoutError) as exc:
            log.info("admission goes on without %s %s: %s", resource.kind, name, getattr(exc, "message", "too slow"))
            return None

    async def _drivers(self) -> frozenset[str] | None:
        if not self._settings.gates.get(GATE_STREAMING):
            return None
        found = await self._one(CSI_DRIVERS, None, BLOB_DRIVER)
        return None if found is None else frozenset({BLOB_DRIVER} if found[0] is not None else ())

    def _model(self, named: Lookups) -> ModelFacts | ModelAbsent | None:
        preset, ws = named.preset, named.workspace
        on_node = ws is not None and ws.annotations.get(keys.USE_LOCAL_WEIGHTS) == "true"
        if preset is None or (on_node and self._settings.provisioner == "local"):
            return None
        found = model_facts(preset.name.strip())
        if isinstance(found, ModelFacts) and (on_node or not self._settings.gated_hub):
            return replace(found, gated=None, downloads=None)
        return found


def machine_types(cloud: str | None) -> Mapping[str, MachineFacts] | None:
    """The GPU machine types of a cloud, or of all; None for a cloud that is not known."""
    try:
        return {name: machines.by_instance_type(name, cloud) for name in machines.instance_types(cloud)}
    except MachineError:
        return None


@lru_cache(maxsize=REMEMBERED)
def model_facts(name: str) -> ModelFacts | ModelAbsent | None:
    """What the catalogue says of a model; None for those that only a hub or a node knows."""
    if name.startswith("/") or ("/" in name and catalogue.find(name) is None):
        return None
    try:
        entry = catalogue.lookup(name)
        profile = entry.profile()
    except UnknownModelError as exc:
        return ModelAbsent(exc.remedy)
    except ModelError as exc:
        log.warning("admission goes on without facts of %s: %s", name, exc)
        return None
    return ModelFacts(
        weight_bytes=profile.weight_bytes,
        context_length=profile.context_length,
        architectures=profile.architectures,
        downloads=entry.folder is None,
        gated=entry.gated,
    )


def _decoded(obj: Object | None, facts: AdmissionFacts) -> Kind | None:
    """An object as far as it can be read; the rules say what is wrong with it."""
    try:
        return decoded(str(obj.get("kind")), obj, makes_nodes=facts.makes_nodes, strict=False) if obj else None
    except SpecErrors:
        return None


def _node(node: Object) -> NodeFacts:
    meta = node["metadata"]
    return NodeFacts(meta["name"], meta.get("labels") or {}, (node.get("status") or {}).get("allocatable") or {})


def _what_matters(node: dict[str, Any]) -> dict[str, Any]:
    """Of a node, what is worth memory here: no conditions, images or addresses."""
    kept = ("name", "uid", "resourceVersion", "labels", "deletionTimestamp")
    meta = {key: value for key, value in node["metadata"].items() if key in kept}
    return {"metadata": meta, "status": {"allocatable": (node.get("status") or {}).get("allocatable")}}
