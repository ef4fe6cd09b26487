"""Garbage collection: what goes when its owner goes, in which order, and what stays."""

import pytest

from kaito.kube.client import Object, Resource
from kaito.kube.resources import CONFIG_MAPS, CRDS, NAMESPACES, SECRETS
from tests.unit.local_controllers.bench import Bench

NOBODY = "00000000-0000-0000-0000-000000000000"
WIDGETS = Resource("example.com", "v1", "widgets", "Widget", True)


def ref(owner: Object, **extra: object) -> Object:
    meta = owner["metadata"]
    made = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {**made, **extra}


async def thing(bench: Bench, name: str, *owners: Object, res: Resource = CONFIG_MAPS, **meta: object) -> Object:
    owned = {"ownerReferences": list(owners)} if owners else {}
    return await bench.create(res, {"metadata": {"name": name, **owned, **meta}})


def there(bench: Bench) -> list[str]:
    return sorted(bench.plane.names("configmaps") + bench.plane.names("secrets"))


async def test_in_the_background_the_owner_goes_first_and_takes_all_below_it(bench: Bench) -> None:
    top = await thing(bench, "top")
    middle = await thing(bench, "middle", ref(top), res=SECRETS)
    await thing(bench, "bottom", ref(middle))
    await thing(bench, "stranger")
    await bench.quiet()
    await bench.client.delete(CONFIG_MAPS, "top", "default", propagation="Background")
    assert there(bench) == ["bottom", "middle", "stranger"]
    await bench.quiet()
    assert there(bench) == ["stranger"]


async def test_in_the_foreground_the_owner_waits_for_those_that_block_it(bench: Bench) -> None:
    top = await thing(bench, "top")
    await thing(bench, "blocks", ref(top, blockOwnerDeletion=True), finalizers=["example.com/hold"])
    await thing(bench, "slow", ref(top), finalizers=["example.com/hold"])
    await bench.quiet()
    await bench.delete(CONFIG_MAPS, "top", propagation="Foreground")
    assert there(bench) == ["blocks", "slow", "top"]
    owner = await bench.get(CONFIG_MAPS, "top")
    assert owner["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert all("deletionTimestamp" in one["metadata"] for one in bench.plane.all("configmaps", "default"))
    await bench.patch(CONFIG_MAPS, "blocks", {"metadata": {"finalizers": None}})
    assert there(bench) == ["slow"]


async def test_in_the_foreground_the_whole_tree_goes_from_its_leaves(bench: Bench) -> None:
    top = await thing(bench, "top")
    middle = await thing(bench, "middle", ref(top, blockOwnerDeletion=True))
    await thing(bench, "bottom", ref(middle, blockOwnerDeletion=True))
    await bench.quiet()
    gone: list[str] = []
    await bench.client.delete(CONFIG_MAPS, "top", "default", propagation="Foreground")
    while there(bench):
        before = set(there(bench))
        await bench.quiet(0)
        gone += sorted(before - set(there(bench)))
    assert gone == ["bottom", "middle", "top"]


async def test_a_dependent_made_while_the_owner_goes_in_the_foreground_goes_too(bench: Bench) -> None:
    top = await thing(bench, "top")
    await thing(bench, "first", ref(top, blockOwnerDeletion=True), finalizers=["example.com/hold"])
    await bench.delete(CONFIG_MAPS, "top", propagation="Foreground")
    await thing(bench, "second", ref(top, blockOwnerDeletion=True))
    await bench.quiet()
    assert there(bench) == ["first", "top"]


async def test_orphaned_dependents_stay_without_that_owner(bench: Bench) -> None:
    top, other = await thing(bench, "top"), await thing(bench, "other")
    await thing(bench, "child", ref(top, blockOwnerDeletion=True), ref(other))
    await bench.quiet()
    await bench.delete(CONFIG_MAPS, "top", propagation="Orphan")
    assert there(bench) == ["child", "other"]
    assert (await bench.get(CONFIG_MAPS, "child"))["metadata"]["ownerReferences"] == [ref(other)]


async def test_an_object_whose_owner_was_never_there_goes(bench: Bench) -> None:
    missing = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": NOBODY}
    await thing(bench, "child", missing)
    await bench.quiet()
    assert there(bench) == []


async def test_an_owner_of_the_right_name_but_another_uid_is_no_owner(bench: Bench) -> None:
    top = await thing(bench, "top")
    await thing(bench, "child", ref(top) | {"uid": NOBODY})
    await bench.quiet()
    assert there(bench) == ["top"]


async def test_an_owner_in_another_namespace_is_no_owner(bench: Bench) -> None:
    await bench.create(NAMESPACES, {"metadata": {"name": "far"}}, namespace=None)
    top = await bench.create(CONFIG_MAPS, {"metadata": {"name": "top"}}, namespace="far")
    await thing(bench, "child", ref(top))
    await bench.quiet()
    assert there(bench) == ["top"]


async def test_a_cluster_wide_owner_owns_what_is_in_namespaces(bench: Bench) -> None:
    top = await bench.create(NAMESPACES, {"metadata": {"name": "top"}}, namespace=None)
    await thing(bench, "child", ref(top))
    await bench.quiet()
    assert there(bench) == ["child"]
    await bench.client.delete(NAMESPACES, "top")
    await bench.quiet()
    assert there(bench) == []


async def test_with_one_of_two_owners_gone_it_stays_and_forgets_that_one(bench: Bench) -> None:
    one, two = await thing(bench, "one"), await thing(bench, "two")
    await thing(bench, "child", ref(one), ref(two))
    await bench.quiet()
    await bench.delete(CONFIG_MAPS, "one", propagation="Background")
    assert there(bench) == ["child", "two"]
    assert (await bench.get(CONFIG_MAPS, "child"))["metadata"]["ownerReferences"] == [ref(two)]
    await bench.delete(CONFIG_MAPS, "two", propagation="Background")
    assert there(bench) == []


async def test_nothing_is_deleted_because_of_an_owner_of_an_unknown_kind(bench: Bench) -> None:
    owner = {"apiVersion": "example.com/v1", "kind": "Gizmo", "name": "g", "uid": NOBODY}
    await thing(bench, "child", owner)
    await bench.quiet(100)
    assert there(bench) == ["child"]


async def test_a_kind_that_comes_later_is_watched_too(bench: Bench) -> None:
    await bench.create(CRDS, crd(), namespace=None)
    await bench.quiet()
    owner = await bench.create(WIDGETS, {"metadata": {"name": "w"}})
    await thing(bench, "child", ref(owner))
    await bench.quiet()
    assert there(bench) == ["child"]
    await bench.delete(WIDGETS, "w", propagation="Background")
    assert there(bench) == []


def crd() -> Object:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "widgets.example.com"}, "spec": spec}


