"""The objects of an inference Workspace, whole and in their parts."""

from dataclasses import replace
from typing import Any

import pytest

from kaito.workloads.inference import Serving, UnservableError, WorkloadSettings, command, inference_objects, services

LOCAL = WorkloadSettings(image="kaito/base:1", kv_events=False)
CLUSTER = WorkloadSettings(image="kaito/base:1", azure=True)
DEMO = Serving(
    name="kaito-demo",
    model="/models/demo",
    local_folder=True,
    dtype="bfloat16",
    max_model_len=2048,
    cpu_cores=1.5,
    memory_bytes=2 << 30,
    kv_cache_bytes=1 << 30,
    startup_seconds=605,
)
GPU = Serving(
    name="phi-4", model="microsoft/phi-4", gpus=2, tensor_parallel=2, revision="abc", gpu_memory_utilization=0.84
)


def workspace(inference: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "demo", "namespace": "default", "uid": "u1", **meta},
        "resource": {"labelSelector": {"matchLabels": {"zone": "a", "kaito.sh/workspace": "x"}}},
        "inference": inference or {"preset": {"name": "kaito-demo"}},
    }


def objects(ws: dict[str, Any], serving: Serving | None, settings: WorkloadSettings = LOCAL) -> list[dict[str, Any]]:
    return [one.to_dict() for one in inference_objects(ws, serving, settings, replicas=1, revision="7")]


def test_the_demo_on_one_machine() -> None:
    stateful_set, service, headless = objects(workspace(), DEMO)
    get = {"httpGet": {"path": "/health", "port": 5000}, "periodSeconds": 10, "timeoutSeconds": 5}
    owner = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "name": "demo", "uid": "u1"}
    assert stateful_set == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": "demo",
            "namespace": "default",
            "annotations": {"workspace.kaito.io/revision": "7"},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {
            "replicas": 1,
            "serviceName": "demo-headless",
            "podManagementPolicy": "Parallel",
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            "selector": {"matchLabels": {"kaito.sh/workspace": "demo"}},
            "template": {
                "metadata": {"labels": {"kaito.sh/workspace": "demo"}},
                "spec": {
                    "containers": [
                        {
                            "name": "demo",
                            "image": "kaito/base:1",
                            "command": [
                                "python3",
                                "-m",
                                "kaito.runtime.vllm",
                                "--dtype=bfloat16",
                                "--max-model-len=2048",
                                "--model=/models/demo",
                                "--served-model-name=kaito-demo",
                                "--tensor-parallel-size=1",
                            ],
                            "env": [
                                {"name": "VLLM_USE_FLASHINFER_SAMPLER", "value": "0"},
                                {"name": "VLLM_USE_DEEP_GEMM", "value": "0"},
                                {"name": "VLLM_CPU_KVCACHE_SPACE", "value": "1"},
                            ],
                            "ports": [{"name": "http", "containerPort": 5000, "protocol": "TCP"}],
                            "resources": {"requests": {"cpu": "1500m", "memory": "2147483648"}},
                            "startupProbe": {**get, "periodSeconds": 2, "failureThreshold": 303},
                            "livenessProbe": {**get, "failureThreshold": 3},
                            "readinessProbe": get,
                            "terminationMessagePath": "/dev/termination-log",
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                            "volumeMounts": [
                                {"name": "model-weights-hostpath", "mountPath": "/models/demo", "readOnly": True},
                                {"name": "dshm", "mountPath": "/dev/shm"},
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "model-weights-hostpath", "hostPath": {"path": "/models/demo", "type": "Directory"}},
                        {"name": "dshm", "emptyDir": {"medium": "Memory"}},
                    ],
                    "tolerations": [
                        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
                        {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
                    ],
                    "affinity": {
                        "nodeAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": {
                                "nodeSelectorTerms": [
                                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                                ]
                            }
                        }
                    },
                },
            },
        },
    }
    assert service["spec"]["selector"] == {
        "kaito.sh/workspace": "demo",
        "statefulset.kubernetes.io/pod-name": "demo-0",
    }
    assert service["spec"]["type"] == "ClusterIP"
    assert {port["name"]: (port["port"], port["targetPort"]) for port in service["spec"]["ports"]} == {
        "http": (80, 5000),
        "ray": (6379, 6379),
        "dashboard": (8265, 8265),
    }
    assert headless["metadata"]["name"] == "demo-headless"
    assert headless["spec"] == {
        "clusterIP": "None",
        "selector": {"kaito.sh/workspace": "demo"},
        "publishNotReadyAddresses": True,
    }


