"""The addresses and ports of services: reserved while a write is under way, found in the store after."""

from collections.abc import Callable
from typing import Any

from kaito.local.apiserver import address
from kaito.local.apiserver.bodies import refuse
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.store import Store
from kaito.local.schema.errors import FieldError

Object = dict[str, Any]


def _nothing() -> None:
    return None


class Allocator:
    """Gives services their addresses and ports."""

    def __init__(self, store: Store, service_cidr: str) -> None:
        self._store = store
        self._service_cidr = service_cidr
        self._reserved_ips: set[str] = set()
        self._reserved_ports: set[int] = set()

    def allocate(self, kind: Kind, obj: Object, old: Object | None) -> Callable[[], None]:
        """Give a service its address and ports; the answer frees the reservation once the write has landed."""
        if kind.resource != "services":
            return _nothing
        spec = obj.setdefault("spec", {})
        before = (old or {}).get("spec") or {}
        ips, ports = set(self._reserved_ips), set(self._reserved_ports)
        for service in self._store.list("services"):
            if old is not None and service["metadata"]["uid"] == old["metadata"]["uid"]:
                continue
            ips.add(service["spec"].get("clusterIP"))
            ports.update(port.get("nodePort") for port in service["spec"].get("ports") or ())
        mine_ips: set[str] = set()
        mine_ports: set[int] = set()
        try:
            if spec.get("type") == "ExternalName":
                spec.pop("clusterIP", None), spec.pop("clusterIPs", None)
            elif (
                spec.get("clusterIP") != "None" and spec.get("clusterIP") != before.get("clusterIP", "")
            ) or not spec.get("clusterIP"):
                self._take_ip(spec, ips, mine_ips)
            if spec.get("clusterIP"):
                spec.setdefault("clusterIPs", [spec["clusterIP"]])
            if spec.get("type") in ("NodePort", "LoadBalancer"):
                for port in spec.get("ports") or ():
                    port["nodePort"] = address.node_port(ports | mine_ports, port.get("nodePort") or 0)
                    mine_ports.add(port["nodePort"])
        except ValueError as exc:
            where = "spec.clusterIPs" if mine_ips or "IP" in str(exc) else "spec.ports[0].nodePort"
            value: Any = [spec.get("clusterIP")] if where == "spec.clusterIPs" else 0
            detail = f"failed to allocate IP {spec.get('clusterIP')}: {exc}" if where == "spec.clusterIPs" else str(exc)
            refuse(kind, obj["metadata"].get("name", ""), [FieldError(where, "FieldValueInvalid", detail, value)])
        self._reserved_ips |= mine_ips
        self._reserved_ports |= mine_ports

        def free() -> None:
            self._reserved_ips -= mine_ips
            self._reserved_ports -= mine_ports

        return free

    def _take_ip(self, spec: Object, used: set[str], mine: set[str]) -> None:
        spec["clusterIP"] = address.service_ip(self._service_cidr, used, spec.get("clusterIP") or "")
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        mine.add(spec["clusterIP"])