async def test_what_lost_its_owner_while_nobody_looked_goes_at_the_next_start(bench: Bench) -> None:
    top = await thing(bench, "top")
    await thing(bench, "child", ref(top))
    await bench.quiet()
    await bench.stop()
    await bench.client.delete(CONFIG_MAPS, "top", "default", propagation="Background")
    await bench.start()
    assert there(bench) == []


@pytest.mark.parametrize("propagation", ["Foreground", "Orphan"])
async def test_a_deletion_that_was_interrupted_goes_on_at_the_next_start(bench: Bench, propagation: str) -> None:
    top = await thing(bench, "top")
    await thing(bench, "child", ref(top, blockOwnerDeletion=True))
    await bench.quiet()
    await bench.stop()
    await bench.client.delete(CONFIG_MAPS, "top", "default", propagation=propagation)
    assert there(bench) == ["child", "top"]
    await bench.start()
    assert there(bench) == (["child"] if propagation == "Orphan" else [])


async def test_two_that_own_each_other_go_together(bench: Bench) -> None:
    one = await thing(bench, "one")
    two = await thing(bench, "two", ref(one))
    await bench.patch(CONFIG_MAPS, "one", {"metadata": {"ownerReferences": [ref(two)]}})
    assert there(bench) == ["one", "two"]
    await bench.delete(CONFIG_MAPS, "one", propagation="Background")
    assert there(bench) == []


async def test_two_that_block_each_other_do_not_hang(bench: Bench) -> None:
    one = await thing(bench, "one")
    two = await thing(bench, "two", ref(one, blockOwnerDeletion=True))
    await bench.patch(CONFIG_MAPS, "one", {"metadata": {"ownerReferences": [ref(two, blockOwnerDeletion=True)]}})
    await bench.delete(CONFIG_MAPS, "one", propagation="Foreground")
    assert there(bench) == []