def test_a_hub_model_on_gpus() -> None:
    inference = {
        "preset": {"name": "phi-4", "presetOptions": {"modelAccessSecret": "hf"}},
        "config": "tuned",
        "adapters": [{"source": {"name": "law", "volumeSource": {"hostPath": {"path": "/law"}}}, "strength": "0.5"}],
    }
    pod = objects(workspace(inference), GPU, CLUSTER)[0]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["command"][3:] == [
        "--code-revision=abc",
        "--compilation-config.pass_config.fuse_allreduce_rms=False",
        "--download-dir=/workspace/weights",
        "--enable-lora",
        "--gpu-memory-utilization=0.84",
        "--kaito-config-file=/mnt/config/inference_config.yaml",
        '--kv-events-config={"enable_kv_cache_events":true}',
        "--max-model-len=auto",
        "--model=microsoft/phi-4",
        "--revision=abc",
        "--served-model-name=phi-4",
        "--tensor-parallel-size=2",
    ]
    assert container["resources"] == {"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}
    assert container["env"][2:] == [
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "HF_TOKEN", "optional": True}}},
        {"name": "law", "value": "0.5"},
    ]
    assert [(one["name"], one["mountPath"]) for one in container["volumeMounts"]] == [
        ("config-volume", "/mnt/config"),
        ("dshm", "/dev/shm"),
        ("adapter-volume-law", "/mnt/adapter/law"),
        ("model-weights-volume", "/workspace/weights"),
    ]
    assert pod["volumes"][2] == {"name": "adapter-volume-law", "hostPath": {"path": "/law"}}
    assert pod["tolerations"][2]["key"] == "kubernetes.azure.com/scalesetpriority"


def test_ray_is_never_published_by_a_load_balancer() -> None:
    service = services(workspace(annotations={"kaito.sh/enablelb": "True"}), CLUSTER)[0].to_dict()["spec"]
    assert service["type"] == "LoadBalancer"
    assert [port["name"] for port in service["ports"]] == ["http"]


@pytest.mark.parametrize(
    ("meta", "flag"),
    [
        ({"annotations": {"kaito.sh/performance-mode": "throughput"}}, "--performance-mode=throughput"),
        ({"labels": {"inferenceset.kaito.sh/created-by": "fleet"}}, "--served-model-name=fleet"),
    ],
)
def test_what_the_metadata_says_reaches_the_command(meta: dict[str, Any], flag: str) -> None:
    assert flag in command(workspace(**meta), DEMO, LOCAL)


def test_a_value_with_spaces_and_quotes_stays_one_argument() -> None:
    serving = Serving(name="x", model="/a folder/'$(id)'", local_folder=True)
    assert "--model=/a folder/'$(id)'" in command(workspace(), serving, LOCAL)


def test_a_shipped_model_is_in_the_image_neither_mounted_nor_downloaded() -> None:
    serving = replace(DEMO, model="shipped:kaito-demo", local_folder=False, shipped=True)
    pod = objects(workspace(), serving)[0]["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["dshm"]
    words = pod["containers"][0]["command"]
    assert "--model=shipped:kaito-demo" in words
    assert not [word for word in words if word.startswith("--download-dir")]


@pytest.mark.parametrize(
    ("cpu_image", "serving", "image"),
    [(None, DEMO, "gpu:1"), ("cpu:1", DEMO, "cpu:1"), ("cpu:1", GPU, "gpu:1")],
    ids=["one-image", "processors", "gpus"],
)
def test_processors_may_have_an_image_of_their_own(cpu_image: str | None, serving: Serving, image: str) -> None:
    settings = WorkloadSettings(image="gpu:1", cpu_image=cpu_image)
    made = objects(workspace(), serving, settings)[0]["spec"]["template"]["spec"]
    assert made["containers"][0]["image"] == image


def test_a_pod_template_of_ones_own() -> None:
    template = {
        "metadata": {"labels": {"mine": "yes"}},
        "spec": {"containers": [{"name": "own", "image": "own:1"}], "affinity": {"podAffinity": {}}},
    }
    spec = objects(workspace({"template": template}), None)[0]["spec"]
    assert spec["template"]["metadata"]["labels"] == {"mine": "yes", "kaito.sh/workspace": "demo"}
    assert spec["template"]["spec"]["containers"] == [{"name": "own", "image": "own:1"}]
    assert list(spec["template"]["spec"]["affinity"]) == ["nodeAffinity"]
    assert len(spec["template"]["spec"]["tolerations"]) == 2


@pytest.mark.parametrize(
    ("inference", "serving", "said"),
    [
        (None, Serving(name="big", model="o/big", nodes=3, gpus=8), "needs 3 nodes"),
        (
            {"preset": {"name": "p"}, "adapters": [{"source": {"name": "law", "image": "r/law"}}]},
            DEMO,
            r"inference.adapters\[0\].source",
        ),
        ({"template": {"spec": {"containers": []}}}, None, "inference.template.spec.containers"),
        (
            {"preset": {"name": "x"}, "adapters": [{"source": {"name": "law", "volumeSource": {"hostPath": "/law"}}}]},
            DEMO,
            r"inference.adapters\[0\].source.volumeSource: is no volume: .*hostPath",
        ),
        ({"template": {"spec": ""}}, None, "inference.template: is no pod template: .*spec"),
        ({"template": {"spec": {"containers": [{"name": 1}]}}}, None, "inference.template: is no pod template: .*name"),
    ],
    ids=[
        "several-nodes",
        "adapter-image",
        "empty-template",
        "wrong-type-in-volume",
        "template-without-shape",
        "wrong-type-in-template",
    ],
)
def test_what_cannot_be_served_is_said(inference: dict[str, Any] | None, serving: Serving | None, said: str) -> None:
    with pytest.raises(UnservableError, match=said):
        objects(workspace(inference), serving)
