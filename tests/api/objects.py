"""Small valid objects. Pods name a scheduler that does not exist, so nothing ever runs them."""

from __future__ import annotations

from typing import Any

from tests.api.client import Object

NO_SCHEDULER = "nobody"


def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


def jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    made: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return made if data is None else {**made, "data": data}


def pod_spec(**spec: Any) -> Object:
    return {"schedulerName": NO_SCHEDULER, "containers": [{"name": "main", "image": "example/image:1"}], **spec}


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(**spec)}


def deployment(name: str, replicas: int = 0, **spec: Any) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str, **spec: Any) -> Object:
    template = {"spec": pod_spec(restartPolicy="Never")}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"suspend": True, "template": template, **spec},
    }


def service(name: str, **spec: Any) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def causes(status: Object) -> list[tuple[str, str]]:
    """The field and the reason of each cause of a refusal."""
    return [(cause.get("field", ""), cause["reason"]) for cause in status["details"].get("causes", [])]
