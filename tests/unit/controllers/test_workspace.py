"""Whole reconciliations over the real client, informers and controller."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from kaito.controllers import operator
from kaito.controllers.caches import WORKSPACES
from kaito.controllers.reasons import Trouble, plan_failed
from kaito.kube import resources
from kaito.kube.client import Client, Object
from kaito.workloads.inference import Serving, WorkloadSettings
from tests.unit.controllers.memory import MemoryApi

NODE = {
    "metadata": {"name": "here", "labels": {"zone": "a"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
WORKSPACE = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "demo", "namespace": "default"},
    "resource": {"labelSelector": {"matchLabels": {}}},
    "inference": {"preset": {"name": "kaito-demo"}},
}
SETTINGS = operator.OperatorSettings(WorkloadSettings(image="kaito/base:1"))


class World:
    """One API, one operator, and what the tests decide: the plan and whether the model answers."""

    def __init__(self) -> None:
        self.api = MemoryApi()
        self.answer: str | None = None
        self.plan: Serving | Trouble = Serving(name="kaito-demo", model="/models/demo", local_folder=True)
        self.asked: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def resolver(self, ws: Object, nodes: Sequence[Mapping[str, Any]], config: Object | None) -> Serving:
        if isinstance(self.plan, Trouble):
            raise self.plan
        return self.plan

    async def prober(self, url: str) -> str | None:
        self.asked.append(url)
        return self.answer

    async def start(self) -> None:
        synced = asyncio.Event()
        run = operator.run(Client(self.api), SETTINGS, self.resolver, self.prober, synced=synced)
        self._task = asyncio.create_task(run)
        await asyncio.wait_for(synced.wait(), 5)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.01)

    def condition(self, kind: str) -> Object:
        status = (self.api.get(WORKSPACES, "demo") or {}).get("status") or {}
        return next((one for one in status.get("conditions", ()) if one["type"] == kind), {})

    def state(self) -> str:
        return ((self.api.get(WORKSPACES, "demo") or {}).get("status") or {}).get("state", "")

    def stateful_set(self) -> Object:
        found = self.api.get(resources.STATEFUL_SETS, "demo")
        assert found is not None
        return found

    def roll_out(self, restarts: int = 0) -> None:
        """What the StatefulSet controller and the kubelet do when the pod is up."""
        container = {"name": "demo", "ready": True, "restartCount": restarts, "state": {"running": {}}}
        self.api.put(
            resources.PODS,
            {
                "metadata": {"name": "demo-0", "namespace": "default", "labels": {"kaito.sh/workspace": "demo"}},
                "spec": {"nodeName": "here"},
                "status": {"containerStatuses": [container]},
            },
        )
        status = {
            "observedGeneration": self.stateful_set()["metadata"]["generation"],
            "readyReplicas": 1,
            "updatedReplicas": 1,
        }
        self.api.change(resources.STATEFUL_SETS, "demo", {"status": status})

    async def ready(self) -> None:
        await self.until(lambda: self.api.get(resources.STATEFUL_SETS, "demo"))
        self.roll_out()
        await self.until(lambda: self.state() == "Ready")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.api.put(resources.NODES, NODE)
    made.api.put(WORKSPACES, WORKSPACE)
    await made.start()
    yield made
    await made.stop()


async def test_a_preset_becomes_a_served_model(world: World) -> None:
    await world.ready()
    ws = world.api.get(WORKSPACES, "demo")
    assert ws is not None
    assert ws["metadata"]["finalizers"] == ["workspace.finalizer.kaito.sh"]
    assert ws["metadata"]["annotations"]["workspace.kaito.io/revision"] == "1"
    assert ws["status"]["workerNodes"] == ["here"]
    assert ws["status"]["targetNodeCount"] == 1
    assert world.condition("InferenceReady")["message"] == "Inference has been deployed successfully"
    assert world.condition("WorkspaceSucceeded")["reason"] == "workspaceSucceeded"
    service = world.api.get(resources.SERVICES, "demo")
    assert service is not None
    assert world.asked == [f"http://{service['spec']['clusterIP']}"]
    revisions = list(world.api.objects["controllerrevisions"].values())
    digest = ws["metadata"]["annotations"]["workspace.kaito.io/hash"]
    assert [one["metadata"]["name"] for one in revisions] == [f"demo-{digest[:10]}"]


async def test_a_ready_pod_without_an_answer_is_not_ready(world: World) -> None:
    world.answer = "/v1/models answered 503"
    await world.until(lambda: world.api.get(resources.STATEFUL_SETS, "demo"))
    world.roll_out()
    await world.until(lambda: world.condition("InferenceReady").get("reason") == "ModelNotAnswering")
    assert "/v1/models answered 503" in world.condition("InferenceReady")["message"]
    assert world.state() == "Pending"


async def test_a_restart_of_the_operator_writes_nothing(world: World) -> None:
    await world.ready()
    await world.until(lambda: world.api.objects.get("events"))
    await world.stop()
    before, asked = list(world.api.writes), len(world.asked)
    await world.start()
    await world.until(lambda: len(world.asked) > asked)
    # A change that the operator sees after its first pass, and does not act on.
    world.api.change(resources.SERVICES, "demo", {"metadata": {"labels": {"seen": "yes"}}})
    await world.stop()
    assert world.api.writes == before


async def test_a_hand_edit_survives_until_the_spec_changes(world: World) -> None:
    await world.ready()
    command = [*world.stateful_set()["spec"]["template"]["spec"]["containers"][0]["command"], "--load_in_4bit"]
    edited = world.stateful_set()
    edited["spec"]["template"]["spec"]["containers"][0]["command"] = command
    asked = len(world.asked)
    world.api.put(resources.STATEFUL_SETS, edited)
    world.roll_out(restarts=1)
    await world.until(lambda: len(world.asked) > asked)
    assert world.stateful_set()["spec"]["template"]["spec"]["containers"][0]["command"] == command
    annotations = {"annotations": {"kaito.sh/performance-mode": "throughput"}}
    world.api.change(WORKSPACES, "demo", {"metadata": annotations})
    await world.until(lambda: world.stateful_set()["metadata"]["annotations"]["workspace.kaito.io/revision"] == "2")
    rolled = world.stateful_set()["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "--load_in_4bit" not in rolled
    assert "--performance-mode=throughput" in rolled


@pytest.mark.parametrize(("res", "name"), [(resources.STATEFUL_SETS, "demo"), (resources.SERVICES, "demo-headless")])
async def test_a_deleted_child_comes_back(world: World, res: Any, name: str) -> None:
    await world.ready()
    old = world.api.get(res, name)
    assert old is not None
    world.api.remove(res, name)
    await world.until(lambda: world.api.get(res, name))
    new = world.api.get(res, name)
    assert new is not None
    assert new["metadata"]["uid"] != old["metadata"]["uid"]


async def test_deleting_the_workspace_leaves_nothing(world: World) -> None:
    await world.ready()
    world.api.remove(WORKSPACES, "demo")
    await world.until(lambda: world.api.get(WORKSPACES, "demo") is None)
    for plural in ("statefulsets", "services", "controllerrevisions"):
        assert world.api.objects[plural] == {}


async def test_a_crash_says_why_and_the_state_remembers(world: World) -> None:
    await world.ready()
    ended = {"terminated": {"exitCode": 65, "message": "the weights are cut short"}}
    container = {"name": "demo", "ready": False, "restartCount": 1, "state": {"running": {}}, "lastState": ended}
    world.api.change(resources.PODS, "demo-0", {"status": {"containerStatuses": [container]}})
    world.api.change(resources.STATEFUL_SETS, "demo", {"status": {"readyReplicas": 0}})
    await world.until(lambda: world.condition("InferenceReady").get("reason") == "ContainerExited")
    assert "the weights are cut short" in world.condition("InferenceReady")["message"]
    assert world.state() == "NotReady"
    asked = len(world.asked)
    world.roll_out(restarts=1)
    await world.until(lambda: world.state() == "Ready")
    assert len(world.asked) == asked + 1


async def test_a_workload_that_comes_up_says_what_it_is_doing_and_no_warning(world: World) -> None:
    await world.until(lambda: world.condition("InferenceReady").get("message") == "StatefulSet demo has 0 of 1 pods")
    pod = {
        "metadata": {"name": "demo-0", "namespace": "default", "labels": {"kaito.sh/workspace": "demo"}},
        "spec": {"nodeName": "here"},
        "status": {
            "containerStatuses": [{"name": "demo", "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}]
        },
    }
    world.api.put(resources.PODS, pod)
    await world.until(lambda: "demo-0: container demo loads the model" in world.condition("InferenceReady")["message"])
    await world.ready()
    told = [(one["type"], one["reason"]) for one in world.api.objects["events"].values()]
    assert {kind for kind, _ in told} == {"Normal"}
    assert ("Normal", "WorkspaceInferenceStatusSuccess") in told


async def test_a_missing_node_is_named_with_the_command_that_brings_one() -> None:
    world = World()
    world.api.put(WORKSPACES, WORKSPACE)
    await world.start()
    await world.until(lambda: world.condition("NodesReady").get("reason") == "NodeNotReady")
    assert world.condition("NodesReady")["message"].startswith("0 of 1 node ready; ")
    world.api.put(resources.NODES, NODE)
    await world.ready()
    await world.stop()


async def test_a_model_without_a_plan_creates_nothing() -> None:
    world = World()
    world.plan = plan_failed("preset kaito-demo: needs 9 GiB, this machine has 4 GiB; choose a smaller model")
    world.api.put(resources.NODES, NODE)
    world.api.put(WORKSPACES, WORKSPACE)
    await world.start()
    await world.until(lambda: world.condition("InferenceReady").get("reason") == "PlanFailed")
    await world.stop()
    assert "needs 9 GiB" in world.condition("InferenceReady")["message"]
    assert "statefulsets" not in world.api.objects
    assert "services" not in world.api.objects


async def test_a_missing_config_map_is_named_and_its_coming_is_noticed(world: World) -> None:
    await world.ready()
    world.api.change(WORKSPACES, "demo", {"inference": {"config": "tuned"}})
    await world.until(lambda: "ConfigMap default/tuned does not exist" in world.condition("NodesReady")["message"])
    config = {"metadata": {"name": "tuned", "namespace": "default"}, "data": {"inference_config.yaml": "vllm: {}"}}
    world.api.put(resources.CONFIG_MAPS, config)
    await world.until(lambda: world.stateful_set()["metadata"]["annotations"]["workspace.kaito.io/revision"] == "2")
    command = world.stateful_set()["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "--kaito-config-file=/mnt/config/inference_config.yaml" in command
