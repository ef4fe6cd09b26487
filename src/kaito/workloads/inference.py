"""The Kubernetes objects that serve a model: one StatefulSet and two Services. Values in, objects out.

Field values follow the KAITO v0.12 contract, with its known defects repaired: the command is a list and never a shell
string, flags come in sorted order, Ray's unauthenticated ports never reach a load balancer, and a pod template follows
its Workspace.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
from lightkube.models.apps_v1 import (
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
)
from lightkube.models.core_v1 import (
    Affinity,
    ConfigMapVolumeSource,
    Container,
    ContainerPort,
    EmptyDirVolumeSource,
    EnvVar,
    EnvVarSource,
    HostPathVolumeSource,
    HTTPGetAction,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodSpec,
    PodTemplateSpec,
    Probe,
    ResourceRequirements,
    SecretKeySelector,
    Service,
    ServicePort,
    ServiceSpec,
    Toleration,
    Volume,
    VolumeMount,
)
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta, OwnerReference

from kaito.api import keys, podcontract
from kaito.capacity.plan import SERVED_NODES

Workspace = Mapping[str, Any]

API_VERSION: Final = "kaito.sh/v1beta1"
WORKSPACE_LABEL: Final = keys.WORKSPACE_LABEL
REVISION_ANNOTATION: Final = keys.REVISION
SERVICE_HASH_ANNOTATION: Final = "workspace.kaito.io/service-hash"
COPIED_LABELS: Final = (keys.INFERENCE_SET_LABEL, keys.MULTI_ROLE_LABEL, keys.ROLE_LABEL)
GPU_RESOURCE: Final = "nvidia.com/gpu"
PROBE_PERIOD: Final = 10
STARTUP_PERIOD: Final = 2
"""Seconds between looks at a model that loads: a ready one is not kept waiting."""


class UnservableError(ValueError):
    """The Workspace asks for something that these objects cannot express; the text is for its author."""


@dataclass(frozen=True)
class Serving:
    """What the plan and the model's profile say about one serving process.

    ``model`` is a hub id, or an absolute folder of the node when ``local_folder`` is true, or a model in the image when
    ``shipped`` is true. ``gpus`` is per node; 0 means CPU, and then ``cpu_cores`` and ``memory_bytes`` are the pod's
    requests. ``startup_seconds`` is how long loading may take.
    """

    name: str
    model: str
    nodes: int = 1
    gpus: int = 0
    local_folder: bool = False
    shipped: bool = False
    revision: str | None = None
    dtype: str | None = None
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    tensor_parallel: int = 1
    data_parallel: int = 1
    cpu_cores: float | None = None
    memory_bytes: int | None = None
    kv_cache_bytes: int | None = None
    startup_seconds: int = 1800
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def downloads(self) -> bool:
        """Whether the weights come from a hub when the pod starts."""
        return not (self.local_folder or self.shipped)


@dataclass(frozen=True)
class WorkloadSettings:
    """What the operator's installation decides. ``kv_events`` publishes cache events on port 5557 of each pod.

    ``cpu_image`` runs instead of ``image`` where a model is served without GPUs; the engine is another build there.

    ``single_node`` is for a cluster that is one machine: the label selector, which names machines of a fleet, then
    binds no pod.
    """

    image: str
    cpu_image: str | None = None
    azure: bool = False
    single_node: bool = False
    kv_events: bool = True


def inference_objects(
    ws: Workspace, serving: Serving | None, settings: WorkloadSettings, *, replicas: int, revision: str
) -> list[StatefulSet | Service]:
    """All objects of an inference Workspace: the StatefulSet, then the Service, then the headless Service.

    ``serving`` may be None for a Workspace with its own pod template. Raises UnservableError.
    """
    inference = ws["inference"]
    if inference.get("template") is not None:
        template = _custom_template(ws, settings)
    elif serving is None:
        raise UnservableError("inference.preset: the model has no plan yet; wait for the plan")
    else:
        template = _preset_template(ws, serving, settings)
    return [_stateful_set(ws, template, replicas=replicas, revision=revision), *services(ws, settings)]


def services(ws: Workspace, settings: WorkloadSettings) -> list[Service]:
    """The Service that users call, and the headless one that gives pods their names."""
    name = ws["metadata"]["name"]
    balancer = (ws["metadata"].get("annotations") or {}).get(keys.ENABLE_LB) == "True"
    ports = [_port("http", 80, podcontract.HTTP_PORT)]
    if not balancer:
        ports += [
            _port("ray", podcontract.RAY_PORT, podcontract.RAY_PORT),
            _port("dashboard", podcontract.RAY_DASHBOARD_PORT, podcontract.RAY_DASHBOARD_PORT),
        ]
        if settings.kv_events and ws["inference"].get("preset"):
            ports.append(_port("kv-events", podcontract.KV_EVENTS_PORT, podcontract.KV_EVENTS_PORT))
    main = ServiceSpec(
        type="LoadBalancer" if balancer else "ClusterIP",
        selector={WORKSPACE_LABEL: name, "statefulset.kubernetes.io/pod-name": f"{name}-0"},
        ports=ports,
        publishNotReadyAddresses=True,
    )
    headless = ServiceSpec(clusterIP="None", selector={WORKSPACE_LABEL: name}, publishNotReadyAddresses=True)
    return [_service(ws, name, main), _service(ws, f"{name}-headless", headless)]


def command(ws: Workspace, serving: Serving, settings: WorkloadSettings) -> list[str]:
    """The serving process's argument list: the pod contract's program, then its flags in sorted order."""
    flags = vllm_flags(ws, serving, settings)
    return [
        *podcontract.VLLM_COMMAND,
        *(f"--{key}={value}" if value else f"--{key}" for key, value in sorted(flags.items())),
    ]


def vllm_flags(ws: Workspace, serving: Serving, settings: WorkloadSettings) -> dict[str, str]:
    """Flag name to value; an empty value stands for a switch."""
    meta, inference = ws["metadata"], ws["inference"]
    served = (meta.get("labels") or {}).get(COPIED_LABELS[0]) or serving.name
    flags = dict(serving.flags) | {
        "model": serving.model,
        "served-model-name": served,
        "max-model-len": str(serving.max_model_len) if serving.max_model_len else "auto",
        "tensor-parallel-size": str(serving.tensor_parallel),
    }
    if serving.dtype:
        flags["dtype"] = serving.dtype
    if serving.data_parallel > 1:
        flags["data-parallel-size"] = str(serving.data_parallel)
    if serving.gpu_memory_utilization is not None:
        flags["gpu-memory-utilization"] = f"{serving.gpu_memory_utilization:g}"
    if serving.gpus:
        flags["compilation-config.pass_config.fuse_allreduce_rms"] = "False"
    if settings.kv_events:
        flags.setdefault("kv-events-config", '{"enable_kv_cache_events":true}')
    if serving.downloads:
        flags["download-dir"] = podcontract.WEIGHTS_DIR
        if serving.revision:
            flags |= {"revision": serving.revision, "code-revision": serving.revision}
    if inference.get("adapters"):
        flags["enable-lora"] = ""
    if inference.get("config"):
        flags["kaito-config-file"] = podcontract.CONFIG_FILE
    mode = (meta.get("annotations") or {}).get(keys.PERFORMANCE_MODE, "")
    if mode not in ("", "balanced"):
        flags["performance-mode"] = mode
    return flags


def owner(ws: Workspace) -> OwnerReference:
    """The controller reference by which deleting the Workspace deletes its objects."""
    meta = ws["metadata"]
    return OwnerReference(
        apiVersion=API_VERSION,
        kind="Workspace",
        name=meta["name"],
        uid=meta["uid"],
        controller=True,
        blockOwnerDeletion=True,
    )


def selector_labels(ws: Workspace) -> dict[str, str]:
    """The user's node labels without those that KAITO reserves."""
    labels = ((ws.get("resource") or {}).get("labelSelector") or {}).get("matchLabels") or {}
    return {key: value for key, value in labels.items() if key not in keys.RESERVED_SELECTOR_KEYS}


