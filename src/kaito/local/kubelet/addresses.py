"""One loopback address per pod, out of the cluster's pod range; remembered across restarts of the daemon."""

import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path

from kaito.local.kubelet.shim import write_atomic


class Addresses:
    """Allocates round the range, so that an address just freed is not handed out at once."""

    def __init__(self, path: Path, cidr: str) -> None:
        self._path = path
        self._network = ipaddress.ip_network(cidr)
        known = json.loads(path.read_bytes()) if path.exists() else {}
        self._last: int = known.get("last", 0)
        self._taken: dict[str, str] = known.get("taken", {})

    def of(self, uid: str) -> str:
        """The pod's address, allocated on first asking."""
        if uid in self._taken:
            return self._taken[uid]
        used = set(self._taken.values())
        room = self._network.num_addresses - 2
        for step in range(1, room + 1):
            offset = (self._last + step - 1) % room + 1
            address = str(self._network[offset])
            if address not in used:
                self._last, self._taken[uid] = offset, address
                self._save()
                return address
        raise RuntimeError(f"pod range {self._network} has no free address; delete pods or choose a wider range")

    def keep_only(self, uids: Iterable[str]) -> None:
        """Free the addresses of all other pods."""
        wanted = set(uids)
        kept = {uid: address for uid, address in self._taken.items() if uid in wanted}
        if kept != self._taken:
            self._taken = kept
            self._save()

    def release(self, uid: str) -> None:
        """Free one address."""
        if self._taken.pop(uid, None) is not None:
            self._save()

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, {"last": self._last, "taken": self._taken})
