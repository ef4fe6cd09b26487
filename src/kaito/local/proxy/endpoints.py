"""Which addresses serve a Service port, out of its EndpointSlices. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Address = tuple[str, int]
SERVICE_LABEL = "kubernetes.io/service-name"


def ready(slices: Iterable[Mapping[str, Any]], port: Mapping[str, Any], *, unready: bool = False) -> list[Address]:
    """Ready endpoints for one Service port, matched by port name; sorted and without doubles."""
    found: set[Address] = set()
    for piece in slices:
        numbers = [p["port"] for p in piece.get("ports") or [] if (p.get("name") or "") == (port.get("name") or "")]
        for endpoint in piece.get("endpoints") or []:
            if not unready and (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            found |= {(address, number) for address in endpoint.get("addresses") or [] for number in numbers}
    return sorted(found)


def listeners(service: Mapping[str, Any]) -> dict[Address, Mapping[str, Any]]:
    """Every (clusterIP, port) a Service wants a listener on."""
    spec = service["spec"]
    address = spec.get("clusterIP")
    if not address or address == "None" or spec.get("type") == "ExternalName":
        return {}
    return {(address, p["port"]): p for p in spec.get("ports") or [] if (p.get("protocol") or "TCP") == "TCP"}
