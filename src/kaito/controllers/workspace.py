"""The Workspace reconciler: read the world, apply what differs, tell the truth in the status.

Each pass is one walk through the steps below; a step that cannot go on raises Trouble, which ends the walk but never
keeps the status from being written. A pass that finds everything in place writes nothing.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from kaito.api import keys
from kaito.api.errors import SpecError, SpecErrors
from kaito.controllers import progress, reasons, revision
from kaito.controllers.caches import WORKSPACES, Caches
from kaito.controllers.failures import classify
from kaito.controllers.prober import Prober
from kaito.controllers.reasons import Reason, Trouble
from kaito.controllers.status import Seen, deleting_status, next_status, nodes_ready, rolled_out
from kaito.kube import errors, resources
from kaito.kube.client import Client, Object, Resource
from kaito.kube.informer import Informer, Key
from kaito.nodes.provisioner import Provisioner
from kaito.workloads.inference import (
    REVISION_ANNOTATION,
    SERVICE_HASH_ANNOTATION,
    Serving,
    UnservableError,
    WorkloadSettings,
    inference_objects,
    services,
)

FINALIZER = keys.WORKSPACE_FINALIZER
FIELD_MANAGER = "kaito-workspace-controller"
COMPONENT = "KAITO-Workspace-controller"
PROBE_EVERY = 10.0
LOOK_AGAIN = 30.0

log = logging.getLogger(__name__)


class Resolver(Protocol):
    """Model and machine to a plan. Raises Trouble, SpecError or SpecErrors for the Workspace's author."""

    async def __call__(self, ws: Object, nodes: Sequence[Mapping[str, Any]], config: Object | None) -> Serving: ...


@dataclass
class Proof:
    """The last try at a completion: for which pods, when, and why it failed (None: it answered)."""

    of: object
    at: float
    why: str | None


