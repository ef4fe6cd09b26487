"""From a Workspace to what is served: the model is found and read, the machine is looked at, the plan is made."""

import asyncio
import base64
import binascii
import dataclasses
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kaito.api import keys, podcontract
from kaito.api.errors import SpecError
from kaito.capacity import machines
from kaito.capacity.host import this_host
from kaito.capacity.machines import Machine, MachineError
from kaito.capacity.planner import Plan, Refusal, Wishes, plan
from kaito.capacity.wishes import completed, wishes
from kaito.controllers.reasons import plan_failed
from kaito.kube import errors, resources
from kaito.kube.client import Client
from kaito.models import catalogue, hub
from kaito.models.catalogue import UnknownModelError
from kaito.models.engine import engine_options
from kaito.models.folder import from_folder
from kaito.models.hub_cache import HubCache
from kaito.models.profile import ModelError, ModelProfile
from kaito.models.record import CatalogueEntry
from kaito.nodes.provisioner import is_ready
from kaito.workloads.inference import Serving

Object = Mapping[str, Any]
Secrets = Callable[[str, str], Awaitable[Mapping[str, str] | None]]
"""(namespace, name) to the Secret's values as text; None when there is no such Secret."""
FIELD: Final = "inference.preset.name"
SECRET_FIELD: Final = "inference.preset.presetOptions.modelAccessSecret"
TOKEN_KEY: Final = "HF_TOKEN"
LOCAL_MODELS: Final = Path("/opt/kaito/models")
REMEMBER_S: Final = 600
"""How long a hub's answer holds: metadata changes seldom, but it does."""


@dataclass(frozen=True)
class Model:
    """A model that was found: what the engine loads (a hub id, a folder, or a model in the image), and what is known.

    ``local``: its weights lie in a folder of the node. ``shipped``: it comes with the serving program.
    """

    name: str
    source: str
    profile: ModelProfile
    local: bool = False
    shipped: bool = False
    revision: str | None = None
    weight_format: str = "auto"


@dataclass(frozen=True)
class HubSettings:
    """Which hub is asked: HF_ENDPOINT's value, and whether through the environment's proxies.

    ``cache`` holds its answers over restarts; ``offline``: nothing else is read.
    """

    endpoint: str = hub.ENDPOINT
    trust_env: bool = True
    cache: HubCache | None = None
    offline: bool = False


def secrets_of(client: Client) -> Secrets:
    """Reads Secrets over the API."""

    async def read(namespace: str, name: str) -> Mapping[str, str] | None:
        try:
            found = await client.get(resources.SECRETS, name, namespace)
        except errors.NotFound:
            return None
        return {key: _decoded(value) for key, value in (found.get("data") or {}).items()}

    return read


class Resolver:
    """Resolves Workspaces. ``host`` is asked anew for each plan and is this machine; None plans for nodes and types.

    Hub answers are remembered by model and token, so that nobody sees a model through another's token.
    """

    def __init__(
        self,
        host: Callable[[], Machine] | None = None,
        *,
        secrets: Secrets | None = None,
        hub_settings: HubSettings | None = None,
        cloud: str | None = None,
        local_models: Path = LOCAL_MODELS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._secrets, self._cloud, self._local_models = host, secrets, cloud, local_models
        self._hub_settings = hub_settings or HubSettings()
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Model]] = {}

    @staticmethod
    def local(secrets: Secrets | None = None, hub_settings: HubSettings | None = None) -> "Resolver":
        """For the machine that this process runs on."""
        return Resolver(this_host, secrets=secrets, hub_settings=hub_settings)

    async def __call__(self, ws: Object, nodes: Sequence[Object], config: Object | None) -> Serving:
        """What to serve. Raises SpecError or Trouble for the Workspace's author."""
        asked = wishes(((config or {}).get("data") or {}).get(podcontract.CONFIG_KEY) or "")
        model = await self._model(ws)
        machine = await self._machine(ws, nodes)
        return serving(model, machine, self._plan(model, machine, asked), asked)

    async def _machine(self, ws: Object, nodes: Sequence[Object]) -> Machine:
        try:
            machine = await asyncio.to_thread(self._host) if self._host else machine_of(ws, nodes, self._cloud)
        except MachineError as exc:
            raise plan_failed(str(exc)) from exc
        if (ws.get("status") or {}).get("targetNodeCount"):
            # It may run here already: what it holds itself comes free when the new plan is taken up.
            return dataclasses.replace(machine, available=None)
        return machine

    def _plan(self, model: Model, machine: Machine, asked: Wishes) -> Plan:
        options = engine_options(model.name, model.profile.architectures)
        made = plan(model.profile, machine, completed(asked, options))
        if isinstance(made, Refusal):
            raise plan_failed(f"inference.preset: {made}")
        return made

    async def _model(self, ws: Object) -> Model:
        name = ws["inference"]["preset"]["name"].strip()
        if (ws["metadata"].get("annotations") or {}).get(keys.USE_LOCAL_WEIGHTS) == "true":
            return await self._on_node(ws, name)
        if name.startswith("/"):
            return await _in_folder(name, Path(name))
        return await self._by_name(ws, name)

    async def _on_node(self, ws: Object, name: str) -> Model:
        """The weights lie on the node: read when the node is this machine, else known by the model's name."""
        folder = self._local_models / name.lower().replace("/", "-").replace("\\", "-")
        if self._host is not None:
            return await _in_folder(name, folder)
        found = await self._by_name(ws, name)
        return dataclasses.replace(found, source=str(folder), local=True, shipped=False, revision=None)

    async def _by_name(self, ws: Object, name: str) -> Model:
        try:
            if "/" in name and catalogue.find(name) is None:
                return await self._on_hub(name, await self._token(ws))
            entry = catalogue.lookup(name)
            self._check_gate(ws, entry)
            made = await asyncio.to_thread(entry.profile)
        except UnknownModelError as exc:
            raise SpecError(FIELD, name, f"is not in the catalogue: {exc.remedy}") from exc
        except hub.HubUnavailableError as exc:
            raise plan_failed(f"{FIELD}: {exc}") from exc
        except ModelError as exc:
            raise SpecError(FIELD, None, str(exc)) from exc
        if entry.folder is not None:
            return Model(entry.served_name, podcontract.SHIPPED + entry.id, made, shipped=True)
        return Model(entry.served_name, entry.id, made, revision=entry.revision, weight_format=entry.format)

    def _check_gate(self, ws: Object, entry: CatalogueEntry) -> None:
        if entry.gated and not _secret_name(ws) and self._hub_settings.endpoint == hub.ENDPOINT:
            fix = (
                f"is missing: {entry.name} is gated; name a Secret whose key {TOKEN_KEY} holds your Hugging Face token"
            )
            raise SpecError(SECRET_FIELD, None, fix)

    async def _on_hub(self, name: str, token: str | None) -> Model:
        key = (name.lower(), hashlib.sha256((token or "").encode()).hexdigest())
        known = self._known.get(key)
        if known is not None and self._clock() - known[0] < REMEMBER_S:
            return known[1]
        settings = self._hub_settings
        async with hub.Hub(
            settings.endpoint, token, trust_env=settings.trust_env, cache=settings.cache, offline=settings.offline
        ) as client:
            found = await client.model(name)
        model = Model(
            found.profile.name, found.id, found.profile, revision=found.revision, weight_format=found.weight_format
        )
        self._known = {one: entry for one, entry in self._known.items() if self._clock() - entry[0] < REMEMBER_S}
        self._known[key] = (self._clock(), model)
        return model

    async def _token(self, ws: Object) -> str | None:
        name, namespace = _secret_name(ws), ws["metadata"].get("namespace") or "default"
        if not name or self._secrets is None:
            return None
        values = await self._secrets(namespace, name)
        if values is None:
            raise SpecError(
                SECRET_FIELD, name, f"is not a Secret in namespace {namespace}: create it, or clear the field"
            )
        token = values.get(TOKEN_KEY, "").strip()
        if not token:
            raise SpecError(SECRET_FIELD, name, f"has no key {TOKEN_KEY}: put your Hugging Face token there")
        return token


