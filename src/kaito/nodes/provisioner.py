"""Where a Workspace's nodes come from. One protocol; here the two ways that create no machine."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kaito.workloads.inference import selector_labels

Object = Mapping[str, Any]
PRESSURES = ("DiskPressure", "MemoryPressure", "PIDPressure")


class Provisioner(Protocol):
    """Chooses, and where it can makes, the nodes of a Workspace."""

    def nodes(self, ws: Object, known: Sequence[Object]) -> list[Object]:
        """The Workspace's nodes among all ``known`` ones, ready or not, sorted by name."""
        ...

    async def ensure(self, ws: Object, count: int) -> None:
        """Ask for ``count`` nodes. Returns at once; readiness is seen on the nodes."""
        ...

    def missing(self, ws: Object, nodes: Sequence[Object], target: int) -> str:
        """What the Workspace waits for while fewer than ``target`` of its ``nodes`` are ready, and the remedy."""
        ...

    async def release(self, ws: Object) -> None:
        """Give back what ``ensure`` asked for. Must not wait for machines to go."""
        ...


class Byo:
    """Nodes that their owner brought, chosen by ``resource.labelSelector``."""

    def nodes(self, ws: Object, known: Sequence[Object]) -> list[Object]:
        wanted = selector_labels(ws).items()
        found = [node for node in known if wanted <= (node["metadata"].get("labels") or {}).items()]
        return sorted(found, key=lambda node: node["metadata"]["name"])

    async def ensure(self, ws: Object, count: int) -> None:
        return None

    def missing(self, ws: Object, nodes: Sequence[Object], target: int) -> str:
        count, late = _counted(nodes, target)
        if late:
            return f"{count}; waiting for {', '.join(late)} to report Ready: kubectl describe node {late[0]}"
        labels = [f"{key}={value}" for key, value in sorted(selector_labels(ws).items())]
        if not labels:
            return f"{count}; the cluster has no {'other ' if nodes else ''}node: add one"
        other = "other " if nodes else ""
        return f"{count}; no {other}node has the labels {','.join(labels)}: kubectl label node NAME {' '.join(labels)}"

    async def release(self, ws: Object) -> None:
        return None


class Local(Byo):
    """The one machine: its node serves whatever the label selector says of instance types."""

    def nodes(self, ws: Object, known: Sequence[Object]) -> list[Object]:
        return sorted(known, key=lambda node: node["metadata"]["name"])

    def missing(self, ws: Object, nodes: Sequence[Object], target: int) -> str:
        count, late = _counted(nodes, target)
        if late or not nodes:
            return f"{count}; waiting for this machine's node to report Ready"
        return f"{count}; the local cluster has one node: use a model or a count that fits it"


def _counted(nodes: Sequence[Object], target: int) -> tuple[str, list[str]]:
    """How many of the wanted nodes are ready, and the names of those that are there and are not."""
    wanted, late = max(1, target), [node["metadata"]["name"] for node in nodes if not is_ready(node)]
    return f"{len(nodes) - len(late)} of {wanted} node{'s' if wanted > 1 else ''} ready", late


def is_ready(node: Object) -> bool:
    """A node that lives and reports Ready."""
    return not node["metadata"].get("deletionTimestamp") and _true(node, "Ready")


def pressure_warning(nodes: Sequence[Object]) -> str:
    """The suffix that names nodes short of disk, memory or process ids; empty when there is none."""
    pressed = [(node["metadata"]["name"], [kind for kind in PRESSURES if _true(node, kind)]) for node in nodes]
    listed = "; ".join(f"{name} ({', '.join(kinds)})" for name, kinds in pressed if kinds)
    return f"; warning: worker node(s) under resource pressure: {listed}" if listed else ""


def _true(node: Object, kind: str) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
