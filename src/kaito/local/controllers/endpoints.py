"""EndpointSlices and Endpoints: which pod addresses stand behind a Service."""

from dataclasses import dataclass
from typing import Any

from kaito.kube import errors
from kaito.kube.client import Object
from kaito.kube.informer import Key
from kaito.kube.resources import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster
from kaito.local.controllers.naming import content_hash
from kaito.local.controllers.ownership import owner_reference
from kaito.local.controllers.selectors import includes

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
PER_SLICE = 100
MAX_ADDRESSES = 1000


@dataclass(frozen=True)
class Place:
    """One pod behind a Service: its endpoint and its resolved ports."""

    endpoint: Object
    ports: list[Object]


class Endpoints:
    """Reconciles the endpoints of one Service at a time. A Service without a selector is left to its owner."""

    name = "endpoints"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def wire(self, add: Add) -> None:
        cluster = self._cluster
        cluster.on_change(SERVICES, add)
        services = cluster.informer(SERVICES).store

        def pod_changed(old: Object | None, new: Object | None) -> None:
            meta = (new or old or {})["metadata"]
            if old is not None and new is not None and _facts(old) == _facts(new):
                return
            for service in services.list(meta["namespace"]):
                wanted = service["spec"].get("selector")
                if wanted and any(obj and includes(wanted, obj["metadata"].get("labels")) for obj in (old, new)):
                    add((meta["namespace"], service["metadata"]["name"]))

        def slice_changed(old: Object | None, new: Object | None) -> None:
            meta = (new or old or {})["metadata"]
            labels = meta.get("labels") or {}
            if labels.get(MANAGED_BY) == MANAGER and SERVICE_LABEL in labels:
                add((meta["namespace"], labels[SERVICE_LABEL]))

        cluster.informer(PODS).add_handler(pod_changed)
        cluster.informer(ENDPOINT_SLICES).add_handler(slice_changed)
        cluster.on_change(ENDPOINTS, add)

    async def reconcile(self, key: Key) -> None:
        cluster = self._cluster
        service = cluster.get(SERVICES, key)
        if service is None:
            # The garbage collector takes the slices, which the Service owns; Endpoints have the Service's name only.
            known = cluster.get(ENDPOINTS, key)
            if known is not None and (known["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER:
                await cluster.delete(ENDPOINTS, known)
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        if podstate.is_terminating(service):
            return
        places = [
            _place(service, pod)
            for pod in cluster.all(PODS, key[0])
            if includes(service["spec"]["selector"], pod["metadata"].get("labels")) and _counts(pod)
        ]
        places.sort(key=lambda place: place.endpoint["addresses"])
        try:
            await self._slices(service, places)
            await self._endpoints(service, places)
        except errors.Forbidden as exc:
            # A namespace on its way out refuses new objects; there is nothing left to serve.
            if "being terminated" not in exc.message:
                raise

    async def _slices(self, service: Object, places: list[Place]) -> None:
        cluster, namespace = self._cluster, service["metadata"]["namespace"]
        wanted = {one["metadata"]["name"]: one for one in slices(service, places)}
        known = {
            one["metadata"]["name"]: one
            for one in cluster.all(ENDPOINT_SLICES, namespace)
            if includes(
                {SERVICE_LABEL: service["metadata"]["name"], MANAGED_BY: MANAGER}, one["metadata"].get("labels")
            )
        }
        for name, one in wanted.items():
            there = known.get(name)
            if there is None:
                await cluster.create(ENDPOINT_SLICES, one)
            elif _content(there) != _content(one):
                await cluster.replace(ENDPOINT_SLICES, _over(there, one))
        for name in known.keys() - wanted.keys():
            await cluster.delete(ENDPOINT_SLICES, known[name])

    async def _endpoints(self, service: Object, places: list[Place]) -> None:
        wanted = endpoints(service, places)
        there = self._cluster.get(ENDPOINTS, (service["metadata"]["namespace"], service["metadata"]["name"]))
        if there is None:
            await self._cluster.create(ENDPOINTS, wanted)
        elif (there.get("subsets") or []) != wanted["subsets"] or not includes(
            wanted["metadata"]["labels"], there["metadata"].get("labels")
        ):
            await self._cluster.replace(ENDPOINTS, _over(there, wanted))


def _facts(pod: Object) -> tuple[Any, ...]:
    """What of a pod an endpoint shows."""
    meta, spec = pod["metadata"], pod["spec"]
    where = (spec.get("nodeName"), spec.get("hostname"), spec.get("subdomain"), (pod.get("status") or {}).get("podIP"))
    state = (podstate.is_ready(pod), podstate.is_finished(pod), podstate.is_terminating(pod))
    return meta["uid"], meta.get("labels"), where, state


def _counts(pod: Object) -> bool:
    return bool((pod.get("status") or {}).get("podIP")) and not podstate.is_finished(pod)


def _place(service: Object, pod: Object) -> Place:
    meta, spec = pod["metadata"], pod["spec"]
    serving, terminating = podstate.is_ready(pod), podstate.is_terminating(pod)
    anyway = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: Object = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": anyway or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
    }
    if spec.get("nodeName"):
        endpoint["nodeName"] = spec["nodeName"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = spec["hostname"]
    return Place(endpoint, _ports(service, pod))


def _ports(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod has them; a named target that the pod lacks is left out."""
    resolved = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol") or "TCP"
        number = _target(port.get("targetPort", port["port"]), protocol, pod)
        if number is not None:
            one = {"name": port.get("name") or "", "port": number, "protocol": protocol}
            resolved.append(one | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}))
    return resolved


def _target(target: int | str, protocol: str, pod: Object) -> int | None:
    if isinstance(target, int):
        return target
    # A sidecar is an init container that keeps running: its ports count too.
    sidecars = [one for one in pod["spec"].get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for container in [*pod["spec"]["containers"], *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == target and (port.get("protocol") or "TCP") == protocol:
                return port["containerPort"]
    return None


def _grouped(places: list[Place]) -> list[tuple[list[Object], list[Place]]]:
    """Pods with the same ports together: a named port may mean another number in each pod."""
    groups: dict[str, tuple[list[Object], list[Place]]] = {}
    for place in places:
        groups.setdefault(repr(place.ports), (place.ports, []))[1].append(place)
    return [groups[key] for key in sorted(groups)]


def slices(service: Object, places: list[Place]) -> list[Object]:
    """The EndpointSlices of a Service; one without endpoints when there are none, so that readers see an answer."""
    meta, spec = service["metadata"], service["spec"]
    made = []
    labels = {**(meta.get("labels") or {}), SERVICE_LABEL: meta["name"], MANAGED_BY: MANAGER}
    if spec.get("clusterIP") == "None":
        labels[HEADLESS] = ""
    for ports, group in _grouped(places) or [([], [])]:
        for number, begin in enumerate(range(0, max(1, len(group)), PER_SLICE)):
            made.append(
                {
                    "apiVersion": ENDPOINT_SLICES.api_version,
                    "kind": ENDPOINT_SLICES.kind,
                    "metadata": {
                        "name": f"{meta['name']}-{content_hash([ports, number, meta['uid']])[:5]}",
                        "namespace": meta["namespace"],
                        "labels": labels,
                        "ownerReferences": [owner_reference(SERVICES, service)],
                    },
                    "addressType": "IPv4",
                    "endpoints": [place.endpoint for place in group[begin : begin + PER_SLICE]],
                    "ports": ports,
                }
            )
    return made


def endpoints(service: Object, places: list[Place]) -> Object:
    """The Endpoints object: the older form of the same, at most 1,000 addresses.

    Without terminating pods, unless the Service wants all that have an address.
    """
    meta = service["metadata"]
    subsets = []
    anyway = bool(service["spec"].get("publishNotReadyAddresses"))
    staying = [one for one in places if anyway or not one.endpoint["conditions"]["terminating"]]
    for ports, group in _grouped(staying[:MAX_ADDRESSES]):
        if not ports and service["spec"].get("ports"):
            # A subset without ports would mean every port; these pods have none that is asked for.
            continue
        ready = [_address(one.endpoint) for one in group if one.endpoint["conditions"]["ready"]]
        waiting = [_address(one.endpoint) for one in group if not one.endpoint["conditions"]["ready"]]
        subset: Object = {"addresses": ready} if ready else {}
        subset |= {"notReadyAddresses": waiting} if waiting else {}
        named = [{key: value for key, value in port.items() if value != ""} for port in ports]
        subsets.append(subset | ({"ports": named} if named else {}))
    labels = {**(meta.get("labels") or {}), MANAGED_BY: MANAGER}
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": labels},
        "subsets": subsets,
    }


def _address(endpoint: Object) -> Object:
    address = {"ip": endpoint["addresses"][0], "targetRef": endpoint["targetRef"]}
    return address | {key: endpoint[key] for key in ("nodeName", "hostname") if key in endpoint}


def _content(one: Object) -> tuple[Any, ...]:
    return one.get("endpoints") or [], one.get("ports") or [], one["metadata"].get("labels")


def _over(there: Object, wanted: Object) -> Object:
    """``wanted`` as an update of what is there: one that changed meanwhile is refused."""
    kept = ("uid", "resourceVersion", "creationTimestamp", "annotations")
    meta = {key: there["metadata"][key] for key in kept if key in there["metadata"]}
    return {**wanted, "metadata": {**meta, **wanted["metadata"]}}
