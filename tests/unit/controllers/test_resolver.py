"""The resolver: models by name, on a hub on loopback, in folders; machines of every kind; and each refusal."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import kaito
from kaito.api import podcontract
from kaito.api.errors import SpecError
from kaito.capacity.machines import GIB, Machine, MachineError
from kaito.controllers.reasons import Trouble
from kaito.controllers.resolver import HubSettings, Resolver, machine_of, secrets_of
from kaito.kube import resources
from kaito.kube.client import Client
from kaito.models import hub
from kaito.models.catalogue import lookup
from kaito.models.hub_cache import HubCache
from tests.unit.controllers.memory import MemoryApi
from tests.unit.models.hub_server import CONFIG, SHA, FakeHub, serving, tensors

HOST = Machine("this host", 0, 0, cpu_cores=4, memory=24 * GIB, available=20 * GIB)
A100 = {"nvidia.com/gpu.product": "NVIDIA-A100", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "81920"}


def workspace(name: str, secret: str | None = None, **parts: Any) -> dict[str, Any]:
    preset: dict[str, Any] = {"name": name}
    if secret:
        preset["presetOptions"] = {"modelAccessSecret": secret}
    plain = {"metadata": {"name": "ws", "namespace": "team"}, "resource": {}, "inference": {"preset": preset}}
    return plain | parts


def node(name: str, ready: bool = True, **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": name, "labels": A100 | labels}, "status": {"conditions": conditions}}


def config(text: str) -> dict[str, Any]:
    return {"data": {"inference_config.yaml": text}}


def model_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(tensors())
    return folder


async def told(resolver: Resolver, ws: dict[str, Any], *nodes: Any, text: str = "") -> str:
    with pytest.raises((SpecError, Trouble)) as caught:
        await resolver(ws, nodes, config(text))
    return str(caught.value)


async def test_the_demo_model_on_this_machine() -> None:
    made = await Resolver(lambda: HOST)(workspace("KAITO-demo"), [], None)
    assert (made.name, made.shipped, made.local_folder, made.revision) == ("kaito-demo", True, False, None)
    assert (made.gpus, made.nodes, made.cpu_cores, made.kv_cache_bytes) == (0, 1, 1.0, GIB)
    assert (made.dtype, made.max_model_len, made.gpu_memory_utilization) == ("bfloat16", 2048, None)
    assert made.memory_bytes is not None
    assert made.memory_bytes < 3.1 * GIB
    assert made.flags == {}


async def test_the_demo_model_names_no_folder_of_the_operators_machine() -> None:
    """The pod runs on another machine: the serving program finds the model in its own image."""
    cpu = {"metadata": {"name": "a"}, "status": node("a")["status"] | {"allocatable": {"cpu": "2", "memory": "8Gi"}}}
    made = await Resolver()(workspace("kaito-demo"), [cpu], None)
    assert made.model == "shipped:kaito-demo"
    folder = lookup("kaito-demo").folder
    assert folder is not None
    assert folder == Path(kaito.__file__).parent / podcontract.SHIPPED_FOLDER / "kaito-demo"


async def test_a_node_without_gpus_serves_on_its_processors() -> None:
    status = node("a")["status"] | {"allocatable": {"cpu": "3500m", "memory": "8388608Ki", "pods": "110"}}
    cpu = {"metadata": {"name": "a", "labels": {"apps": "demo"}}, "status": status}
    made = await Resolver()(workspace("kaito-demo"), [cpu], None)
    assert (made.gpus, made.cpu_cores, made.kv_cache_bytes) == (0, 0.875, GIB)
    assert "phi-4 does not run on node a: memory" in await told(Resolver(), workspace("phi-4"), cpu)


async def test_a_folder_on_this_machine(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "mine")
    made = await Resolver(lambda: HOST)(workspace(str(folder)), [], None)
    assert (made.name, made.model, made.local_folder) == ("mine", str(folder), True)


async def test_a_catalogue_model_on_a_clouds_machines_needs_no_network() -> None:
    ws = workspace("phi-4-mini-instruct", resource={"instanceType": "standard_nc24ads_a100_v4"})
    made = await Resolver()(ws, [], None)
    assert (made.name, made.model) == ("phi-4-mini-instruct", "microsoft/Phi-4-mini-instruct")
    assert made.revision == "c0fb9e74abda11b496b7907a9c6c9009a7a0488f"
    assert (made.nodes, made.gpus, made.tensor_parallel, made.data_parallel) == (1, 1, 1, 1)
    assert (made.gpu_memory_utilization, made.dtype, made.max_model_len) == (0.84, "bfloat16", None)
    assert (made.cpu_cores, made.memory_bytes, made.kv_cache_bytes) == (None, None, None)
    assert made.flags == {
        "tool-call-parser": "phi4_mini_json",
        "enable-auto-tool-choice": "",
        "trust-remote-code": "",
    }


async def test_a_large_model_is_spread_over_nodes() -> None:
    ws = workspace("deepseek-r1-0528", resource={"instanceType": "Standard_ND96isr_H100_v5"})
    made = await Resolver(cloud="azure")(ws, [], None)
    assert (made.nodes, made.gpus, made.tensor_parallel, made.dtype, made.startup_seconds) == (2, 8, 8, "auto", 10800)
    assert made.flags["pipeline-parallel-size"] == "2"
    assert made.flags["distributed-executor-backend"] == "ray"
    assert made.flags["kaito-kv-cache-cpu-memory-utilization"] == "0"


async def test_a_small_model_is_copied_and_mistrals_format_is_said() -> None:
    ws = workspace("ministral-3-3b-instruct", resource={"instanceType": "g6.12xlarge"})
    made = await Resolver()(ws, [], None)
    assert (made.name, made.data_parallel, made.tensor_parallel) == ("ministral-3-3b-instruct-2512", 4, 1)
    assert {made.flags[key] for key in ("load-format", "config-format", "tokenizer-mode")} == {"mistral"}


async def test_what_the_config_map_fixes_is_planned() -> None:
    ws = workspace("llama-3.1-8b-instruct", secret="token", resource={"instanceType": "Standard_NV36ads_A10_v5"})
    short = await Resolver()(ws, [], config("vllm:\n  max-model-len: 4k\n"))
    assert (short.nodes, short.max_model_len) == (1, 4000)
    long = await Resolver()(ws, [], config("vllm:\n  max-model-len: 32768  # all of it\n"))
    assert (long.nodes, long.max_model_len) == (2, 32768)
    assert "vllm.max-model-len: 'x' is no length" in await told(Resolver(), ws, text="vllm: {max-model-len: x}")


async def test_brought_nodes_are_planned_for_by_the_weakest_that_is_ready() -> None:
    small = node("b", **{"nvidia.com/gpu.memory": "24576"})
    ws = workspace("phi-4")
    assert machine_of(ws, [node("a"), small]).gpu_memory == 24 * GIB
    broken = node("b", ready=False, **{"nvidia.com/gpu.memory": "24576"})
    assert machine_of(ws, [node("a"), broken]).gpu_memory == 80 * GIB
    assert (await Resolver()(ws, [node("a")], None)).nodes == 1
    assert (await Resolver()(ws, [small], None)).nodes == 2


async def test_nodes_that_are_not_ready_are_said() -> None:
    said = await told(Resolver(), workspace("phi-4"), node("a", ready=False))
    assert said.startswith("no ready node matches resource.labelSelector")
    plain = {"metadata": {"name": "a", "labels": {}}, "status": node("a")["status"]}
    assert "node a: has no label nvidia.com/gpu.product" in await told(Resolver(), workspace("phi-4"), plain)


def test_parts_of_a_node() -> None:
    eight = node("a", **{"nvidia.com/gpu.count": "8"})
    part: dict[str, Any] = {"partition": {"mode": "accelerator", "count": 2}}
    assert machine_of(workspace("phi-4", resource=part), [eight]).gpus == 2
    part = {"partition": {"mode": "mig", "profile": "3g.40gb"}}
    assert machine_of(workspace("phi-4", resource=part), []).gpu_memory == 40 * GIB
    part = {"partition": {"mode": "accelerator", "count": 9}}
    with pytest.raises(MachineError, match="9 GPUs are asked for and node a has 8"):
        machine_of(workspace("phi-4", resource=part), [eight])


async def test_a_slice_keeps_its_cache_on_the_gpu() -> None:
    part = {"partition": {"mode": "mig", "profile": "2g.24gb"}}
    made = await Resolver()(workspace("phi-4-mini-instruct", resource=part), [], None)
    assert made.flags["kaito-kv-cache-cpu-memory-utilization"] == "0"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kaito-dmo", "inference.preset.name: 'kaito-dmo' is not in the catalogue: did you mean kaito-demo?"),
        ("falcon-7b", "'falcon-7b' is not in the catalogue: use tiiuae/falcon-7b"),
        (
            "llama-3.1-8b-instruct",
            "modelAccessSecret: is missing: llama-3.1-8b-instruct is gated; name a Secret whose key",
        ),
        ("/no/such/model", "inference.preset.name: /no/such/model: is not a folder"),
        ("deepseek-v3-0324", "inference.preset: deepseek-v3-0324 does not run on this host: memory: 6"),
    ],
)
async def test_what_cannot_be_served_is_said(name: str, says: str) -> None:
    assert says in await told(Resolver(lambda: HOST), workspace(name))


async def test_an_unknown_instance_type_is_said() -> None:
    ws = workspace("phi-4", resource={"instanceType": "Standard_NC24ads_A100_v5"})
    assert "did you mean Standard_NC24ads_A100_v4" in await told(Resolver(), ws)


async def test_a_model_that_is_planned_already_may_take_its_own_memory() -> None:
    busy = Machine("this host", 0, 0, cpu_cores=4, memory=4 * GIB, available=GIB)
    assert "3.01 GiB needed, 1.00 GiB free now" in await told(Resolver(lambda: busy), workspace("kaito-demo"))
    running = workspace("kaito-demo", status={"targetNodeCount": 1})
    assert (await Resolver(lambda: busy)(running, [], None)).kv_cache_bytes == GIB


async def test_weights_on_the_node(tmp_path: Path) -> None:
    metadata = {"name": "ws", "namespace": "team", "annotations": {"kaito.sh/use-local-weights": "true"}}
    ws = workspace("Microsoft/Phi-4", metadata=metadata)
    folder = model_folder(tmp_path / "microsoft-phi-4")
    here = await Resolver(lambda: HOST, local_models=tmp_path)(ws, [], None)
    assert (here.model, here.local_folder, here.flags.get("load-format")) == (str(folder), True, None)
    there = await Resolver()(ws, [node("a")], None)
    assert (there.name, there.model, there.local_folder) == ("phi-4", "/opt/kaito/models/microsoft-phi-4", True)
    assert (there.revision, there.flags["load-format"]) == (None, "runai_streamer")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def resolver(url: str, clock: Clock, tokens: Mapping[str, Mapping[str, str]] | None = None) -> Resolver:
    async def read(namespace: str, name: str) -> Mapping[str, str] | None:
        assert namespace == "team"
        return (tokens or {}).get(name)

    return Resolver(lambda: HOST, secrets=read, hub_settings=HubSettings(url, trust_env=False), clock=clock)


async def test_a_hub_model_is_pinned_and_remembered_for_a_while() -> None:
    fake, clock = FakeHub(), Clock()
    async with serving(fake) as url:
        ask = resolver(url, clock)
        made = await ask(workspace("org/tiny-model"), [], None)
        assert (made.name, made.model, made.revision) == ("tiny-model", "Org/Tiny-Model", SHA)
        assert (made.local_folder, made.flags["trust-remote-code"]) == (False, "")
        asked = len(fake.asked)
        clock.now = 599
        await ask(workspace("Org/Tiny-Model"), [], None)
        assert len(fake.asked) == asked
        clock.now = 600
        await ask(workspace("Org/Tiny-Model"), [], None)
        assert len(fake.asked) > asked


async def test_oddity_a_model_seen_with_one_token_is_not_shown_without_it() -> None:
    """ODDITY: the original remembers a gated model's metadata for everyone."""
    fake = FakeHub()
    async with serving(fake) as url:
        ask = resolver(url, Clock(), {"mine": {"HF_TOKEN": "hf_mine"}})
        await ask(workspace("Org/Tiny-Model", secret="mine"), [], None)
        assert {sent for _, sent in fake.asked} == {"Bearer hf_mine"}
        fake.status, fake.code = 401, "GatedRepo"
        said = await told(ask, workspace("Org/Tiny-Model"))
        assert "it is gated and no token was given" in said
        await ask(workspace("Org/Tiny-Model", secret="mine"), [], None)


