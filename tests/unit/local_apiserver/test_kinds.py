"""Versions of one kind whose definition has no conversion webhook."""

from typing import Any

from kaito.local.apiserver.conversion import Conversions
from kaito.local.apiserver.hook_client import HookClient
from kaito.local.apiserver.kinds import Kind, Kinds


def served(conversion: dict[str, Any]) -> Kinds:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": schema},
        {"name": "v1alpha1", "served": True, "storage": False, "schema": schema},
    ]
    names = {"plural": "boxes", "kind": "Box"}
    spec = {"group": "g.io", "scope": "Namespaced", "names": names, "versions": versions, "conversion": conversion}
    kinds = Kinds(Conversions(HookClient(lambda namespace, name, port: None)))
    kinds.put({"metadata": {"name": "boxes.g.io"}, "spec": spec})
    return kinds


def kind(kinds: Kinds, version: str) -> Kind:
    found = kinds.find("g.io", version, "boxes")
    assert found is not None
    return found


OLD = {"apiVersion": "g.io/v1alpha1", "kind": "Box", "metadata": {"name": "a"}, "spec": {"length": 1}}


async def test_without_a_webhook_versions_differ_in_name_alone() -> None:
    kinds = served({"strategy": "None"})
    stored = await kind(kinds, "v1alpha1").stored(OLD)
    assert stored == OLD | {"apiVersion": "g.io/v1"}
    assert await kind(kinds, "v1alpha1").out(stored) == OLD


async def test_what_is_shown_is_that_of_the_object_given_and_not_of_its_namesake() -> None:
    shown = kind(served({"strategy": "None"}), "v1")
    meta = {"name": "a", "uid": "u", "resourceVersion": "7"}
    before = OLD | {"apiVersion": "g.io/v1", "metadata": meta}
    after = before | {"spec": {"length": 2}}
    assert await shown.out_all([before, after]) == [before, after]
