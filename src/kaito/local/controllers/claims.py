"""PersistentVolumeClaims: each gets a volume at once; neither goes away while it is in use.

A claim binds to the volume it names, else to an available volume that suits it, else to one made for it. A volume made
here has no path of its own: whoever mounts it keeps it under the volume's name, and forgets it when the volume is gone.
"""

from decimal import Decimal

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import PODS, PVCS, PVS
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster
from kaito.local.controllers.selectors import matches
from kaito.local.kubelet import quantity

PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"
PROVISIONED = "pv.kubernetes.io/provisioned-by"
DRIVER = "volumes.local"


class Claims:
    """Reconciles one claim at a time, or one volume (its key has no namespace)."""

    name = "persistentvolumeclaim"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        cluster = self._cluster
        cluster.on_change(PVCS, add)
        cluster.on_change(PVS, add)
        claims = cluster.informer(PVCS).store

        def volume_changed(old: Object | None, new: Object | None) -> None:
            ref = ((old or new or {}).get("spec") or {}).get("claimRef")
            if ref:
                add((ref["namespace"], ref["name"]))
            if new is not None and not new["spec"].get("claimRef") and (old is None or ref):
                for claim in claims.list():
                    if claim["spec"].get("volumeName", "") in ("", new["metadata"]["name"]):
                        add((claim["metadata"]["namespace"], claim["metadata"]["name"]))

        def pod_changed(old: Object | None, new: Object | None) -> None:
            if old is not None and (new is None or podstate.is_finished(new)):
                for name in _claims_of(old):
                    add((old["metadata"]["namespace"], name))

        def claim_gone(old: Object | None, new: Object | None) -> None:
            if old is not None and new is None and old["spec"].get("volumeName"):
                add(("", old["spec"]["volumeName"]))

        cluster.informer(PVCS).add_handler(claim_gone)
        cluster.informer(PVS).add_handler(volume_changed)
        cluster.informer(PODS).add_handler(pod_changed)

    async def reconcile(self, key: Key) -> None:
        if not key[0]:
            await self._volume(key)
            return
        claim = self._cluster.get(PVCS, key)
        if claim is None:
            return
        if podstate.is_terminating(claim):
            await self._release(claim)
            return
        if PROTECTION not in (claim["metadata"].get("finalizers") or []):
            kept = [*(claim["metadata"].get("finalizers") or []), PROTECTION]
            claim = await self._cluster.patch(PVCS, claim, {"metadata": {"finalizers": kept}})
        await self._bind(claim)

    # Claims.

    async def _bind(self, claim: Object) -> None:
        named = claim["spec"].get("volumeName")
        volume = self._cluster.get(PVS, ("", named)) if named else self._suitable(claim)
        if named and volume is None:
            # Gone under a bound claim, or not made yet under a pending one.
            if (claim.get("status") or {}).get("phase") == "Bound":
                await self._cluster.write_status(PVCS, claim, {**claim["status"], "phase": "Lost"})
            return
        if volume is None:
            if claim["spec"].get("storageClassName") == "" or claim["spec"].get("selector"):
                text = "no persistent volumes available for this claim and no storage class is set"
                await self._cluster.event(claim, "FailedBinding", text)
                return
            volume = await self._provision(claim)
        ref = volume["spec"].get("claimRef")
        if ref and not _is_for(ref, claim):
            text = f'volume "{volume["metadata"]["name"]}" already bound to a different claim.'
            await self._cluster.event(claim, "FailedBinding", text, warning=True)
            return
        if not ref or ref.get("uid") != claim["metadata"]["uid"]:
            volume = await self._cluster.patch(PVS, volume, {"spec": {"claimRef": _reference(claim)}})
        if not named:
            notes = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
            patch = {"metadata": {"annotations": notes}, "spec": {"volumeName": volume["metadata"]["name"]}}
            claim = await self._cluster.patch(PVCS, claim, patch)
        bound = {
            **(claim.get("status") or {}),
            "phase": "Bound",
            "accessModes": volume["spec"].get("accessModes") or [],
            "capacity": volume["spec"].get("capacity") or {},
        }
        await self._cluster.write_status(PVCS, claim, bound)

    def _suitable(self, claim: Object) -> Object | None:
        """The volume reserved for the claim, else the smallest available one that is large enough."""
        volumes = [one for one in self._cluster.all(PVS) if not podstate.is_terminating(one)]
        for volume in volumes:
            if _is_for(volume["spec"].get("claimRef"), claim):
                return volume
        fitting = [one for one in volumes if not one["spec"].get("claimRef") and _fits(one, claim)]
        return min(fitting, key=lambda one: (_capacity(one), one["metadata"]["name"]), default=None)

    async def _provision(self, claim: Object) -> Object:
        spec, name = claim["spec"], f"pvc-{claim['metadata']['uid']}"
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {PROVISIONED: DRIVER}, "finalizers": [VOLUME_PROTECTION]},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "claimRef": _reference(claim),
                "persistentVolumeReclaimPolicy": "Delete",
                "volumeMode": spec.get("volumeMode", "Filesystem"),
                "csi": {"driver": DRIVER, "volumeHandle": name},
                **({"storageClassName": spec["storageClassName"]} if spec.get("storageClassName") else {}),
            },
        }
        try:
            made = await self._cluster.create(PVS, volume)
        except errors.AlreadyExists:
            return await self._cluster.client.get(PVS, name)
        text = f"Successfully provisioned volume {name}"
        await self._cluster.event(claim, "ProvisioningSucceeded", text)
        return made

    async def _release(self, claim: Object) -> None:
        """Let a deleted claim go once no pod that still lives mounts it."""
        finalizers = claim["metadata"].get("finalizers") or []
        if PROTECTION not in finalizers:
            return
        namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
        # The cache may not have a pod that was made a moment ago: ask the API itself.
        pods, _ = await self._cluster.client.list(PODS, namespace)
        if any(name in _claims_of(pod) and not podstate.is_finished(pod) for pod in pods):
            return
        left = [one for one in finalizers if one != PROTECTION]
        await self._cluster.patch(PVCS, claim, {"metadata": {"finalizers": left or None}})

    # Volumes.

    async def _volume(self, key: Key) -> None:
        volume = self._cluster.get(PVS, key)
        if volume is None:
            return
        ref, finalizers = volume["spec"].get("claimRef") or {}, volume["metadata"].get("finalizers") or []
        bound = bool(ref.get("uid")) and await self._is_bound(ref)
        if podstate.is_terminating(volume):
            if not bound and VOLUME_PROTECTION in finalizers:
                left = [one for one in finalizers if one != VOLUME_PROTECTION]
                await self._cluster.patch(PVS, volume, {"metadata": {"finalizers": left or None}})
            return
        if VOLUME_PROTECTION not in finalizers:
            volume = await self._cluster.patch(
                PVS, volume, {"metadata": {"finalizers": [*finalizers, VOLUME_PROTECTION]}}
            )
        if bound:
            await self._phase(volume, "Bound")
        elif not ref.get("uid"):
            await self._phase(volume, "Available")
        elif volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._cluster.delete(PVS, volume)
        else:
            await self._phase(volume, "Released")

    async def _is_bound(self, ref: Object) -> bool:
        """Whether the claim is there. Before a volume goes the API is asked: data is not lost to a stale cache."""
        claim = self._cluster.get(PVCS, (ref["namespace"], ref["name"]))
        if claim is not None and claim["metadata"]["uid"] == ref["uid"]:
            return True
        try:
            claim = await self._cluster.client.get(PVCS, ref["name"], ref["namespace"])
        except errors.NotFound:
            return False
        return claim["metadata"]["uid"] == ref["uid"]

    async def _phase(self, volume: Object, phase: str) -> None:
        await self._cluster.write_status(PVS, volume, {**(volume.get("status") or {}), "phase": phase})


