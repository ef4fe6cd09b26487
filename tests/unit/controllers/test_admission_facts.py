"""What admission looks up, and that nothing it cannot look up keeps a Workspace from being written."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts, ModelAbsent, ModelFacts
from kaito.controllers.admission import check, known
from kaito.controllers.admission_facts import CSI_DRIVERS, ClusterFacts, FactSettings, model_facts
from kaito.controllers.judges import judge
from kaito.kube import resources
from kaito.kube.client import Client, Response
from tests.unit.api.rules.objects import TUNING, annotated, body, on, preset
from tests.unit.controllers.memory import MemoryApi

Object = dict[str, Any]
PLAIN = FactSettings()
STREAMS = FactSettings("karpenter", "azure", {"ModelStreaming": True})
GATED = {"preset": {"name": "llama-3.1-8b-instruct", "presetOptions": {"modelAccessSecret": "hf"}}}


def created(**changes: Any) -> Object:
    obj = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", **body(**changes)}
    return {"uid": "u", "operation": "CREATE", "object": obj}


def placed(name: str, **more: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "team"}, **more}


class Mute:
    """An API server that never answers."""

    async def request(self, *args: Any, **more: Any) -> Response:
        await asyncio.Event().wait()
        raise AssertionError("nothing wakes it")

    async def close(self) -> None: ...


class Broken(Mute):
    """An API server that refuses everything."""

    async def request(self, *args: Any, **more: Any) -> Response:
        async def text() -> Any:
            yield b'{"kind": "Status", "reason": "Forbidden", "message": "no", "code": 403}'

        return Response(403, {}, text())


async def facts_of(api: Any, request: Mapping[str, Any], settings: FactSettings = PLAIN) -> AdmissionFacts:
    return await ClusterFacts(Client(api), settings, seconds=0.05)(request)


async def test_what_is_named_is_read() -> None:
    api = MemoryApi()
    api.put(resources.CONFIG_MAPS, placed("mine", data={"inference_config.yaml": "vllm: {}"}))
    api.put(resources.SECRETS, placed("hf", data={"HF_TOKEN": "c2VjcmV0"}))
    found = await facts_of(api, created(inference={**GATED, "config": "mine"}))
    assert found.config_maps == {("team", "mine"): {"inference_config.yaml": "vllm: {}"}}
    assert found.secrets == {("team", "hf"): frozenset({"HF_TOKEN"})}
    assert "c2VjcmV0" not in repr(found)


async def test_what_is_not_there_is_known_to_be_absent() -> None:
    found = await facts_of(MemoryApi(), created(inference={**GATED, "config": "mine"}))
    assert (found.config_maps, found.secrets) == ({("team", "mine"): None}, {("team", "hf"): None})


@pytest.mark.parametrize("api", [Mute(), Broken()], ids=["silent", "refusing"])
async def test_what_cannot_be_read_is_unknown_and_refuses_nothing(api: Any) -> None:
    request = created(inference={**GATED, "config": "mine"}, **annotated(a="b"))
    found = await facts_of(api, request, STREAMS)
    assert (found.config_maps, found.secrets, found.csi_drivers) == ({}, {}, None)
    assert found.provisioner == "karpenter"


async def test_the_whole_answer_takes_no_longer_than_its_limit() -> None:
    async def slow(request: Mapping[str, Any]) -> AdmissionFacts:
        await asyncio.Event().wait()
        return NOTHING_KNOWN

    async def failing(request: Mapping[str, Any]) -> AdmissionFacts:
        raise RuntimeError("a fault of ours")

    assert await known(slow, created(), seconds=0.05) is NOTHING_KNOWN
    assert await known(failing, created()) is NOTHING_KNOWN


async def test_the_tuning_template_of_the_installation_is_read() -> None:
    settings = FactSettings(release_namespace="kaito")
    found = await facts_of(MemoryApi(), created(inference=None, tuning=TUNING), settings)
    assert found.config_maps == {("kaito", "lora-params-template"): None}


@pytest.mark.parametrize("there", [True, False])
async def test_the_driver_that_streaming_needs(there: bool) -> None:
    api = MemoryApi()
    if there:
        api.put(CSI_DRIVERS, {"metadata": {"name": "blob.csi.azure.com"}})
    found = await facts_of(api, created(), STREAMS)
    assert found.csi_drivers == (frozenset({"blob.csi.azure.com"}) if there else frozenset())


async def test_brought_nodes_are_followed() -> None:
    api = MemoryApi()
    labels = {"apps": "demo", "nvidia.com/gpu.product": "A100"}
    api.put(resources.NODES, {"metadata": {"name": "b"}, "status": {"allocatable": {"cpu": "4"}}})
    api.put(resources.NODES, {"metadata": {"name": "a", "labels": labels, "annotations": {"x": "y"}}})
    facts = ClusterFacts(Client(api), FactSettings("byo"))
    assert (await facts(created())).nodes is None
    running = asyncio.create_task(facts.run())
    try:
        async with asyncio.timeout(5):
            while (found := (await facts(created())).nodes) is None:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    assert [(node.name, node.labels, node.offered) for node in found] == [("a", labels, {}), ("b", {}, {"cpu": "4"})]


async def test_nodes_do_not_matter_where_they_are_made() -> None:
    facts = ClusterFacts(Client(MemoryApi()), FactSettings("karpenter"))
    await facts.run()
    assert (await facts(created())).nodes is None


async def test_machine_types_are_those_of_the_cloud() -> None:
    on_aws = await facts_of(MemoryApi(), created(), FactSettings("karpenter", "aws"))
    assert on_aws.machine("G6.12XLARGE") is not None
    assert on_aws.machine("Standard_NC24ads_A100_v4") is None
    assert (await facts_of(MemoryApi(), created(), FactSettings("karpenter", "nowhere"))).machine_types is None


async def test_an_object_that_does_not_decode_has_the_facts_of_the_installation() -> None:
    request = {"operation": "CREATE", "object": {"kind": "Other", "metadata": 3}}
    assert (await facts_of(MemoryApi(), request, FactSettings("byo"))).provisioner == "byo"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("kaito-dmo", ModelAbsent("did you mean kaito-demo?"), id="typing-error"),
        pytest.param("falcon-7b", ModelAbsent("use tiiuae/falcon-7b"), id="retired"),
        pytest.param("nobody/nothing", None, id="only-the-hub-knows"),
        pytest.param("/srv/model", None, id="only-the-node-knows"),
    ],
)
def test_models_without_facts(name: str, wanted: ModelAbsent | None) -> None:
    assert model_facts(name) == wanted


def test_models_with_facts() -> None:
    llama, demo = model_facts("Llama-3.1-8B-Instruct"), model_facts("kaito-demo")
    assert isinstance(llama, ModelFacts) and isinstance(demo, ModelFacts)
    assert (llama.gated, llama.downloads, llama.context_length) == (True, True, 131072)
    assert (demo.gated, demo.downloads) == (False, False)
    assert llama.weight_bytes is not None and llama.weight_bytes > 10 << 30


async def test_another_hub_gates_nothing() -> None:
    request = created(**preset("llama-3.1-8b-instruct"))
    asked = judge("Workspace", request, await facts_of(MemoryApi(), request))
    assert "modelAccessSecret" in (asked.refusal or "")
    assert check(request, await facts_of(MemoryApi(), request, FactSettings(gated_hub=False))) is None


async def test_a_folder_of_the_laptop_has_any_name() -> None:
    request = created(**annotated(use_local_weights="true"), **preset("my-own"))
    local, fleet = FactSettings("local"), FactSettings("karpenter", "azure")
    assert check(request, await facts_of(MemoryApi(), request, local)) is None
    assert "'my-own' is not in the catalogue" in (check(request, await facts_of(MemoryApi(), request, fleet)) or "")


async def test_one_manifest_runs_on_the_laptop_and_on_the_fleet() -> None:
    request = created(**on("Standard_NC24ads_A100_v4"))
    for settings in (FactSettings("local"), FactSettings("azure-gpu-provisioner", "azure")):
        assert check(request, await facts_of(MemoryApi(), request, settings)) is None


def written(kind: str, spec: Object, version: str = "v1beta1") -> Object:
    meta = {"name": "one", "namespace": "team"}
    obj = {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": meta, "spec": spec}
    return {"uid": "u", "operation": "CREATE", "object": obj}


SELECTOR = {"matchLabels": {"apps": "demo"}}
SET = {"labelSelector": SELECTOR, "template": {"inference": {**GATED, "config": "mine"}}}
ROLES = {
    "labelSelector": SELECTOR,
    "model": {"name": "llama-3.1-8b-instruct", "modelAccessSecret": "hf"},
    "eppPluginsConfig": "picker",
    "roles": [{"type": "prefill", "runtimeConfig": "mine"}, {"type": "decode"}],
}
ENGINE = {
    "embedding": {"local": {"modelID": "a/b", "modelAccessSecret": "hf"}},
    "guardrails": {"enabled": True, "configMapRef": {"name": "mine"}},
}
MIRROR = {"storage": {"size": "1Gi", "storageClassName": "fast"}}
NAMED = [
    pytest.param("InferenceSet", "v1beta1", SET, {"mine"}, {"hf"}, set(), id="a set's replica"),
    pytest.param("InferenceSet", "v1alpha1", SET, {"mine"}, {"hf"}, set(), id="a set in the old version"),
    pytest.param("MultiRoleInference", "v1alpha1", ROLES, {"mine", "picker"}, {"hf"}, set(), id="both roles"),
    pytest.param("RAGEngine", "v1beta1", ENGINE, {"mine"}, {"hf"}, set(), id="an engine"),
    pytest.param("ModelMirror", "v1alpha1", MIRROR, set(), set(), {"fast"}, id="a mirror"),
]


@pytest.mark.parametrize(("kind", "version", "spec", "maps", "secrets", "classes"), NAMED)
async def test_every_kind_s_names_are_read(
    kind: str, version: str, spec: Object, maps: set[str], secrets: set[str], classes: set[str]
) -> None:
    api = MemoryApi()
    api.put(resources.STORAGE_CLASSES, {"metadata": {"name": "fast"}})
    found = await facts_of(api, written(kind, spec, version))
    assert found.config_maps == {("team", name): None for name in maps}
    assert found.secrets == {("team", name): None for name in secrets}
    assert found.storage_classes == dict.fromkeys(classes, True)
    assert isinstance(found.model, ModelFacts) is (kind in ("InferenceSet", "MultiRoleInference"))


async def test_a_storage_class_that_is_not_there_is_known_to_be_absent() -> None:
    assert (await facts_of(MemoryApi(), written("ModelMirror", MIRROR, "v1alpha1"))).storage_classes == {"fast": False}


@pytest.mark.parametrize("api", [Mute(), Broken()], ids=["silent", "refusing"])
@pytest.mark.parametrize(("kind", "version", "spec", "maps", "secrets", "classes"), NAMED)
async def test_what_cannot_be_read_of_any_kind_is_unknown(
    api: Any, kind: str, version: str, spec: Object, maps: set[str], secrets: set[str], classes: set[str]
) -> None:
    found = await facts_of(api, written(kind, spec, version))
    assert (found.config_maps, found.secrets, found.storage_classes) == ({}, {}, {})


async def test_the_policy_of_the_installation_is_read() -> None:
    spec = {**ENGINE, "guardrails": {"enabled": True}}
    found = await facts_of(MemoryApi(), written("RAGEngine", spec), FactSettings(release_namespace="kaito"))
    assert found.config_maps == {("kaito", "ragengine-guardrails-policy-template"): None}


async def test_an_old_workspace_where_nodes_are_made_has_the_default_machine() -> None:
    request = created()
    request["object"]["apiVersion"] = "kaito.sh/v1alpha1"
    assert judge("Workspace", request, await facts_of(MemoryApi(), request, FactSettings("karpenter"))).refusal is None
