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

    async def release(self, ws: Object) -> None:
        return None


class Local(Byo):
    """The one machine: its node serves whatever the label selector says of instance types."""

    def nodes(self, ws: Object, known: Sequence[Object]) -> list[Object]:
        return sorted(known, key=lambda node: node["metadata"]["name"])


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
