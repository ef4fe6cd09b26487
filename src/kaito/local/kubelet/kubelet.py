"""The process kubelet: watches the API, keeps one worker per pod of this node, schedules, and answers log requests.

Cancelling ``run`` leaves every container running; the next kubelet of the same state folder adopts them.
``process.stop_all`` ends them.
"""

import asyncio
import base64
import logging
import shutil
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kaito.kube.client import Client
from kaito.kube.errors import ApiError, NotFound
from kaito.kube.informer import Informer
from kaito.kube.resources import CONFIG_MAPS, NODES, PODS, PVCS, PVS, SECRETS, SERVICES
from kaito.local.kubelet import env, logs, node, process, quantity, scheduler, volumes
from kaito.local.kubelet.addresses import Addresses
from kaito.local.kubelet.events import Recorder, timestamp
from kaito.local.kubelet.pod import Host, PodWorker
from kaito.local.kubelet.settings import KubeletSettings
from kaito.local.kubelet.shim import write_atomic

log = logging.getLogger(__name__)


class LogError(Exception):
    """A log request that cannot be answered; ``status`` is the HTTP code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kubelet:
    """One machine as one node."""

    def __init__(self, client: Client, settings: KubeletSettings) -> None:
        self._client, self._settings = client, settings
        self._addresses = Addresses(settings.state_dir / "addresses.json", settings.pod_cidr)
        self._recorder = Recorder(client, component="kubelet", host=settings.node_name)
        self._pods = Informer(client, PODS)
        self._data = {res.plural: Informer(client, res) for res in (CONFIG_MAPS, SECRETS, SERVICES, PVCS, PVS)}
        self._nodes = Informer(client, NODES)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._gpus: list[node.Gpu] = []
        self._allocatable: dict[str, str] = {}
        self._schedule = asyncio.Event()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        self._settings.pods_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._gpus = await node.find_gpus()
        self._allocatable = node.capacity(self._settings, self._gpus)
        await node.register(self._client, self._settings, self._allocatable, self._gpus)
        informers = [self._pods, self._nodes, *self._data.values()]
        try:
            async with asyncio.TaskGroup() as group:
                for informer in informers:
                    group.create_task(informer.run(), name="informer")
                for informer in informers:
                    await informer.synced.wait()
                await self._clean_orphans()
                self._pods.add_handler(self._on_pod)
                self._nodes.add_handler(lambda old, new: self._schedule.set())
                for informer in self._data.values():
                    informer.add_handler(self._on_data)
                for pod in self._pods.store.list():
                    self._on_pod(None, pod)
                beat = node.heartbeat(self._client, self._settings, self._allocatable, self._gpus)
                group.create_task(beat, name="heartbeat")
                group.create_task(self._scheduling(), name="scheduler")
                self._ready.set()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    @property
    def ready(self) -> asyncio.Event:
        """Set once every pod of the node has its worker."""
        return self._ready

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        follow: bool = False,
        tail: int | None = None,
        previous: bool = False,
        since: datetime | None = None,
        timestamps: bool = False,
    ) -> AsyncIterator[bytes]:
        """A container's output. LogError says, in kube's words, why there is none."""
        attempt = self._attempt(namespace, pod, container, previous)
        wanted = logs.Wanted(follow=follow, tail=tail, since=since, timestamps=timestamps)
        async for piece in logs.read(attempt.folder, wanted, alive=lambda: attempt.exited() is None):
            yield piece

    # What a pod may ask about other objects.

    def lookup(self, namespace: str) -> volumes.Lookup:
        """Volume contents out of the caches."""
        sources = self.sources(namespace)
        return volumes.Lookup(
            config_map=sources.config_map,
            secret=sources.secret,
            claim=lambda name: self._claim(namespace, name),
            allocatable=self._allocatable,
        )

    def sources(self, namespace: str) -> env.Sources:
        """Environment references out of the caches."""
        return env.Sources(
            config_map=lambda name: _config_map(self._data["configmaps"].store.get(namespace, name)),
            secret=lambda name: _secret(self._data["secrets"].store.get(namespace, name)),
            services=[s for s in self._data["services"].store.list() if s["metadata"]["namespace"] == namespace],
            allocatable=self._allocatable,
        )

    def gpus(self, pod: Mapping[str, Any]) -> list[str] | None:
        """The devices of a pod, its own while it lives; None on a machine without GPUs."""
        if not self._gpus:
            return None
        mine = self._settings.pods_dir / pod["metadata"]["uid"] / "gpus.json"
        held = process.read_json(mine)
        if held is None:
            # On disk, so that a later kubelet does not hand out what an adopted pod computes on.
            holding = [w.folder for w in self._workers.values() if scheduler.occupies(w.pod)]
            taken = {index for folder in holding for index in (process.read_json(folder / "gpus.json") or {})}
            free = [gpu.index for gpu in self._gpus if gpu.index not in taken]
            held = dict.fromkeys(free[: int(quantity.pod_requests(pod).get("nvidia.com/gpu", 0))], True)
            write_atomic(mine, held)
        return list(held)

    def _claim(self, namespace: str, name: str) -> Path:
        claim = self._data["persistentvolumeclaims"].store.get(namespace, name)
        if claim is None:
            raise volumes.MountError(f'persistentvolumeclaim "{name}" not found')
        volume_name = claim["spec"].get("volumeName")
        if not volume_name:
            raise volumes.MountError(f'persistentvolumeclaim "{name}" is not bound yet')
        volume = self._data["persistentvolumes"].store.get("", volume_name)
        if volume is None:
            raise volumes.MountError(f'persistentvolume "{volume_name}" not found')
        source = volume["spec"].get("hostPath") or volume["spec"].get("local")
        path = Path(source["path"]) if source else self._settings.state_dir / "volumes" / volume_name
        path.mkdir(parents=True, exist_ok=True)
        return path

    # Reactions.

    def _on_pod(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        self._schedule.set()
        if new is None or (old is not None and old["metadata"]["uid"] != new["metadata"]["uid"]):
            worker = self._workers.get(old["metadata"]["uid"]) if old else None
            if worker:
                worker.vanish()
        if new is None or new["spec"].get("nodeName") != self._settings.node_name:
            return
        uid = new["metadata"]["uid"]
        if uid in self._workers:
            self._workers[uid].update(new)
            return
        host = Host(self._client, self._settings, self._recorder, self._addresses, self)
        self._workers[uid] = worker = PodWorker(new, host)
        self._tasks[uid] = asyncio.create_task(self._work(uid, worker), name=f"pod {new['metadata']['name']}")

    async def _work(self, uid: str, worker: PodWorker) -> None:
        """Run one worker; a defect in it is logged and tried again, and never takes the other pods down."""
        try:
            while True:
                try:
                    await worker.run()
                    return
                except Exception:
                    log.exception("pod %s: unexpected error; trying again", uid)
                    await asyncio.sleep(self._settings.retry)
        finally:
            self._workers.pop(uid, None)
            self._tasks.pop(uid, None)

    def _on_data(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        """Wake the pods that name the changed object."""
        meta = (new or old or {})["metadata"]
        quoted = f"'{meta['name']}'"
        for worker in self._workers.values():
            same = meta.get("namespace") in (None, worker.pod["metadata"]["namespace"])
            if same and (quoted in repr(worker.pod["spec"]) or "namespace" not in meta):
                worker.poke()

    async def _clean_orphans(self) -> None:
        """Processes and folders whose pod object is gone."""
        known = {pod["metadata"]["uid"] for pod in self._pods.store.list()}
        for folder in self._settings.pods_dir.iterdir():
            if folder.name in known:
                continue
            living = [a for d in (folder / "containers").glob("*") for a in process.attempts(d) if a.exited() is None]
            for attempt in living:
                attempt.kill()
                await attempt.wait()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        self._addresses.keep_only(known)

    # Scheduling.

    async def _scheduling(self) -> None:
        while True:
            await self._schedule.wait()
            self._schedule.clear()
            pending = [pod for pod in self._pods.store.list() if scheduler.needs_scheduling(pod)]
            for pod in sorted(pending, key=lambda p: p["metadata"].get("creationTimestamp") or ""):
                try:
                    await self._place(pod)
                except NotFound:
                    continue
                except ApiError as error:
                    log.warning("pod %s was not scheduled: %s; trying again", pod["metadata"]["name"], error)
                    asyncio.get_running_loop().call_later(self._settings.retry, self._schedule.set)

    async def _place(self, pod: dict[str, Any]) -> None:
        meta = pod["metadata"]
        machine = await self._client.get(NODES, self._settings.node_name)
        # Bindings just made may not be in the cache yet: ask the API itself.
        everyone, _ = await self._client.list(PODS)
        if any(p["metadata"]["uid"] == meta["uid"] and not scheduler.needs_scheduling(p) for p in everyone):
            return
        refusal = scheduler.unfit(pod, machine, [p for p in everyone if p["metadata"]["uid"] != meta["uid"]])
        if refusal is None:
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": self._settings.node_name},
            }
            path = PODS.path(meta["namespace"], meta["name"], "binding")
            await self._client.request_json("POST", path, content=binding)
            text = f"Successfully assigned {meta['namespace']}/{meta['name']} to {self._settings.node_name}"
            await self._recorder.emit(pod, "Scheduled", text)
            return
        conditions = (pod.get("status") or {}).get("conditions") or []
        known = next((c for c in conditions if c["type"] == "PodScheduled"), {})
        if known.get("message") == refusal:
            return
        fresh = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": refusal}
        fresh["lastTransitionTime"] = known.get("lastTransitionTime") or timestamp()
        others = [c for c in conditions if c["type"] != "PodScheduled"]
        status = {"phase": "Pending", "conditions": [*others, fresh]}
        await self._client.patch_status(PODS, meta["name"], meta["namespace"], status)
        await self._recorder.emit(pod, "FailedScheduling", refusal, kind="Warning")

    # Logs.

    def _attempt(self, namespace: str, name: str, container: str | None, previous: bool) -> process.Attempt:
        pod = self._pods.store.get(namespace, name)
        if pod is None:
            raise LogError(404, f'pods "{name}" not found')
        mains = [c["name"] for c in pod["spec"]["containers"]]
        known = [*mains, *(c["name"] for c in pod["spec"].get("initContainers") or [])]
        annotated = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
        if container is None and len(mains) > 1 and annotated is None:
            choices = " ".join(known)
            raise LogError(400, f"a container name must be specified for pod {name}, choose one of: [{choices}]")
        chosen = container or annotated or mains[0]
        if chosen not in known:
            raise LogError(400, f"container {chosen} is not valid for pod {name}")
        folder = self._settings.pods_dir / pod["metadata"]["uid"] / "containers" / chosen
        kept = process.attempts(folder)
        if previous:
            if len(kept) < 2:
                raise LogError(400, f'previous terminated container "{chosen}" in pod "{name}" not found')
            return kept[-2]
        if not kept:
            # Its worker knows what it reported last before the watch brings it back.
            worker = self._workers.get(pod["metadata"]["uid"])
            why = _why(worker.pod if worker else pod, chosen)
            raise LogError(400, f'container "{chosen}" in pod "{name}" is waiting to start: {why}')
        return kept[-1]


def _why(pod: Mapping[str, Any], container: str) -> str:
    status = pod.get("status") or {}
    for seen in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        if seen["name"] == container and "waiting" in seen["state"]:
            return seen["state"]["waiting"].get("reason", "ContainerCreating")
    return "ContainerCreating"


def _config_map(obj: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if obj is None:
        return None
    binary = {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return {**(obj.get("data") or {}), **binary}


def _secret(obj: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if obj is None:
        return None
    return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}
