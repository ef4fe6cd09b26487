"""Keeps the caBundle of webhook registrations filled: of webhook configurations, and of definitions with a conversion.

Only the caBundle is written, and never an empty one. What somebody else writes over it is set right when it is seen.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kaito.kube.client import Client, Object, Resource
from kaito.kube.controller import Controller
from kaito.kube.informer import Informer

Key = tuple[str, str]


@dataclass(frozen=True)
class Registration:
    """An object that tells the API server of a webhook of ours."""

    resource: Resource
    name: str

    @property
    def key(self) -> Key:
        return self.resource.plural, self.name


def patch(obj: Object, bundle: str) -> list[Object]:
    """The JSON patch after which every webhook that ``obj`` registers has this caBundle (base64); [] for none.

    It holds only while the webhooks are in the order in which they were seen.
    """
    steps: list[Object] = []
    for path, guard, config in _configs(obj):
        if bundle and config.get("caBundle") != bundle:
            steps += guard
            steps.append({"op": "add", "path": f"{path}/caBundle", "value": bundle})
    return steps


def _configs(obj: Object) -> Iterator[tuple[str, list[Object], Object]]:
    """(path, test that the path still means the same, value) of each clientConfig in an object."""
    for index, hook in enumerate(obj.get("webhooks") or ()):
        guard = [{"op": "test", "path": f"/webhooks/{index}/name", "value": hook["name"]}]
        yield f"/webhooks/{index}/clientConfig", guard, hook["clientConfig"]
    conversion = (obj.get("spec") or {}).get("conversion") or {}
    config = (conversion.get("webhook") or {}).get("clientConfig")
    if conversion.get("strategy") == "Webhook" and config is not None:
        yield "/spec/conversion/webhook/clientConfig", [], config


class BundleKeeper:
    """Follows the registrations, whether they are there already or not, and fills them."""

    def __init__(self, client: Client, registrations: Sequence[Registration]) -> None:
        self._client = client
        self._bundle = ""
        self._informers = {
            one.key: Informer(client, one.resource, field_selector=f"metadata.name={one.name}") for one in registrations
        }
        self._controller: Controller[Key] = Controller("caBundle", self._reconcile, workers=1)
        for key, informer in self._informers.items():
            informer.add_handler(lambda old, new, key=key: self._controller.queue.add(key))  # type: ignore[misc]

    def use(self, bundle: str) -> None:
        """From now on this is what the registrations have to hold (base64 of PEM); an empty one is ignored."""
        if bundle and bundle != self._bundle:
            self._bundle = bundle
            for key in self._informers:
                self._controller.queue.add(key)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers.values():
                tasks.create_task(informer.run(), name=f"informer {informer.resource.plural}")
            tasks.create_task(self._controller.run(list(self._informers.values())), name="caBundle controller")

    async def _reconcile(self, key: Key) -> None:
        informer = self._informers[key]
        obj = informer.store.get("", key[1])
        if obj is not None and (steps := patch(obj, self._bundle)):
            informer.written(await self._client.patch(informer.resource, key[1], None, steps, kind="json"))