def utc_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class WorkspaceReconciler:
    """Call ``reconcile(key)``; it returns the seconds until it wants to look again."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        *,
        settings: WorkloadSettings,
        provisioner: Provisioner,
        resolver: Resolver,
        prober: Prober,
        now: Callable[[], str] = utc_now,
    ) -> None:
        self._client = client
        self._caches = caches
        self._settings = settings
        self._provisioner = provisioner
        self._resolver = resolver
        self._prober = prober
        self._now = now
        self._proofs: dict[Key, Proof] = {}
        self._plans: dict[Key, tuple[object, Serving]] = {}

    async def reconcile(self, key: Key) -> float | None:
        ws = self._caches.workspaces.store.get(*key)
        if ws is None:
            self._forget(key)
            return None
        if ws["metadata"].get("deletionTimestamp"):
            await self._delete(ws)
            self._forget(key)
            return None
        if ws.get("inference") is None:
            return None
        seen = Seen(target=(ws.get("status") or {}).get("targetNodeCount", 0))
        try:
            ws = await self._steps(key, ws, seen)
        except Trouble as trouble:
            seen.trouble = trouble
        except (errors.Invalid, errors.Forbidden) as exc:
            seen.trouble = Trouble(Reason.REFUSED, f"the API server refused a write: {exc.message}")
        again = await self._observe(key, ws, seen)
        await self._write_status(ws, seen)
        return again

    async def _steps(self, key: Key, ws: Object, seen: Seen) -> Object:
        ws = await self._finalizer(ws)
        seen.nodes = self._provisioner.nodes(ws, self._caches.nodes.store.list())
        config = self._config(ws)
        digest = revision.spec_hash(ws, config)
        ws = await self._revision(ws, digest)
        number = ws["metadata"]["annotations"][REVISION_ANNOTATION]
        template = ws["inference"].get("template") is not None
        live = self._caches.stateful_sets.store.get(*key)
        current = live is not None and (live["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) == number
        serving = None
        if not template and (not seen.target or not current):
            serving = await self._plan(key, ws, seen.nodes, config, digest)
        if not seen.target:
            wanted = (ws.get("resource") or {}).get("count") or 1
            seen.target = max(1, serving.nodes) if serving is not None else wanted
        await self._provisioner.ensure(ws, seen.target)
        if not nodes_ready(seen.nodes, seen.target):
            seen.missing = self._provisioner.missing(ws, seen.nodes, seen.target)
            return ws
        if not current:
            # Built before anything is created, so that what cannot be served leaves nothing half-made.
            desired = self._desired(ws, serving, seen.target, number)
            await self._services(ws)
            await self._apply(resources.STATEFUL_SETS, self._caches.stateful_sets, desired)
            text = reasons.workload_applied(desired["metadata"]["name"], number)
            await self._event(ws, "Normal", Reason.WORKLOAD_APPLIED, text)
        else:
            await self._services(ws)
        return ws

    async def _finalizer(self, ws: Object) -> Object:
        meta = ws["metadata"]
        if FINALIZER in (meta.get("finalizers") or ()):
            return ws
        # A merge patch replaces the list: the version makes sure that nobody's entry is lost.
        wanted = [*(meta.get("finalizers") or ()), FINALIZER]
        return await self._patch_meta(ws, {"finalizers": wanted, "resourceVersion": meta["resourceVersion"]})

    def _config(self, ws: Object) -> Object | None:
        name, namespace = ws["inference"].get("config"), ws["metadata"]["namespace"]
        if not name:
            return None
        config = self._caches.config_maps.store.get(namespace, name)
        if config is None:
            raise reasons.config_missing(name, namespace)
        return config

    async def _revision(self, ws: Object, digest: str) -> Object:
        """Record this spec in the history, and its number on the Workspace."""
        meta, known = ws["metadata"], self._caches.revisions_of(ws)
        entry = revision.find(known, digest)
        if entry is None:
            created = revision.new_revision(ws, known, digest)
            entry = await self._client.create(resources.CONTROLLER_REVISIONS, created)
            self._caches.revisions.written(entry)
            for old in revision.surplus([*known, entry], entry["metadata"]["name"]):
                await self._gone(resources.CONTROLLER_REVISIONS, old)
        wanted = {revision.HASH_ANNOTATION: digest, REVISION_ANNOTATION: str(entry["revision"])}
        if wanted.items() <= (meta.get("annotations") or {}).items():
            return ws
        return await self._patch_meta(ws, {"annotations": wanted})

    async def _plan(
        self, key: Key, ws: Object, nodes: Sequence[Mapping[str, Any]], config: Object | None, digest: str
    ) -> Serving:
        basis = (ws["metadata"]["uid"], digest, [node["metadata"]["name"] for node in nodes])
        known = self._plans.get(key)
        if known is not None and known[0] == basis:
            return known[1]
        try:
            serving = await self._resolver(ws, nodes, config)
        except (SpecError, SpecErrors) as exc:
            raise reasons.plan_failed(str(exc)) from exc
        self._plans[key] = (basis, serving)
        await self._event(ws, "Normal", Reason.PLANNED, reasons.planned(serving.nodes))
        return serving

    def _desired(self, ws: Object, serving: Serving | None, replicas: int, number: str) -> Object:
        try:
            objects = inference_objects(ws, serving, self._settings, replicas=replicas, revision=number)
        except UnservableError as exc:
            raise reasons.plan_failed(str(exc)) from exc
        return objects[0].to_dict()

    async def _services(self, ws: Object) -> None:
        """Create what is missing, and update what an annotation of the Workspace changed; hand edits stay."""
        for service in services(ws, self._settings):
            desired = service.to_dict()
            meta = desired["metadata"]
            live = self._caches.services.store.get(meta["namespace"], meta["name"])
            known = (live["metadata"].get("annotations") or {}) if live else {}
            if known.get(SERVICE_HASH_ANNOTATION) != meta["annotations"][SERVICE_HASH_ANNOTATION]:
                await self._apply(resources.SERVICES, self._caches.services, desired)

    async def _apply(self, res: Resource, cache: Informer, desired: Object) -> None:
        try:
            cache.written(await self._client.apply(res, desired, field_manager=FIELD_MANAGER))
        except (errors.Invalid, errors.Forbidden) as exc:
            raise reasons.refused(res.kind, desired["metadata"]["name"], exc.message) from exc

    async def _observe(self, key: Key, ws: Object, seen: Seen) -> float | None:
        """Look at the workload and, when it is up, ask the model; returns when to look again."""
        live = self._caches.stateful_sets.store.get(*key)
        pods = self._caches.pods_of(key)
        seen.rolled_out = rolled_out(live)
        if live is None or not seen.rolled_out:
            seen.failure = classify(pods)
            seen.step = progress.workload(key[1], live, pods, wanted=live["spec"].get("replicas", 1) if live else 1)
            return LOOK_AGAIN
        again = await self._prove(key, (live["metadata"]["uid"], live["metadata"].get("generation"), _lives(pods)))
        proof = self._proofs.get(key)
        seen.answered = proof is not None and proof.why is None
        if proof is not None and proof.why is not None:
            seen.failure = (Reason.NOT_ANSWERING, reasons.cut(reasons.not_answering(self._url(key) or "", proof.why)))
        return again if again is not None or seen.trouble is None else LOOK_AGAIN

    async def _prove(self, key: Key, of: object) -> float | None:
        """One completion per rollout and pod restart; while it fails, one every 10 s."""
        clock = asyncio.get_running_loop().time
        proof, url = self._proofs.get(key), self._url(key)
        if proof is not None and proof.of == of:
            if proof.why is None:
                return None
            if clock() - proof.at < PROBE_EVERY:
                return PROBE_EVERY - (clock() - proof.at)
        why = await self._prober(url) if url else "the Service has no address yet"
        self._proofs[key] = Proof(of, clock(), why)
        return None if why is None else PROBE_EVERY

    def _url(self, key: Key) -> str | None:
        service = self._caches.services.store.get(*key)
        address = service["spec"].get("clusterIP") if service else None
        return f"http://[{address}]" if address and ":" in address else f"http://{address}" if address else None

    async def _write_status(self, ws: Object, seen: Seen) -> None:
        old = ws.get("status") or {}
        status = next_status(ws, seen, now=self._now())
        if status == old:
            return
        await self._patch_status(ws, status)
        before, after = _reason(old), _reason(status)
        if before != after:
            expected = after[0] == "True" or after[1] == Reason.INFERENCE_PENDING
            await self._event(ws, "Normal" if expected else "Warning", after[1], after[2])

    async def _delete(self, ws: Object) -> None:
        """Release the nodes and let go; the children follow by their owner references. Waits for nothing."""
        kept = [one for one in ws["metadata"].get("finalizers") or () if one != FINALIZER]
        if FINALIZER not in (ws["metadata"].get("finalizers") or ()):
            return
        status = deleting_status(ws, now=self._now())
        try:
            if status != ws.get("status"):
                ws = await self._patch_status(ws, status)
            await self._provisioner.release(ws)
            await self._patch_meta(ws, {"finalizers": kept, "resourceVersion": ws["metadata"]["resourceVersion"]})
        except errors.NotFound:
            log.debug("workspace %s is gone already", ws["metadata"]["name"])

    async def _patch_meta(self, ws: Object, meta: Object) -> Object:
        where = ws["metadata"]
        new = await self._client.patch(WORKSPACES, where["name"], where["namespace"], {"metadata": meta})
        self._caches.workspaces.written(new)
        return new

    async def _patch_status(self, ws: Object, status: Object) -> Object:
        where = ws["metadata"]
        new = await self._client.patch_status(WORKSPACES, where["name"], where["namespace"], status)
        self._caches.workspaces.written(new)
        return new

    async def _gone(self, res: Resource, obj: Object) -> None:
        try:
            await self._client.delete(res, obj["metadata"]["name"], obj["metadata"]["namespace"])
        except errors.NotFound:
            return

    async def _event(self, ws: Object, kind: str, reason: str, message: str) -> None:
        """Tell the Workspace's author. An event that cannot be written must not stop the work."""
        meta, now = ws["metadata"], self._now()
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": meta["namespace"]},
            "involvedObject": {
                "apiVersion": WORKSPACES.api_version,
                "kind": WORKSPACES.kind,
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": kind,
            "reason": str(reason),
            "message": message,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._client.create(resources.EVENTS, event)
        except errors.ApiError as exc:
            log.warning("event %s for workspace %s not written: %s", reason, meta["name"], exc.message)

    def _forget(self, key: Key) -> None:
        self._proofs.pop(key, None)
        self._plans.pop(key, None)


def _lives(pods: Sequence[Object]) -> list[tuple[str, int]]:
    """Each pod's identity and how often its containers were restarted."""
    found = []
    for pod in pods:
        containers = (pod.get("status") or {}).get("containerStatuses") or ()
        found.append((pod["metadata"]["uid"], sum(one.get("restartCount", 0) for one in containers)))
    return sorted(found)


def _reason(status: Mapping[str, Any]) -> tuple[str, str, str]:
    for one in status.get("conditions") or ():
        if one["type"] == "InferenceReady":
            return one["status"], one["reason"], one["message"]
    return "", "", ""