async def test_an_operator_that_starts_anew_need_not_ask_the_hub_again(tmp_path: Path) -> None:
    fake, kept = FakeHub(), HubCache(tmp_path)
    async with serving(fake) as url:
        for offline in (False, True):
            settings = HubSettings(url, trust_env=False, cache=kept, offline=offline)
            made = await Resolver(lambda: HOST, hub_settings=settings)(workspace("Org/Tiny-Model"), [], None)
            assert (made.model, made.revision) == ("Org/Tiny-Model", SHA)
            fake.status = 404
        ask = Resolver(lambda: HOST, hub_settings=HubSettings(url, trust_env=False, offline=True))
        with pytest.raises(Trouble, match="HF_HUB_OFFLINE is set"):
            await ask(workspace("Org/Tiny-Model"), [], None)


async def test_a_secret_that_does_not_help_is_named() -> None:
    ask = resolver("http://127.0.0.1:9", Clock(), {"empty": {"other": "x"}})
    said = await told(ask, workspace("Org/Tiny-Model", secret="none"))
    assert "modelAccessSecret: 'none' is not a Secret in namespace team" in said
    assert "'empty' has no key HF_TOKEN" in await told(ask, workspace("Org/Tiny-Model", secret="empty"))


async def test_a_busy_hub_is_trouble_that_passes() -> None:
    fake = FakeHub(status=503)
    async with serving(fake) as url:
        ask = resolver(url, Clock())
        with pytest.raises(Trouble, match="answers 503; it is asked again later"):
            await ask(workspace("Org/Tiny-Model"), [], None)
        fake.status = 200
        assert (await ask(workspace("Org/Tiny-Model"), [], None)).revision == SHA


async def test_a_mirror_may_hold_gated_models_openly() -> None:
    ask = resolver("http://127.0.0.1:9", Clock())
    said = await told(ask, workspace("llama-3.3-70b-instruct"))
    assert "memory" in said
    assert hub.ENDPOINT not in said


async def test_secrets_are_read_over_the_api() -> None:
    api = MemoryApi()
    data = {"HF_TOKEN": base64.b64encode(b"hf_x").decode(), "bad": "%%%"}
    api.put(resources.SECRETS, {"metadata": {"name": "s", "namespace": "team"}, "data": data})
    read = secrets_of(Client(api))
    assert (await read("team", "s")) == {"HF_TOKEN": "hf_x", "bad": ""}
    assert await read("team", "none") is None
