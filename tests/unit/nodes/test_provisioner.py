"""Which nodes are a Workspace's."""

from kaito.nodes.provisioner import Byo, Local, is_ready, pressure_warning


def node(name: str, *true: str, labels: dict[str, str] | None = None) -> dict[str, object]:
    conditions = [{"type": kind, "status": "True"} for kind in true]
    return {"metadata": {"name": name, "labels": labels or {}}, "status": {"conditions": conditions}}


NODES = [node("b", "Ready", labels={"gpu": "a100"}), node("a", labels={"gpu": "a100"}), node("c", "Ready")]


def names(found: list[object]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_byo_takes_all_matching_nodes_sorted_and_ignores_reserved_keys() -> None:
    ws = {"resource": {"labelSelector": {"matchLabels": {"gpu": "a100", "kaito.sh/workspace": "x"}}}}
    assert names(Byo().nodes(ws, NODES)) == ["a", "b"]
    assert names(Byo().nodes({"resource": {"labelSelector": {}}}, NODES)) == ["a", "b", "c"]


def test_the_local_node_serves_any_selector() -> None:
    ws = {"resource": {"labelSelector": {"matchLabels": {"apps": "llm"}}}}
    assert names(Local().nodes(ws, NODES[:1])) == ["b"]


def test_readiness_and_pressure() -> None:
    assert [is_ready(one) for one in NODES] == [True, False, True]
    pressed = [node("x", "Ready", "PIDPressure", "DiskPressure"), node("y", "MemoryPressure")]
    assert pressure_warning(pressed) == (
        "; warning: worker node(s) under resource pressure: x (DiskPressure, PIDPressure); y (MemoryPressure)"
    )
    assert pressure_warning(NODES) == ""


def test_missing_nodes_are_counted_and_the_remedy_is_a_command() -> None:
    chosen = {"resource": {"labelSelector": {"matchLabels": {"zone": "a", "gpu": "a100"}}}}
    assert Byo().missing(chosen, [], 1) == (
        "0 of 1 node ready; no node has the labels gpu=a100,zone=a: kubectl label node NAME gpu=a100 zone=a"
    )
    assert Byo().missing(chosen, [node("a", "Ready")], 2) == (
        "1 of 2 nodes ready; no other node has the labels gpu=a100,zone=a: kubectl label node NAME gpu=a100 zone=a"
    )
    assert Byo().missing(chosen, [node("a"), node("b", "Ready")], 2) == (
        "1 of 2 nodes ready; waiting for a to report Ready: kubectl describe node a"
    )
    assert Byo().missing({}, [], 1) == "0 of 1 node ready; the cluster has no node: add one"


def test_the_local_cluster_names_its_one_node() -> None:
    assert (
        Local().missing({}, [node("here")], 1) == "0 of 1 node ready; waiting for this machine's node to report Ready"
    )
    assert Local().missing({}, [node("here", "Ready")], 2).startswith("1 of 2 nodes ready; the local cluster has one")
