"""caBundles are filled, stay filled, and nothing else is touched."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kaito.kube.ca_bundles import BundleKeeper, Registration, patch
from kaito.kube.client import Client, Object
from kaito.kube.resources import CRDS, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS

ONE, TWO = "b25l", "dHdv"


def hook(name: str, bundle: str | None = None) -> Object:
    config: Object = {"service": {"name": "webhook", "namespace": "default"}}
    return {
        "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "rules": [],
        "clientConfig": config | ({"caBundle": bundle} if bundle is not None else {}),
    }  # fmt: skip


def crd(strategy: str = "Webhook") -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    conversion: Object = {"strategy": strategy}
    if strategy == "Webhook":
        service = {"name": "webhook", "namespace": "default"}
        conversion["webhook"] = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    spec = {
        "group": "g.io", "scope": "Namespaced", "names": {"plural": "boxes", "singular": "box", "kind": "Box"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}], "conversion": conversion,
    }  # fmt: skip
    return {"metadata": {"name": "boxes.g.io"}, "spec": spec}


def config(*hooks: Object) -> Object:
    return {"metadata": {"name": "mine"}, "webhooks": list(hooks)}


def _steps(index: int, name: str, bundle: str) -> list[Object]:
    return [
        {"op": "test", "path": f"/webhooks/{index}/name", "value": name},
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle},
    ]


@pytest.mark.parametrize(
    ("obj", "bundle", "steps"),
    [
        pytest.param(config(hook("a.io")), ONE, _steps(0, "a.io", ONE), id="none yet"),
        pytest.param(config(hook("a.io", TWO)), ONE, _steps(0, "a.io", ONE), id="another"),
        pytest.param(config(hook("a.io", ONE)), ONE, [], id="right already"),
        pytest.param(config(hook("a.io", ONE), hook("b.io")), ONE, _steps(1, "b.io", ONE), id="only what differs"),
        pytest.param(config(hook("a.io", ONE)), "", [], id="never an empty one"),
        pytest.param(config(), ONE, [], id="no webhooks"),
        pytest.param(crd("None"), ONE, [], id="a definition without a webhook"),
        pytest.param(
            crd(), ONE,
            [{"op": "add", "path": "/spec/conversion/webhook/clientConfig/caBundle", "value": ONE}],
            id="a definition with one",
        ),
    ],
)  # fmt: skip
def test_the_patch_fills_what_differs(obj: Object, bundle: str, steps: list[Object]) -> None:
    assert patch(obj, bundle) == steps


@pytest.fixture
async def keeper(client: Client) -> AsyncIterator[BundleKeeper]:
    resources = (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS)
    registrations = [*(Registration(one, "mine") for one in resources), Registration(CRDS, "boxes.g.io")]
    made = BundleKeeper(client, registrations)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(client: Client, resource: Any, name: str, holds: Callable[[Object], bool]) -> Object:
    async with asyncio.timeout(20):
        while not holds(found := await client.get(resource, name)):
            await asyncio.sleep(0.005)
    return found


def bundles(obj: Object) -> list[str | None]:
    return [one["clientConfig"].get("caBundle") for one in obj["webhooks"]]


def of_definition(obj: Object) -> str | None:
    return obj["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle")


@pytest.mark.parametrize("resource", [VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS], ids=["validating", "mutating"])
async def test_a_configuration_is_filled_whenever_it_comes_and_repaired_when_it_is_changed(
    client: Client, keeper: BundleKeeper, resource: Any
) -> None:
    keeper.use(ONE)
    made = await client.create(resource, config(hook("a.io"), hook("b.io")))
    filled = await until(client, resource, "mine", lambda found: bundles(found) == [ONE, ONE])
    assert [one | {"clientConfig": None} for one in filled["webhooks"]] == [
        one | {"clientConfig": None} for one in made["webhooks"]
    ]
    await client.replace(resource, filled | {"webhooks": [hook("b.io"), hook("a.io", TWO)]})
    await until(client, resource, "mine", lambda found: bundles(found) == [ONE, ONE])
    keeper.use("")
    keeper.use(TWO)
    await until(client, resource, "mine", lambda found: bundles(found) == [TWO, TWO])


async def test_a_definition_is_filled_and_stays_so_when_its_owner_applies_it_again(
    client: Client, keeper: BundleKeeper
) -> None:
    keeper.use(ONE)
    wanted = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", **crd()}
    await client.apply(CRDS, wanted, field_manager="owner")
    await until(client, CRDS, "boxes.g.io", lambda found: of_definition(found) == ONE)
    again = await client.apply(CRDS, wanted, field_manager="owner")
    assert of_definition(again) == ONE
    await client.replace(CRDS, again | {"spec": again["spec"] | {"conversion": crd()["spec"]["conversion"]}})
    await until(client, CRDS, "boxes.g.io", lambda found: of_definition(found) == ONE)