def _stateful_set(ws: Workspace, template: PodTemplateSpec, *, replicas: int, revision: str) -> StatefulSet:
    meta = ws["metadata"]
    return StatefulSet(
        apiVersion="apps/v1",
        kind="StatefulSet",
        metadata=ObjectMeta(
            name=meta["name"],
            namespace=meta["namespace"],
            annotations={REVISION_ANNOTATION: revision},
            ownerReferences=[owner(ws)],
        ),
        spec=StatefulSetSpec(
            replicas=replicas,
            serviceName=f"{meta['name']}-headless",
            podManagementPolicy="Parallel",
            persistentVolumeClaimRetentionPolicy=StatefulSetPersistentVolumeClaimRetentionPolicy(
                whenDeleted="Delete", whenScaled="Retain"
            ),
            selector=LabelSelector(matchLabels=_pod_labels(ws)),
            template=template,
        ),
    )


def _pod_labels(ws: Workspace) -> dict[str, str]:
    meta = ws["metadata"]
    own = meta.get("labels") or {}
    return {WORKSPACE_LABEL: meta["name"]} | {key: own[key] for key in COPIED_LABELS if key in own}


def _preset_template(ws: Workspace, serving: Serving, settings: WorkloadSettings) -> PodTemplateSpec:
    if serving.nodes > SERVED_NODES:
        raise UnservableError(
            f"resource: {serving.name} needs {serving.nodes} nodes of this machine type, and a server runs on one;"
            " choose a machine with more GPU memory, or a smaller or quantised model"
        )
    volumes, mounts = _volumes(ws, serving)
    container = Container(
        name=ws["metadata"]["name"],
        image=settings.image if serving.gpus else settings.cpu_image or settings.image,
        command=command(ws, serving, settings),
        env=_env(ws, serving),
        ports=_container_ports(settings),
        resources=_resources(serving),
        startupProbe=_probe(STARTUP_PERIOD, math.ceil(serving.startup_seconds / STARTUP_PERIOD)),
        livenessProbe=_probe(PROBE_PERIOD, 3),
        readinessProbe=_probe(PROBE_PERIOD),
        terminationMessagePath=podcontract.TERMINATION_LOG,
        terminationMessagePolicy="FallbackToLogsOnError",
        volumeMounts=mounts,
    )
    spec = PodSpec(
        containers=[container],
        volumes=volumes,
        tolerations=_tolerations(settings),
        affinity=None if settings.single_node else _affinity(ws),
    )
    return PodTemplateSpec(metadata=ObjectMeta(labels=_pod_labels(ws)), spec=spec)


