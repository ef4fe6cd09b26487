"""One pod on this machine: from binding to its last status. A level-triggered loop: look, act, write what changed."""

import asyncio
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from kaito.kube.client import Client
from kaito.kube.errors import ApiError, NotFound
from kaito.kube.resources import PODS
from kaito.local.kubelet import env, expand, probes, status, volumes
from kaito.local.kubelet.addresses import Addresses
from kaito.local.kubelet.container import DEFAULT_MESSAGE_PATH, Container, Program
from kaito.local.kubelet.events import Recorder, timestamp
from kaito.local.kubelet.settings import HostImage, KubeletSettings
from kaito.local.kubelet.shim import write_atomic

log = logging.getLogger(__name__)
HOST_IP = "127.0.0.1"
DONE = ("Succeeded", "Failed")


class World(Protocol):
    """What a pod may ask about other objects; answers come from caches."""

    def lookup(self, namespace: str) -> volumes.Lookup: ...
    def sources(self, namespace: str) -> env.Sources: ...
    def gpus(self, pod: Mapping[str, Any]) -> list[str] | None: ...


@dataclass(frozen=True, slots=True)
class Host:
    """The machine's shared parts, the same for every pod."""

    client: Client
    settings: KubeletSettings
    recorder: Recorder
    addresses: Addresses
    world: World


