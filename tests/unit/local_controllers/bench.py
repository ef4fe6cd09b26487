"""Controllers over a plane in memory, with a machine that runs pods as a test wishes. In virtual time."""

import asyncio
from typing import Any

from kaito.kube.client import Client, Object, Resource
from kaito.kube.resources import NAMESPACES, NODES, PODS
from kaito.local import controllers
from kaito.local.kubelet.events import timestamp
from tests.unit.local_controllers.plane import Plane

BEGIN = 1_700_000_000.0
STOPPING = 2.0
"""Seconds a pod takes to stop once it is told to."""


class Bench:
    """``await bench.quiet()`` is the moment when nobody has anything to do any more."""

    def __init__(self) -> None:
        self.plane = Plane(clock=self.clock)
        self.client = Client(self.plane)
        self.starts = True
        """Whether new pods get running and ready by themselves."""
        self.broken: set[str] = set()
        """Images that never get ready."""
        self._tasks: list[asyncio.Task[None]] = []

    def clock(self) -> float:
        return BEGIN + asyncio.get_running_loop().time()

    async def start(self, *, machine: bool = True, **options: Any) -> None:
        if self.plane.get("namespaces", "default", "") is None:
            await self.create(NAMESPACES, {"metadata": {"name": "default"}}, namespace=None)
            await self.create(NODES, {"metadata": {"name": "here"}}, namespace=None)
        ready = asyncio.Event()
        run = controllers.run(self.client, clock=self.clock, ready=ready, **options)
        self._tasks = [asyncio.create_task(run)]
        if machine:
            self._tasks.append(asyncio.create_task(self._machine()))
        async with asyncio.timeout(60):
            await ready.wait()
        await self.quiet()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        answers = await asyncio.gather(*self._tasks, return_exceptions=True)
        faults = [one for one in answers if not isinstance(one, asyncio.CancelledError)]
        assert faults == [], faults

    async def restart(self, *, after: int | None = None) -> None:
        """Stop the controllers and start them anew; with ``after``, stop them again behind so many writes."""
        self.plane.writes_left = 0
        await self.stop()
        self.plane.writes_left = after
        await self.start()
        self.plane.writes_left = None

    async def quiet(self, seconds: float = 30.0) -> None:
        """Let everything happen that happens within ``seconds``."""
        await asyncio.sleep(seconds)

    # Objects.

    async def create(self, res: Resource, obj: Object, *, namespace: str | None = "default") -> Object:
        meta = obj["metadata"] | ({"namespace": namespace} if namespace else {})
        return await self.client.create(res, {"apiVersion": res.api_version, "kind": res.kind, **obj, "metadata": meta})

    async def patch(self, res: Resource, name: str, patch: Object) -> Object:
        """A merge patch, and its consequences."""
        made = await self.client.patch(res, name, "default" if res.namespaced else None, patch)
        await self.quiet()
        return made

    async def get(self, res: Resource, name: str) -> Object:
        return await self.client.get(res, name, "default" if res.namespaced else None)

    async def delete(self, res: Resource, name: str, **options: Any) -> None:
        await self.client.delete(res, name, "default" if res.namespaced else None, **options)
        await self.quiet()

    @property
    def history(self) -> list[str]:
        """Pods as they were made (+), told to stop (~) and gone (-), since ``history.clear()``."""
        return self.plane.pod_history

    def pods(self) -> list[str]:
        """The names of the pods that are not on their way out."""
        return [pod["metadata"]["name"] for pod in self.plane.all("pods") if not _terminating(pod)]

    def images(self) -> list[str]:
        """The image of each pod that is not on its way out, by pod name."""
        return [pod["spec"]["containers"][0]["image"] for pod in self.plane.all("pods") if not _terminating(pod)]

    # The machine.

    async def up(self, name: str, *, ready: bool = True) -> None:
        """The pod runs, on a node, with an address."""
        now = timestamp(self.clock())
        condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
        address = f"10.0.0.{self.plane.version % 250 + 1}"
        known = ((self.plane.get("pods", name) or {}).get("status") or {}).get("podIP", address)
        status = {"phase": "Running", "podIP": known, "conditions": [condition]}
        await self.plane.set("pods", name, {"spec": {"nodeName": "here"}, "status": status})

    async def end(self, name: str, phase: str, *, code: int = 0, reason: str | None = None) -> None:
        """The pod's only container ended."""
        ended = {"exitCode": code, "finishedAt": timestamp(self.clock())}
        pod = self.plane.get("pods", name)
        assert pod is not None
        one = {"name": pod["spec"]["containers"][0]["name"], "state": {"terminated": ended}, "restartCount": 0}
        conditions = [{"type": reason, "status": "True"}] if reason else []
        status = {"phase": phase, "containerStatuses": [one], "conditions": conditions}
        await self.plane.set("pods", name, {"spec": {"nodeName": "here"}, "status": status})

    async def _machine(self) -> None:
        """Runs new pods and ends deleted ones, as the kubelet does."""
        stopping: dict[str, float] = {}
        while True:
            for pod in self.plane.all("pods"):
                meta = pod["metadata"]
                phase = (pod.get("status") or {}).get("phase", "Pending")
                if _terminating(pod):
                    due = stopping.setdefault(meta["uid"], self.clock() + STOPPING)
                    if self.clock() >= due and meta["deletionGracePeriodSeconds"]:
                        await self.client.delete(PODS, meta["name"], meta["namespace"], grace_period=0)
                elif phase == "Pending" and self.starts and meta["namespace"] == "default":
                    await self.up(meta["name"], ready=pod["spec"]["containers"][0]["image"] not in self.broken)
            await asyncio.sleep(0.5)


def _terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def template(image: str = "app:1", **spec: Any) -> Object:
    """A pod template with the label app=a."""
    return {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}
