"""What `kaito render` prints is what the operator applies: held against an operator over an API in memory."""

import asyncio
import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from kaito.api.conversion import convert
from kaito.capacity.machines import GIB, Machine
from kaito.cli import rendering
from kaito.cli.errors import NOT_FOUND, NOT_READY, REFUSED, USAGE, CliError
from kaito.cli.main import app
from kaito.controllers import operator
from kaito.controllers.caches import WORKSPACES
from kaito.controllers.resolver import Resolver
from kaito.kube import resources
from kaito.kube.client import Client
from kaito.workloads.inference import WorkloadSettings
from tests.unit.controllers.memory import MemoryApi

Object = dict[str, Any]
EXAMPLES = Path(__file__).parents[3] / "examples" / "inference"
HOST = Machine("this host", 0, 0, cpu_cores=4, memory=24 * GIB, available=20 * GIB)
NODE = {"metadata": {"name": "here"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "short"},
    "data": {"inference_config.yaml": "vllm:\n  max-model-len: 1024\n"},
}


def workspace(name: str = "demo", model: str = "kaito-demo", **parts: Any) -> Object:
    resource = parts.pop("resource", {"labelSelector": {"matchLabels": {"apps": name}}})
    inference = {"preset": {"name": model}} | parts
    meta = {"name": name, "namespace": "team"}
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": meta,
        "resource": resource,
        "inference": inference,
    }


POD = {"spec": {"containers": [{"name": "mine", "image": "example.com/mine:1"}]}}
TEMPLATE = workspace("own")
TEMPLATE["inference"] = {"template": POD}
A100 = {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "phi"}}}


def manifest(*objects: Object) -> rendering.Manifest:
    return rendering.Manifest.of([copy.deepcopy(one) for one in objects], namespace="team")


async def applied(ws: Object, settings: WorkloadSettings, resolver: Resolver, provisioner: str) -> list[Object]:
    """What an operator leaves in an API for this Workspace, in the order in which render prints it."""
    api = MemoryApi()
    api.put(resources.NODES, NODE)
    api.put(resources.CONFIG_MAPS, {**CONFIG, "metadata": {"name": "short", "namespace": "team"}})
    api.put(WORKSPACES, ws)

    async def prober(url: str) -> str | None:
        return None

    synced, options = asyncio.Event(), operator.OperatorSettings(settings, provisioner=provisioner)
    task = asyncio.create_task(operator.run(Client(api), options, resolver, prober, synced=synced))
    try:
        async with asyncio.timeout(10):
            while api.get(resources.STATEFUL_SETS, ws["metadata"]["name"], "team") is None:
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    name = ws["metadata"]["name"]
    found = [*api.objects["controllerrevisions"].values(), api.get(resources.SERVICES, name, "team")]
    found += [api.get(resources.SERVICES, f"{name}-headless", "team"), api.get(resources.STATEFUL_SETS, name, "team")]
    return [cleaned(one) for one in found if one is not None]


def cleaned(obj: Object) -> Object:
    """Without what only a server sets."""
    for key in ("uid", "resourceVersion", "generation", "ownerReferences", "creationTimestamp"):
        obj["metadata"].pop(key, None)
    obj.pop("status", None)
    if (obj.get("spec") or {}).get("clusterIP", "").startswith("127."):
        del obj["spec"]["clusterIP"]
    return obj


@pytest.mark.parametrize(
    "ws", [workspace(), workspace(config="short"), TEMPLATE], ids=["preset", "with a configuration", "own template"]
)
async def test_render_is_what_the_operator_applies_on_this_host(ws: Object) -> None:
    held = manifest(ws, CONFIG)
    settings = WorkloadSettings(image=rendering.LOCAL_IMAGE, kv_events=False, single_node=True)
    got = await rendering.objects(held.workspaces[0], held, rendering.Target(settings, host=lambda: HOST))
    assert got == await applied(dict(held.workspaces[0]), settings, Resolver(lambda: HOST), "local")