def machine_of(ws: Object, nodes: Sequence[Object], cloud: str | None = None) -> Machine:
    """What each node of a Workspace is: its instance type, its MIG slice, or the weakest of the nodes that are ready.

    Raises MachineError.
    """
    resource = ws.get("resource") or {}
    part = resource.get("partition") or {}
    if part.get("mode") == "mig":
        return machines.mig_slice(part.get("profile") or "")
    if resource.get("instanceType"):
        return machines.by_instance_type(resource["instanceType"], cloud)
    ready = [node for node in nodes if is_ready(node)]
    if not ready:
        raise MachineError(
            "no ready node matches resource.labelSelector, so its GPUs are not known; bring one, or correct the labels"
        )
    found = [machines.of_node(node) for node in ready]
    weakest = min(found, key=lambda machine: (machine.gpus * machine.gpu_memory, machine.name))
    return machines.share(weakest, part["count"]) if part.get("mode") == "accelerator" else weakest


def serving(model: Model, machine: Machine, made: Plan, asked: Wishes) -> Serving:
    """One plan as the arguments of the serving process and its pod."""
    on_gpu = made.gpus > 0
    options = engine_options(model.name, model.profile.architectures, weight_format=model.weight_format)
    flags = options.flags(gpu=on_gpu)
    if model.weight_format == "mistral":
        flags |= {"load-format": "mistral", "config-format": "mistral"}
    if not (model.local or model.shipped):
        flags["trust-remote-code"] = ""
    elif on_gpu:
        flags["load-format"] = "runai_streamer"
    if made.pipeline_parallel > 1:
        flags["pipeline-parallel-size"] = str(made.pipeline_parallel)
    if made.nodes > 1:
        flags["distributed-executor-backend"] = "ray"
    alone = made.data_parallel == 1 and made.nodes == 1 and not machine.is_mig
    if on_gpu and not (alone and options.kv_offload):
        flags["kaito-kv-cache-cpu-memory-utilization"] = "0"
    return Serving(
        name=model.name,
        model=model.source,
        nodes=made.nodes,
        gpus=made.gpus,
        local_folder=model.local,
        shipped=model.shipped,
        revision=model.revision,
        dtype=made.dtype,
        max_model_len=asked.context if on_gpu else made.max_model_len,
        gpu_memory_utilization=made.utilization,
        tensor_parallel=made.tensor_parallel,
        data_parallel=made.data_parallel,
        cpu_cores=made.cpu_cores,
        memory_bytes=made.memory_bytes,
        kv_cache_bytes=None if on_gpu else made.memory.kv_cache,
        startup_seconds=made.startup_seconds,
        flags=flags,
    )


async def _in_folder(name: str, folder: Path) -> Model:
    try:
        made = await asyncio.to_thread(from_folder, folder, folder.name)
    except ModelError as exc:
        raise SpecError(FIELD, None, str(exc)) from exc
    return Model(folder.name, str(folder), made, local=True)


def _secret_name(ws: Object) -> str | None:
    options = ws["inference"]["preset"].get("presetOptions") or {}
    return options.get("modelAccessSecret") or None


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
