"""Rules for pod specs: containers, ports, volumes, probes, resources, policies."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from kaito.local.schema import names, quantity
from kaito.local.schema.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from kaito.local.schema.validate_meta import validate_labels

Object = dict[str, Any]
_PORT_TEXT = "must be between 1 and 65535, inclusive"


def validate_port(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, str):
        bad = len(value) > 15 or not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", value) or value.isdigit()
        text = "must contain at least one letter (a-z), digits and '-', at most 15 characters"
        return [invalid(path, value, text)] if bad else []
    good = isinstance(value, int) and 1 <= value <= 65535
    return [] if good else [invalid(path, value if value is not None else 0, _PORT_TEXT)]


def validate_pod_spec(spec: Object, path: str, *, restart: tuple[str, ...] = ("Always",)) -> list[FieldError]:
    errors: list[FieldError] = []
    volumes = _validate_volumes(spec.get("volumes") or [], f"{path}.volumes", errors)
    seen: set[str] = set()
    containers = spec.get("containers") or []
    if not containers:
        errors.append(required(f"{path}.containers"))
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            here = f"{path}.{field}[{index}]"
            errors += _validate_container(container, here, volumes)
            name = container.get("name")
            if name and name in seen:
                errors.append(duplicate(f"{here}.name", name))
            seen.add(name)
    policy = spec.get("restartPolicy")
    if policy not in restart:
        errors.append(not_supported(f"{path}.restartPolicy", policy, list(restart)))
    dns = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
    if spec.get("dnsPolicy") not in dns:
        errors.append(not_supported(f"{path}.dnsPolicy", spec.get("dnsPolicy"), dns))
    for key, low in (("terminationGracePeriodSeconds", 0), ("activeDeadlineSeconds", 1)):
        if spec.get(key) is not None and spec[key] < low:
            text = "must be greater than or equal to 0" if low == 0 else "must be between 1 and 2147483647, inclusive"
            errors.append(invalid(f"{path}.{key}", spec[key], text))
    errors += validate_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    account = spec.get("serviceAccountName")
    if account:
        errors += [invalid(f"{path}.serviceAccountName", account, text) for text in names.dns_subdomain(account)]
    host = spec.get("hostname")
    if host:
        errors += [invalid(f"{path}.hostname", host, text) for text in names.dns_label(host)]
    return errors


def _validate_volumes(volumes: list[Object], path: str, errors: list[FieldError]) -> set[str]:
    found: set[str] = set()
    for index, volume in enumerate(volumes):
        here, name = f"{path}[{index}]", volume.get("name")
        if not name:
            errors.append(required(f"{here}.name"))
            continue
        errors += [invalid(f"{here}.name", name, text) for text in names.dns_label(name)]
        if name in found:
            errors.append(duplicate(f"{here}.name", name))
        found.add(name)
        sources = [key for key in volume if key != "name"]
        errors += [forbidden(f"{here}.{key}", "may not specify more than 1 volume type") for key in sources[1:]]
        needed = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName", "hostPath": "path"}
        for source, key in needed.items():
            if isinstance(volume.get(source), dict) and not volume[source].get(key):
                errors.append(required(f"{here}.{source}.{key}"))
    return found


def _validate_container(container: Object, path: str, volumes: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    name, image = container.get("name"), container.get("image")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += [invalid(f"{path}.name", name, text) for text in names.dns_label(name)]
    if not image:
        errors.append(required(f"{path}.image"))
    elif image != image.strip():
        errors.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    pull = container.get("imagePullPolicy")
    if pull not in ("Always", "IfNotPresent", "Never"):
        errors.append(not_supported(f"{path}.imagePullPolicy", pull, ["Always", "IfNotPresent", "Never"]))
    for index, port in enumerate(container.get("ports") or []):
        here = f"{path}.ports[{index}]"
        if port.get("containerPort") is None:
            errors.append(required(f"{here}.containerPort"))
        else:
            errors += validate_port(port["containerPort"], f"{here}.containerPort")
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            errors.append(not_supported(f"{here}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
    for index, variable in enumerate(container.get("env") or []):
        here = f"{path}.env[{index}]"
        if not variable.get("name"):
            errors.append(required(f"{here}.name"))
        elif "=" in variable["name"]:
            text = "a valid environment variable name must consist only of printable ASCII characters other than '='"
            errors.append(invalid(f"{here}.name", variable["name"], text))
        if variable.get("valueFrom") and variable.get("value"):
            errors.append(invalid(f"{here}.valueFrom", "", "may not be specified when `value` is not empty"))
    return (
        errors
        + _validate_mounts(container, path, volumes)
        + _validate_resources(container, path)
        + _probes(container, path)
    )


def _validate_mounts(container: Object, path: str, volumes: set[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        here = f"{path}.volumeMounts[{index}]"
        name, where = mount.get("name"), mount.get("mountPath")
        if not name:
            errors.append(required(f"{here}.name"))
        elif name not in volumes:
            errors.append(FieldError(f"{here}.name", "FieldValueNotFound", "", name))
        if not where:
            errors.append(required(f"{here}.mountPath"))
        elif where in seen:
            errors.append(invalid(f"{here}.mountPath", where, "must be unique"))
        seen.add(where)
        if mount.get("subPath", "").startswith("/"):
            errors.append(invalid(f"{here}.subPath", mount["subPath"], "must be a relative path"))
    return errors


def _validate_resources(container: Object, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    resources = container.get("resources") or {}
    amounts: dict[str, dict[str, Fraction]] = {}
    for field in ("limits", "requests"):
        amounts[field] = {}
        for name, value in (resources.get(field) or {}).items():
            here, number = f"{path}.resources.{field}[{name}]", quantity.parse(value)
            if number is None:
                errors.append(invalid(here, value, quantity.PATTERN_TEXT))
            elif number < 0:
                errors.append(invalid(here, value, "must be greater than or equal to 0"))
            else:
                amounts[field][name] = number
    for name, wanted in amounts["requests"].items():
        limit = amounts["limits"].get(name)
        if limit is not None and wanted > limit:
            text = f"must be less than or equal to {name} limit of {resources['limits'][name]}"
            errors.append(invalid(f"{path}.resources.requests", str(resources["requests"][name]), text))
    for name, limit in amounts["limits"].items():
        extended = "/" in name and not name.startswith("kubernetes.io/")
        if extended and amounts["requests"].get(name, limit) != limit:
            text = f"must be equal to {name} limit of {resources['limits'][name]}"
            errors.append(invalid(f"{path}.resources.requests", str(resources["requests"][name]), text))
    return errors


def _probes(container: Object, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if not isinstance(probe, dict):
            continue
        here = f"{path}.{name}"
        handlers = [key for key in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(key) is not None]
        if not handlers:
            errors.append(required(here, "must specify a handler type"))
        errors += [forbidden(f"{here}.{key}", "may not specify more than 1 handler type") for key in handlers[1:]]
        for key in ("httpGet", "tcpSocket", "grpc"):
            if probe.get(key) is not None:
                errors += validate_port(probe[key].get("port"), f"{here}.{key}.port")
        if probe.get("exec") is not None and not probe["exec"].get("command"):
            errors.append(required(f"{here}.exec.command"))
        if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            errors.append(invalid(f"{here}.successThreshold", probe["successThreshold"], "must be 1"))
        for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"):
            if probe.get(key) is not None and probe[key] < 0:
                errors.append(invalid(f"{here}.{key}", probe[key], "must be greater than or equal to 0"))
    return errors
