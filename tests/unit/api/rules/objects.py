"""Workspaces, clusters and table rows for the tests of the rules."""

import copy
from typing import Any, NamedTuple

import pytest

from kaito.api.validation import AdmissionFacts, NodeFacts
from kaito.api.workspace import Workspace

GIB = 1 << 30
LABELS = {"matchLabels": {"apps": "demo"}}
TUNING = {
    "preset": {"name": "kaito-demo"},
    "method": "lora",
    "input": {"name": "data", "urls": ["https://example.com/data.parquet"]},
    "output": {"volumeSource": {"emptyDir": {}}},
}


class Machine(NamedTuple):
    gpus: int
    gpu_memory: int


MACHINES = {"Standard_NC24ads_A100_v4": Machine(1, 80 * GIB), "Standard_NC6s_v3": Machine(1, 16 * GIB)}
NOTHING = AdmissionFacts()


def on(instance_type: str, **more: Any) -> dict[str, Any]:
    """The part of a Workspace that asks for a machine type."""
    return {"resource": {"instanceType": instance_type, "labelSelector": LABELS, **more}}


A100 = on("Standard_NC24ads_A100_v4")
V100 = on("Standard_NC6s_v3")


def body(**changes: Any) -> dict[str, Any]:
    """A good Workspace with parts of it replaced; a part that is None is left out."""
    obj: dict[str, Any] = {
        "metadata": {"name": "demo", "namespace": "team"},
        "resource": {"labelSelector": LABELS},
        "inference": {"preset": {"name": "kaito-demo"}},
    }
    obj |= copy.deepcopy(changes)
    return {key: value for key, value in obj.items() if value is not None}


def workspace(**changes: Any) -> Workspace:
    return Workspace.decode(body(**changes))


def tuning(**changes: Any) -> dict[str, Any]:
    """The parts of a good tuning Workspace with fields of ``tuning`` replaced."""
    spec = {key: value for key, value in {**TUNING, **changes}.items() if value is not None}
    return {"inference": None, "tuning": spec}


def preset(name: str = "kaito-demo", **more: Any) -> dict[str, Any]:
    return {"inference": {"preset": {"name": name}, **more}}


def adapters(*many: dict[str, Any]) -> dict[str, Any]:
    return preset(adapters=list(many))


def adapter(name: str = "a", strength: str | None = None, **source: Any) -> dict[str, Any]:
    return {"source": {"name": name, **(source or {"image": "registry.example/a:1"})}, "strength": strength}


def annotated(**annotations: str) -> dict[str, Any]:
    """Metadata with ``kaito.sh/`` annotations; underscores stand for dashes."""
    marks = {"kaito.sh/" + key.replace("_", "-"): value for key, value in annotations.items()}
    return {"metadata": {"name": "demo", "namespace": "team", "annotations": marks}}


def nap(**more: Any) -> AdmissionFacts:
    """An installation that makes nodes on Azure."""
    known = {"provisioner": "azure-gpu-provisioner", "cloud": "azure", "machine_types": MACHINES}
    return AdmissionFacts(**(known | more))


def byo(*nodes: NodeFacts, **more: Any) -> AdmissionFacts:
    """An installation on brought nodes; without any the nodes are not known."""
    return AdmissionFacts(**({"provisioner": "byo", "nodes": nodes or None} | more))


def gpu_node(name: str, product: str = "A100", count: str = "1", memory: str = "81920", **labels: str) -> NodeFacts:
    """A node of ``apps: demo``; an empty ``product``, ``count`` or ``memory`` leaves the label out."""
    gpu = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": count, "nvidia.com/gpu.memory": memory}
    given = {key: value for key, value in gpu.items() if value}
    return NodeFacts(name, {"apps": "demo", **given, **labels}, {"cpu": "8", "nvidia.com/gpu": count or "1"})


def cpu_node(name: str) -> NodeFacts:
    return NodeFacts(name, {"apps": "demo"}, {"cpu": "8", "memory": "32Gi"})


class Created(NamedTuple):
    """A new Workspace: refused at exactly ``field`` with a sentence that has ``says``; accepted when field is None."""

    changes: dict[str, Any]
    field: str | None
    says: str
    facts: AdmissionFacts


class Changed(NamedTuple):
    """A change of a Workspace, judged like ``Created``."""

    before: dict[str, Any]
    after: dict[str, Any]
    field: str | None
    says: str
    facts: AdmissionFacts


def refused(id: str, changes: dict[str, Any], field: str, says: str, facts: AdmissionFacts = NOTHING) -> Any:
    return pytest.param(Created(changes, field, says, facts), id=id)


def accepted(id: str, changes: dict[str, Any], facts: AdmissionFacts = NOTHING) -> Any:
    return pytest.param(Created(changes, None, "", facts), id=id)


def change_refused(
    id: str, before: dict[str, Any], after: dict[str, Any], field: str, says: str, facts: AdmissionFacts = NOTHING
) -> Any:
    return pytest.param(Changed(before, after, field, says, facts), id=id)


def change_accepted(id: str, before: dict[str, Any], after: dict[str, Any], facts: AdmissionFacts = NOTHING) -> Any:
    return pytest.param(Changed(before, after, None, "", facts), id=id)