async def test_render_is_what_the_operator_applies_on_machines_of_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    held = manifest(workspace("phi", "phi-4", resource=A100))
    ws = held.workspaces[0]
    where = rendering.target(ws, instance_type=None, image="example.com/engine:1")
    assert where.instance_type == "Standard_NC24ads_A100_v4"
    got = await rendering.objects(ws, held, where)
    monkeypatch.setitem(NODE["metadata"], "labels", {"apps": "phi"})
    assert got == await applied(dict(ws), where.settings, Resolver(), "byo")


async def test_another_machine_changes_the_plan_and_not_the_spec() -> None:
    held = manifest(workspace("phi", "phi-4", resource=A100))
    ws = held.workspaces[0]
    here = await rendering.objects(ws, held, rendering.target(ws, instance_type=None, image=None))
    there = await rendering.objects(ws, held, rendering.target(ws, instance_type="g6.12xlarge", image=None))
    assert here[0] == there[0], "the revision records the spec"
    assert gpus(here) == "1"
    assert gpus(there) == "4"


def gpus(objects: list[Object]) -> str:
    found: str = objects[-1]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"]
    return found


def test_a_machine_type_of_azure_is_rendered_as_azures_operator_does() -> None:
    ws = workspace(resource=A100)
    assert rendering.target(ws, instance_type=None, image=None).settings.azure
    assert not rendering.target(ws, instance_type="g6.xlarge", image=None).settings.azure


async def test_a_live_workspace_keeps_its_owner_and_revision() -> None:
    ws = workspace()
    ws["metadata"] |= {"uid": "u-1", "annotations": {"workspace.kaito.io/revision": "7"}}
    held = manifest(ws)
    got = await rendering.objects(held.workspaces[0], held, rendering.target(ws, instance_type=None, image=None))
    assert {one["metadata"]["ownerReferences"][0]["uid"] for one in got} == {"u-1"}
    assert got[-1]["metadata"]["annotations"]["workspace.kaito.io/revision"] == "7"
    assert got[0]["revision"] == 7


@pytest.mark.parametrize(
    ("ws", "code", "says"),
    [
        (workspace(model="kaito-dmo"), NOT_FOUND, "workspace/demo: inference.preset.name: .*did you mean kaito-demo"),
        (workspace(config="none"), NOT_FOUND, "ConfigMap team/none does not exist"),
        (workspace(model="deepseek-v3-0324"), NOT_READY, "does not run on this host"),
        (workspace(nope=1), REFUSED, "inference.nope: is not a field of this API"),
        (CONFIG, USAGE, r"no Workspace is in the given files \(found: ConfigMap\)"),
    ],
)
async def test_what_the_cluster_would_refuse_is_refused_here(ws: Object, code: int, says: str) -> None:
    with pytest.raises(CliError, match=says) as caught:
        held = manifest(ws)
        await rendering.objects(held.workspaces[0], held, rendering.Target(WorkloadSettings("x"), host=lambda: HOST))
    assert caught.value.code == code


async def test_secrets_beside_the_workspace_are_used() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub"}, "data": {"HF_TOKEN": "aGZfeA=="}}
    held = manifest(workspace(), secret)
    assert await held.secret("team", "hub") == {"HF_TOKEN": "hf_x"}


def test_a_v1alpha1_workspace_keeps_what_only_v1beta1_says() -> None:
    written = copy.deepcopy(workspace())
    written["resource"]["partition"] = {"mode": "accelerator", "count": 2}
    shown = convert(written, "v1alpha1", instance_type=None)
    assert "partition" not in shown["resource"]
    assert rendering.stored(shown)["resource"]["partition"] == {"mode": "accelerator", "count": 2}


def test_every_example_renders_as_yaml_json_and_table() -> None:
    files = sorted(EXAMPLES.glob("*.yaml"))
    assert len(files) >= 2
    for file in files:
        outputs = {}
        for output in ("yaml", "json", "table"):
            words = ["render", "-f", str(file), "-o", output, "--instance-type", "Standard_NC24ads_A100_v4"]
            done = CliRunner().invoke(app, words, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            outputs[output] = done.stdout
        objects = list(yaml.safe_load_all(outputs["yaml"]))
        assert objects == json.loads(outputs["json"])["items"]
        assert [one["kind"] for one in objects] == ["ControllerRevision", "Service", "Service", "StatefulSet"]
        assert all(one["metadata"]["name"] in outputs["table"] for one in objects)