def _custom_template(ws: Workspace, settings: WorkloadSettings) -> PodTemplateSpec:
    """The user's own pod template, with our labels, their node labels as affinity, and the GPU tolerations."""
    try:
        template = cast(PodTemplateSpec, PodTemplateSpec.from_dict(dict(ws["inference"]["template"])))
    except msgspec.ValidationError as exc:
        raise UnservableError(f"inference.template: is no pod template: {exc}; correct that field") from exc
    if template.spec is None or not template.spec.containers:
        raise UnservableError("inference.template.spec.containers: empty; give at least one container")
    meta = template.metadata or ObjectMeta()
    meta.labels = dict(meta.labels or {}) | _pod_labels(ws)
    template.metadata = meta
    template.spec.affinity = None if settings.single_node else _affinity(ws)
    template.spec.tolerations = [*(template.spec.tolerations or []), *_tolerations(settings)]
    return template


def _env(ws: Workspace, serving: Serving) -> list[EnvVar]:
    env = [EnvVar(name="VLLM_USE_FLASHINFER_SAMPLER", value="0"), EnvVar(name="VLLM_USE_DEEP_GEMM", value="0")]
    secret = ((ws["inference"].get("preset") or {}).get("presetOptions") or {}).get("modelAccessSecret")
    if secret:
        key = SecretKeySelector(name=secret, key="HF_TOKEN", optional=True)
        env.append(EnvVar(name="HF_TOKEN", valueFrom=EnvVarSource(secretKeyRef=key)))
    if not serving.gpus and serving.kv_cache_bytes:
        env.append(EnvVar(name="VLLM_CPU_KVCACHE_SPACE", value=str(max(1, serving.kv_cache_bytes >> 30))))
    for adapter in ws["inference"].get("adapters") or ():
        if adapter.get("strength") is not None:
            env.append(EnvVar(name=adapter["source"]["name"], value=str(adapter["strength"])))
    return env


