"""Events on pods, nodes and services: the same thing said twice is one Event with a count."""

import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from kaito.kube.client import Client
from kaito.kube.errors import ApiError, NotFound
from kaito.kube.resources import EVENTS

log = logging.getLogger(__name__)
REMEMBERED = 2048


def timestamp(seconds: float | None = None) -> str:
    """RFC 3339 in whole seconds, as metav1.Time is written."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Recorder:
    """Writes Events; never raises for an API that is away, since an Event is never worth a pod."""

    def __init__(self, client: Client, *, component: str, host: str = "") -> None:
        self._client, self._source = client, {"component": component, **({"host": host} if host else {})}
        self._seen: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()

    async def emit(
        self, obj: Mapping[str, Any], reason: str, message: str, *, kind: str = "Normal", field: str = ""
    ) -> None:
        """Record one Event about an object; ``field`` is its fieldPath."""
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        key = (meta.get("uid", ""), field, kind, reason, message)
        name, count = self._seen.get(key, (f"{meta['name']}.{uuid4().hex[:16]}", 0))
        self._seen[key] = (name, count + 1)
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        now = timestamp()
        try:
            if count:
                try:
                    await self._client.patch(EVENTS, name, namespace, {"count": count + 1, "lastTimestamp": now})
                    return
                except NotFound:
                    self._seen[key] = (name, 1)
            await self._client.create(EVENTS, self._event(obj, name, (reason, message, kind, field, now)))
        except ApiError as error:
            log.warning("event %s on %s/%s was not recorded: %s", reason, namespace, meta["name"], error)

    def _event(self, obj: Mapping[str, Any], name: str, what: tuple[str, str, str, str, str]) -> dict[str, Any]:
        reason, message, kind, field, now = what
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        involved = {"apiVersion": obj.get("apiVersion", "v1"), "kind": obj.get("kind", "Pod"), "name": meta["name"]}
        for source, target in (("namespace", "namespace"), ("uid", "uid"), ("resourceVersion", "resourceVersion")):
            if meta.get(source):
                involved[target] = meta[source]
        if field:
            involved["fieldPath"] = field
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message[:1024],
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
        }
