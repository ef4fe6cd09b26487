"""Pods whose node is gone do not hold anything up for ever."""

import pytest

from kaito.kube import errors
from kaito.kube.resources import NAMESPACES, NODES, PODS
from tests.unit.local_controllers.bench import Bench


async def pod(bench: Bench, name: str, node: str, namespace: str = "default") -> None:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "app:1"}], "terminationGracePeriodSeconds": 30}
    await bench.create(PODS, {"metadata": {"name": name}, "spec": spec}, namespace=namespace)


async def test_a_pod_of_a_node_that_never_was_is_failed_and_removed_after_the_quarantine(bench: Bench) -> None:
    bench.starts = False
    await pod(bench, "lost", "nowhere")
    await pod(bench, "kept", "here")
    await bench.quiet(35)
    assert bench.pods() == ["kept", "lost"]
    await bench.quiet(10)
    assert bench.pods() == ["kept"]


async def test_the_pods_of_a_deleted_node_follow_it_unless_it_comes_back(bench: Bench) -> None:
    bench.starts = False
    for node in ("a", "b"):
        await bench.create(NODES, {"metadata": {"name": node}}, namespace=None)
        await pod(bench, f"on-{node}", node)
        await bench.client.delete(NODES, node)
    await bench.quiet(20)
    await bench.create(NODES, {"metadata": {"name": "b"}}, namespace=None)
    await bench.quiet(60)
    assert bench.pods() == ["on-b"]


async def test_a_namespace_with_a_pod_of_a_lost_node_goes(bench: Bench) -> None:
    await bench.create(NAMESPACES, {"metadata": {"name": "team"}}, namespace=None)
    await pod(bench, "lost", "nowhere", namespace="team")
    await bench.client.delete(NAMESPACES, "team")
    await bench.quiet(60)
    with pytest.raises(errors.NotFound):
        await bench.client.get(NAMESPACES, "team")
