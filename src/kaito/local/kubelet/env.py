"""The environment of a container: env, envFrom, field and resource references, service variables. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito.local.kubelet import expand, quantity
from kaito.local.kubelet.settings import HostImage


class ConfigError(Exception):
    """The container cannot be created as written; the text is what kube would say."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What references are resolved against; the two lookups return None for an object that is not there."""

    config_map: Callable[[str], Mapping[str, Any] | None]
    secret: Callable[[str], Mapping[str, Any] | None]
    services: Iterable[Mapping[str, Any]]
    allocatable: Mapping[str, str]


def build(
    pod: Mapping[str, Any], container: Mapping[str, Any], sources: Sources, *, base: Mapping[str, str]
) -> dict[str, str]:
    """The container's variables on top of ``base``, later ones expanding earlier ones."""
    env = {**base, "HOSTNAME": pod["metadata"]["name"]}
    if pod["spec"].get("enableServiceLinks", True):
        env |= service_variables(sources.services)
    for source in container.get("envFrom") or []:
        env |= _from(source, sources, pod["metadata"]["namespace"])
    for entry in container.get("env") or []:
        if "valueFrom" in entry:
            value = _value_from(entry["valueFrom"], pod, container, sources)
            if value is not None:
                env[entry["name"]] = value
        else:
            env[entry["name"]] = expand.variables(entry.get("value") or "", env)
    return env


def image_env(image: HostImage, base: Mapping[str, str], *, pod_ip: str, termination_log: Path) -> dict[str, str]:
    """The environment that a host image brings, its folders before PATH."""
    known = {"POD_IP": pod_ip, "TERMINATION_LOG": str(termination_log)}
    env = {**base, **{name: expand.variables(value, known) for name, value in image.env.items()}}
    env["PATH"] = ":".join([*image.path, *filter(None, [env.get("PATH", "")])])
    return env


def service_variables(services: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The docker-link style variables for each Service with a cluster address."""
    env: dict[str, str] = {}
    for service in services:
        address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or []
        if not address or address == "None" or not ports:
            continue
        prefix = service["metadata"]["name"].upper().replace("-", "_")
        env[f"{prefix}_SERVICE_HOST"] = address
        env[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        env[f"{prefix}_PORT"] = f"{ports[0].get('protocol', 'TCP').lower()}://{address}:{ports[0]['port']}"
        for port in ports:
            protocol = port.get("protocol", "TCP")
            if port.get("name"):
                env[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
            link = f"{prefix}_PORT_{port['port']}_{protocol}"
            env[link] = f"{protocol.lower()}://{address}:{port['port']}"
            env |= {f"{link}_PROTO": protocol.lower(), f"{link}_PORT": str(port["port"]), f"{link}_ADDR": address}
    return env


def field_value(pod: Mapping[str, Any], path: str) -> str:
    """A downward API field as text."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    for prefix in ("labels", "annotations"):
        values = meta.get(prefix) or {}
        if path == f"metadata.{prefix}":
            return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))
        if path.startswith(f"metadata.{prefix}['") and path.endswith("']"):
            return values.get(path[len(prefix) + 11 : -2], "")
    simple = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }
    if path not in simple:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return simple[path]


def resource_value(
    pod: Mapping[str, Any], reference: Mapping[str, Any], allocatable: Mapping[str, str], *, default: str = ""
) -> str:
    """A container's limit or request in units of the divisor; a limit that is not set is what the node has."""
    wanted = reference.get("containerName") or default
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    container = next((c for c in containers if c["name"] == wanted), None)
    if container is None:
        raise ConfigError(f"container {wanted} not found")
    kind, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(kind) or {}).get(name)
    if amount is None:
        amount = allocatable.get(name, "0") if kind == "limits" else (resources.get("limits") or {}).get(name, "0")
    return str(quantity.divided(amount, reference.get("divisor") or "1"))


def secret_text(value: bytes) -> str:
    """Secret bytes as an environment value."""
    return value.decode("utf-8", errors="surrogateescape")


def _from(source: Mapping[str, Any], sources: Sources, namespace: str) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for field, kind, lookup in (
        ("configMapRef", "configmap", sources.config_map),
        ("secretRef", "secret", sources.secret),
    ):
        reference = source.get(field)
        if reference is None:
            continue
        data = lookup(reference["name"])
        if data is None:
            if reference.get("optional"):
                return {}
            raise ConfigError(f'{kind} "{reference["name"]}" not found')
        return {prefix + key: _text(value) for key, value in data.items()}
    return {}


def _value_from(
    reference: Mapping[str, Any], pod: Mapping[str, Any], container: Mapping[str, Any], sources: Sources
) -> str | None:
    if "fieldRef" in reference:
        return field_value(pod, reference["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in reference:
        field = reference["resourceFieldRef"]
        return resource_value(pod, field, sources.allocatable, default=container["name"])
    for field, kind, title, lookup in (
        ("configMapKeyRef", "configmap", "ConfigMap", sources.config_map),
        ("secretKeyRef", "secret", "Secret", sources.secret),
    ):
        key = reference.get(field)
        if key is None:
            continue
        data = lookup(key["name"])
        if data is None and not key.get("optional"):
            raise ConfigError(f'{kind} "{key["name"]}" not found')
        value = (data or {}).get(key["key"])
        if value is None:
            if key.get("optional"):
                return None
            raise ConfigError(f"couldn't find key {key['key']} in {title} {pod['metadata']['namespace']}/{key['name']}")
        return _text(value)
    raise ConfigError(f"valueFrom of {sorted(reference)} is not known")


def _text(value: Any) -> str:
    return secret_text(value) if isinstance(value, bytes) else str(value)