def _claims_of(pod: Object) -> set[str]:
    volumes = pod["spec"].get("volumes") or ()
    named = {one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one}
    return named | {f"{pod['metadata']['name']}-{one['name']}" for one in volumes if "ephemeral" in one}


def _reference(claim: Object) -> Object:
    meta = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
    }


def _is_for(ref: Object | None, claim: Object) -> bool:
    """Whether a volume's claimRef means this claim; one without a uid reserves the volume for the name."""
    meta = claim["metadata"]
    if not ref or (ref.get("namespace"), ref.get("name")) != (meta["namespace"], meta["name"]):
        return False
    return not ref.get("uid") or ref["uid"] == meta["uid"]


def _capacity(volume: Object) -> Decimal:
    return Decimal(quantity.parse((volume["spec"].get("capacity") or {}).get("storage", "0")))


def _fits(volume: Object, claim: Object) -> bool:
    have, want = volume["spec"], claim["spec"]
    return (
        (have.get("storageClassName") or "") == (want.get("storageClassName") or "")
        and have.get("volumeMode", "Filesystem") == want.get("volumeMode", "Filesystem")
        and set(want["accessModes"]) <= set(have.get("accessModes") or ())
        and (not want.get("selector") or matches(want["selector"], volume["metadata"].get("labels")))
        and _capacity(volume) >= Decimal(quantity.parse(want["resources"]["requests"]["storage"]))
    )