class PodWorker:
    """Owns one pod uid. ``update`` brings a new object, ``run`` returns when nothing of the pod is left."""

    def __init__(self, pod: Mapping[str, Any], host: Host) -> None:
        self.pod, self._host = pod, host
        self.uid = pod["metadata"]["uid"]
        self.folder = host.settings.pods_dir / self.uid
        self.gone = False
        self._wake = asyncio.Event()
        self._programs: dict[str, Program] = {}
        self._folders: dict[str, Path] | None = None
        self._failed: tuple[str, str] | None = None
        self._stopping = False
        self._reported: dict[str, Any] | None = None
        spec = pod["spec"]
        grace = spec.get("terminationGracePeriodSeconds", 30)
        self._said: set[tuple[str, str, int]] = set()

        def make(c: Mapping[str, Any]) -> Container:
            folder = self.folder / "containers" / c["name"]
            return Container(
                {**c, "_grace": grace}, folder, settings=host.settings, emit=self._emit, wake=self._wake.set
            )

        self.inits = [make(c) for c in spec.get("initContainers") or []]
        self.mains = [make(c) for c in spec["containers"]]

    def update(self, pod: Mapping[str, Any]) -> None:
        """A newer object from the API."""
        self.pod = pod
        self._wake.set()

    def poke(self) -> None:
        """Something the pod refers to may have changed."""
        self._wake.set()

    def vanish(self) -> None:
        """The object is gone from the API without waiting for us."""
        self.gone = True
        self._wake.set()

    def container(self, name: str) -> Container | None:
        """A container by name."""
        return next((c for c in [*self.inits, *self.mains] if c.name == name), None)

    def _known(self, name: str) -> Mapping[str, Any]:
        """A container's status as the API has it."""
        found = (self.pod.get("status") or {}).get("containerStatuses") or ()
        return next((one for one in found if one["name"] == name), {})

    async def run(self) -> None:
        """Until the pod is deleted. Cancelling leaves the processes alone."""
        try:
            while True:
                self._wake.clear()
                try:
                    delay = await self._sync()
                except ApiError as error:
                    log.warning("pod %s: %s; trying again", self._where, error)
                    delay = self._host.settings.retry
                if delay is not None and delay < 0:
                    return
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            for container in [*self.inits, *self.mains]:
                await container.close()

    @property
    def _where(self) -> str:
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    async def _sync(self) -> float | None:
        """One pass. Seconds until the next is due (None: when woken; negative: finished for ever)."""
        if self.gone or self.pod["metadata"].get("deletionTimestamp"):
            await self._terminate()
            return -1
        if (self.pod.get("status") or {}).get("phase") in DONE:
            return None
        ip = self._address()
        timers = [self._deadline()]
        if self._failed is None:
            timers.append(await self._prepare(ip))
            if self._folders is not None:
                timers.append(await self._drive())
        await self._report(ip)
        return min((t for t in timers if t is not None), default=None)

    async def _prepare(self, ip: str) -> float | None:
        """Folders and volumes; also refreshes ConfigMap and Secret files of a running pod."""
        if not (self.folder / "pod.json").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            meta = self.pod["metadata"]
            write_atomic(self.folder / "pod.json", {"namespace": meta["namespace"], "name": meta["name"], "ip": ip})
        lookup = self._host.world.lookup(self.pod["metadata"]["namespace"])
        try:
            pod = self._with_ip(ip)
            self._folders = await asyncio.to_thread(volumes.materialise, pod, self.folder / "volumes", lookup)
        except (volumes.MountError, env.ConfigError, OSError) as error:
            if self._folders is None:
                await self._emit("FailedMount", f"MountVolume.SetUp failed: {error}", kind="Warning")
            return self._host.settings.retry
        return None

    async def _drive(self) -> float | None:
        """Start what should run: init containers in order, then the others."""
        timers: list[float | None] = []
        for container in self.inits:
            sidecar = container.spec.get("restartPolicy") == "Always"
            if not sidecar and self._past_init():
                continue
            if container.exit_code == 0 and not sidecar:
                continue
            policy = "Always" if sidecar else {"Always": "OnFailure"}.get(self._policy, self._policy)
            timers.append(await self._keep(container, policy))
            if not (sidecar and container.started):
                return _soonest(timers)
        for container in self.mains:
            timers.append(await self._keep(container, self._policy))
        return _soonest(timers)

    async def _keep(self, container: Container, policy: str) -> float | None:
        """See that one container runs if its policy wants it; seconds until a look is due."""
        if container.running and container.supervised:
            return None
        if container.current is not None and not container.supervised:
            container.current.settle()
        if container.current is not None and not container.running:
            if policy == "Never" or (policy == "OnFailure" and container.exit_code == 0):
                return None
            left = container.backoff_left()
            if left > 0:
                text = f"Back-off restarting failed container {container.name} in pod {self._full_name}"
                await self._emit("BackOff", text, container.name, kind="Warning", once=container.current.number)
                return left
        program = await self._program(container)
        if program is None:
            return self._host.settings.retry
        if container.running:
            container.adopt(program, self._known(container.name))
            return None
        if container.current is not None:
            container.note_restart()
        await self._emit("Created", f"Created container: {container.name}", container.name)
        await container.start(program)
        return None

    async def _program(self, container: Container) -> Program | None:
        """What to run, in host terms; None (with the reason noted on the container) when that cannot be said."""
        image = container.spec.get("image", "")
        host_image = match_image(image, self._host.settings.images)
        if host_image is None:
            known = ", ".join(sorted(self._host.settings.images)) or "none"
            text = f'image "{image}" cannot run on this machine: images that run as host processes are: {known}'
            if container.problem is None:
                await self._emit("Failed", f"Failed to pull image: {text}", container.name, kind="Warning")
            container.problem = ("ErrImagePull", text)
            return None
        try:
            program = self._resolve(container, host_image)
        except (env.ConfigError, volumes.MountError) as error:
            if container.problem is None or container.problem[1] != str(error):
                await self._emit("Failed", f"Error: {error}", container.name, kind="Warning")
            container.problem = ("CreateContainerConfigError", str(error))
            return None
        if container.current is None:
            text = f'Container image "{image}" already present on machine'
            await self._emit("Pulled", text, container.name)
        container.problem = None
        self._programs[container.name] = program
        return program

    def _resolve(self, container: Container, image: HostImage) -> Program:
        spec, settings = container.spec, self._host.settings
        ip = self._address()
        pod = self._with_ip(ip)
        number = container.current.number + (0 if container.running else 1) if container.current else 0
        words = self.folder / "containers" / container.name / str(number) / "termination-log"
        base = env.image_env(image, settings.base_env, pod_ip=ip, termination_log=words)
        gpus = self._host.world.gpus(self.pod)
        if gpus is not None:
            base["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        variables = env.build(pod, spec, self._host.world.sources(pod["metadata"]["namespace"]), base=base)
        mounts = volumes.mounts(spec, self._folders or {})
        mounts[spec.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH] = words
        paths = expand.PathMap(mounts)
        final = {k: v if base.get(k) == v else paths.text(v) for k, v in variables.items()}

        def rewrite(values: list[str]) -> list[str]:
            return paths.all(values)

        words_of = [*(spec.get("command") or []), *(spec.get("args") or [])]
        if not spec.get("command"):
            raise env.ConfigError(f"container {container.name!r} has no command: a host process needs one")
        argv = paths.all([expand.variables(word, variables) for word in words_of])
        cwd = Path(paths.text(spec.get("workingDir") or ""))
        if not spec.get("workingDir") or not cwd.is_dir():
            cwd = self.folder / "work" / container.name
            cwd.mkdir(parents=True, exist_ok=True)
        return Program(argv, probes.Target(spec, ip, final, cwd, rewrite))

    async def _report(self, ip: str) -> None:
        """Write the status when it differs from what the API has."""
        seen = self._observe()
        if status.phase(self.pod, seen) in DONE:
            # Sidecars, and everything of a pod past its deadline: the last status tells how each one ended.
            living = [c for c in [*self.inits, *self.mains] if c.running]
            await asyncio.gather(*(self._end(c, self._grace()) for c in living))
            seen = self._observe()
        fresh = status.build(self.pod, seen, ip=ip, host_ip=HOST_IP, now=timestamp())
        if fresh == self._reported or not status.differs(self.pod.get("status") or {}, fresh):
            return
        meta = self.pod["metadata"]
        try:
            patch = {"metadata": {"uid": self.uid}, "status": fresh}
            self.pod = await self._host.client.patch(PODS, meta["name"], meta["namespace"], patch, subresource="status")
            self._reported = fresh
        except NotFound:
            self.vanish()

    def _observe(self) -> status.Observed:
        idle = "PodInitializing" if self.inits else "ContainerCreating"
        return status.Observed(
            inits=[self._init_view(c) for c in self.inits],
            mains=[c.view(idle=idle, backing_off=self._backing_off(c)) for c in self.mains],
            initialized=not self.inits or self._past_init() or self._inits_done(),
            sandbox=self._folders is not None,
            failed=self._failed,
            deleting=self._stopping,
        )

    def _init_view(self, container: Container) -> status.View:
        view = container.view(idle="PodInitializing", backing_off=self._backing_off(container))
        if view.exit_code == 0:
            return status.View(**{**{f: getattr(view, f) for f in view.__slots__}, "ready": True})
        return view

    def _backing_off(self, container: Container) -> str:
        left = container.backoff_left()
        wanted = self._policy == "Always" or (self._policy == "OnFailure" and container.exit_code)
        if self._stopping or not wanted or left <= 0 or (container in self.inits and container.exit_code == 0):
            return ""
        names = f"container={container.name} pod={self._full_name}"
        return f"back-off {_go_duration(container.delay)} restarting failed {names}"

    def _inits_done(self) -> bool:
        return all(c.started if c.spec.get("restartPolicy") == "Always" else c.exit_code == 0 for c in self.inits)

    def _past_init(self) -> bool:
        return any(c.current is not None for c in self.mains)

    async def _terminate(self) -> None:
        """End every process, write the last status, let the object go, remove the folder."""
        self._stopping = True
        meta = self.pod["metadata"]
        grace = 1.0 if self.gone else float(meta.get("deletionGracePeriodSeconds", self._grace()))
        living = [c for c in [*self.inits, *self.mains] if c.running]
        for container in living:
            await self._emit("Killing", f"Stopping container {container.name}", container.name)
        await asyncio.gather(*(self._end(container, grace) for container in living))
        if not self.gone:
            if self._folders is not None or living:
                await self._report(self._address())
            try:
                await self._host.client.delete(PODS, meta["name"], meta["namespace"], uid=self.uid, grace_period=0)
            except NotFound:
                pass
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        self._host.addresses.release(self.uid)

    async def _end(self, container: Container, grace: float) -> None:
        begun = time.monotonic()
        program = self._programs.get(container.name)
        await container.pre_stop(program.target if program else None, grace)
        await container.stop(max(grace - (time.monotonic() - begun), 0))

    def _deadline(self) -> float | None:
        """Seconds left of activeDeadlineSeconds; past it the pod has failed."""
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        start = (self.pod.get("status") or {}).get("startTime")
        if limit is None or start is None:
            return None if limit is None else float(limit)
        left = datetime.fromisoformat(start).timestamp() + limit - time.time()
        if left <= 0:
            self._failed = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            return None
        return left

    def _address(self) -> str:
        return HOST_IP if self.pod["spec"].get("hostNetwork") else self._host.addresses.of(self.uid)

    def _with_ip(self, ip: str) -> dict[str, Any]:
        return {**self.pod, "status": {**(self.pod.get("status") or {}), "podIP": ip, "hostIP": HOST_IP}}

    @property
    def _policy(self) -> str:
        return self.pod["spec"].get("restartPolicy") or "Always"

    @property
    def _full_name(self) -> str:
        return f"{self.pod['metadata']['name']}_{self.pod['metadata']['namespace']}({self.uid})"

    def _grace(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    async def _emit(
        self, reason: str, message: str, container: str = "", *, kind: str = "Normal", once: int | None = None
    ) -> None:
        """An Event on the pod; with ``once`` only the first time for that attempt."""
        if once is not None:
            mark = (reason, container, once)
            if mark in self._said:
                return
            self._said.add(mark)
        field = ""
        if container:
            group = "initContainers" if any(c.name == container for c in self.inits) else "containers"
            field = f"spec.{group}{{{container}}}"
        await self._host.recorder.emit(
            {"kind": "Pod", "apiVersion": "v1", **self.pod}, reason, message, kind=kind, field=field
        )


def match_image(image: str, known: Mapping[str, HostImage]) -> HostImage | None:
    """The host image whose name is the image's repository or a leading part of it; the longest wins."""
    repository = image.partition("@")[0]
    head, slash, last = repository.rpartition("/")
    repository = head + slash + last.partition(":")[0]
    fits = [name for name in known if repository == name.rstrip("/") or repository.startswith(name.rstrip("/") + "/")]
    return known[max(fits, key=len)] if fits else None


def _soonest(timers: list[float | None]) -> float | None:
    return min((t for t in timers if t is not None), default=None)


def _go_duration(seconds: float) -> str:
    """10s, 1m20s, 5m0s: durations as kube prints them."""
    if seconds < 60:
        return f"{seconds:g}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s"