def _volumes(ws: Workspace, serving: Serving) -> tuple[list[Volume], list[VolumeMount]]:
    volumes: list[Volume] = []
    mounts: list[VolumeMount] = []

    def add(volume: Volume, path: str, read_only: bool | None = None) -> None:
        volumes.append(volume)
        mounts.append(VolumeMount(name=volume.name, mountPath=path, readOnly=read_only))

    config = ws["inference"].get("config")
    if config:
        add(Volume(name="config-volume", configMap=ConfigMapVolumeSource(name=config)), podcontract.CONFIG_DIR)
    if serving.local_folder:
        source = HostPathVolumeSource(path=serving.model, type="Directory")
        add(Volume(name="model-weights-hostpath", hostPath=source), serving.model, True)
    add(Volume(name="dshm", emptyDir=EmptyDirVolumeSource(medium="Memory")), "/dev/shm")
    for number, adapter in enumerate(ws["inference"].get("adapters") or ()):
        source = adapter["source"]
        if not source.get("volumeSource"):
            raise UnservableError(
                f"inference.adapters[{number}].source: {source.get('name')!r} is not a volume;"
                " put the adapter on a volume and name it in source.volumeSource"
            )
        try:
            given = {"name": f"adapter-volume-{source['name']}", **source["volumeSource"]}
            volume = cast(Volume, Volume.from_dict(given))
        except msgspec.ValidationError as exc:
            field = f"inference.adapters[{number}].source.volumeSource"
            raise UnservableError(f"{field}: is no volume: {exc}; correct that field") from exc
        add(volume, f"{podcontract.ADAPTERS_DIR}/{source['name']}")
    if serving.downloads:
        add(Volume(name="model-weights-volume", emptyDir=EmptyDirVolumeSource()), podcontract.WEIGHTS_DIR)
    return volumes, mounts


def _container_ports(settings: WorkloadSettings) -> list[ContainerPort]:
    ports = [ContainerPort(name="http", containerPort=podcontract.HTTP_PORT, protocol="TCP")]
    if settings.kv_events:
        ports.append(ContainerPort(name="kv-events", containerPort=podcontract.KV_EVENTS_PORT, protocol="TCP"))
    return ports


def _resources(serving: Serving) -> ResourceRequirements:
    if serving.gpus:
        gpus = {GPU_RESOURCE: str(serving.gpus)}
        return ResourceRequirements(requests=gpus, limits=dict(gpus))
    requests = {}
    if serving.cpu_cores:
        requests["cpu"] = f"{round(serving.cpu_cores * 1000)}m"
    if serving.memory_bytes:
        requests["memory"] = str(serving.memory_bytes)
    return ResourceRequirements(requests=requests or None)


def _probe(period: int, failures: int | None = None) -> Probe:
    get = HTTPGetAction(path="/health", port=podcontract.HTTP_PORT)
    return Probe(httpGet=get, periodSeconds=period, timeoutSeconds=5, failureThreshold=failures)


def _tolerations(settings: WorkloadSettings) -> list[Toleration]:
    found = [
        Toleration(key=GPU_RESOURCE, operator="Exists", effect="NoSchedule"),
        Toleration(key="sku", operator="Equal", value="gpu", effect="NoSchedule"),
    ]
    if settings.azure:
        spot = "kubernetes.azure.com/scalesetpriority"
        found.append(Toleration(key=spot, operator="Equal", value="spot", effect="NoSchedule"))
    return found


def _affinity(ws: Workspace) -> Affinity | None:
    labels = selector_labels(ws)
    if not labels:
        return None
    wanted = [NodeSelectorRequirement(key=key, operator="In", values=[labels[key]]) for key in sorted(labels)]
    term = NodeSelector(nodeSelectorTerms=[NodeSelectorTerm(matchExpressions=wanted)])
    return Affinity(nodeAffinity=NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=term))


def _service(ws: Workspace, name: str, spec: ServiceSpec) -> Service:
    digest = hashlib.sha256(json.dumps(spec.to_dict(), sort_keys=True).encode()).hexdigest()[:16]
    meta = ObjectMeta(
        name=name,
        namespace=ws["metadata"]["namespace"],
        annotations={SERVICE_HASH_ANNOTATION: digest},
        ownerReferences=[owner(ws)],
    )
    return Service(apiVersion="v1", kind="Service", metadata=meta, spec=spec)


def _port(name: str, port: int, target: int) -> ServicePort:
    return ServicePort(name=name, port=port, targetPort=target, protocol="TCP")
