"""Claims and volumes: what binds to what, and what is kept or taken away at the end."""

import pytest

from kaito.kube.client import Object
from kaito.kube.resources import PODS, PVCS, PVS
from tests.unit.local_controllers.bench import Bench, template


def claim(size: str = "1Gi", **spec: object) -> Object:
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": "c"}, "spec": {**request, **spec}}


def volume(name: str, size: str = "1Gi", labels: dict[str, str] | None = None, **spec: object) -> Object:
    made = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": f"/data/{name}"}}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {**made, **spec}}


async def make(bench: Bench, *volumes: Object, wanted: Object | None = None) -> Object:
    for one in volumes:
        await bench.create(PVS, one, namespace=None)
    await bench.quiet()
    await bench.create(PVCS, wanted or claim())
    await bench.quiet()
    return await bench.get(PVCS, "c")


def phases(bench: Bench) -> dict[str, str]:
    return {one["metadata"]["name"]: one["status"]["phase"] for one in bench.plane.all("persistentvolumes")}


async def user(bench: Bench, name: str = "p") -> None:
    mounted = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    await bench.create(PODS, {"metadata": {"name": name}, "spec": template(volumes=mounted)["spec"]})
    await bench.quiet()


async def test_a_claim_gets_a_volume_of_its_own_when_there_is_none(bench: Bench) -> None:
    made = await make(bench)
    name = f"pvc-{made['metadata']['uid']}"
    assert made["spec"]["volumeName"] == name
    assert made["status"] == {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
    }
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    provisioned = await bench.get(PVS, name)
    assert provisioned["spec"]["claimRef"]["uid"] == made["metadata"]["uid"]
    assert provisioned["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert phases(bench) == {name: "Bound"}


async def test_a_folder_of_the_host_that_suits_is_taken_before_one_is_made(bench: Bench) -> None:
    made = await make(bench, volume("disk", "5Gi"))
    assert made["spec"]["volumeName"] == "disk"
    assert made["status"]["capacity"] == {"storage": "5Gi"}
    assert phases(bench) == {"disk": "Bound"}
    assert (await bench.get(PVS, "disk"))["spec"]["claimRef"]["name"] == "c"


async def test_the_smallest_that_is_large_enough_is_taken(bench: Bench) -> None:
    made = await make(bench, volume("a", "9Gi"), volume("b", "500Mi"), volume("c", "2000Mi"), wanted=claim("1Gi"))
    assert made["spec"]["volumeName"] == "c"
    assert phases(bench) == {"a": "Available", "b": "Available", "c": "Bound"}


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        pytest.param(volume("v", "1Mi"), claim(), id="too small"),
        pytest.param(volume("v", accessModes=["ReadOnlyMany"]), claim(), id="another access mode"),
        pytest.param(volume("v", storageClassName="fast"), claim(), id="another class"),
        pytest.param(volume("v", volumeMode="Block"), claim(), id="another mode"),
    ],
)
async def test_a_volume_that_does_not_suit_is_left(bench: Bench, other: Object, wanted: Object) -> None:
    made = await make(bench, other, wanted=wanted)
    assert made["status"]["phase"] == "Bound"
    assert made["spec"]["volumeName"] != "v"
    assert phases(bench)["v"] == "Available"


async def test_a_selector_chooses_by_label_and_waits_when_nothing_fits(bench: Bench) -> None:
    wanted = claim(selector={"matchLabels": {"tier": "fast"}})
    made = await make(bench, volume("slow"), wanted=wanted)
    assert made["status"]["phase"] == "Pending"
    assert any(one["reason"] == "FailedBinding" for one in bench.plane.all("events"))
    await bench.create(PVS, volume("quick", labels={"tier": "fast"}), namespace=None)
    await bench.quiet()
    assert (await bench.get(PVCS, "c"))["spec"]["volumeName"] == "quick"


async def test_the_empty_class_takes_only_what_somebody_made(bench: Bench) -> None:
    made = await make(bench, wanted=claim(storageClassName=""))
    assert made["status"]["phase"] == "Pending"
    await bench.create(PVS, volume("v"), namespace=None)
    await bench.quiet()
    assert (await bench.get(PVCS, "c"))["spec"]["volumeName"] == "v"


async def test_a_volume_reserved_for_a_claim_waits_for_it(bench: Bench) -> None:
    reserved = volume("mine", "9Gi", claimRef={"namespace": "default", "name": "c"})
    made = await make(bench, volume("other"), reserved)
    assert made["spec"]["volumeName"] == "mine"
    assert phases(bench) == {"mine": "Bound", "other": "Available"}


async def test_a_claim_that_names_its_volume_waits_for_that_one(bench: Bench) -> None:
    made = await make(bench, volume("other"), wanted=claim(volumeName="mine"))
    assert made["status"]["phase"] == "Pending"
    await bench.create(PVS, volume("mine"), namespace=None)
    await bench.quiet()
    assert (await bench.get(PVCS, "c"))["status"]["phase"] == "Bound"
    assert phases(bench) == {"mine": "Bound", "other": "Available"}


async def test_two_claims_never_share_a_volume(bench: Bench) -> None:
    await bench.create(PVS, volume("v"), namespace=None)
    await bench.quiet()
    for name in ("c", "d", "e"):
        await bench.create(PVCS, {**claim(), "metadata": {"name": name}})
    await bench.quiet()
    names = [one["spec"]["volumeName"] for one in bench.plane.all("persistentvolumeclaims")]
    assert len(set(names)) == 3
    assert "v" in names
    bound = {one["metadata"]["name"]: one["spec"]["claimRef"]["uid"] for one in bench.plane.all("persistentvolumes")}
    wanted = {one["spec"]["volumeName"]: one["metadata"]["uid"] for one in bench.plane.all("persistentvolumeclaims")}
    assert bound == wanted


async def test_a_made_volume_goes_with_its_claim(bench: Bench) -> None:
    await make(bench)
    await bench.delete(PVCS, "c")
    assert (bench.plane.all("persistentvolumeclaims"), bench.plane.all("persistentvolumes")) == ([], [])


async def test_a_volume_to_retain_is_released_and_not_given_to_the_next(bench: Bench) -> None:
    await make(bench, volume("v", persistentVolumeReclaimPolicy="Retain"))
    await bench.delete(PVCS, "c")
    assert phases(bench) == {"v": "Released"}
    made = await make(bench)
    assert made["spec"]["volumeName"] != "v"
    await bench.patch(PVS, "v", {"spec": {"claimRef": None}})
    assert phases(bench)["v"] == "Available"


async def test_a_claim_in_use_stays_until_its_last_pod_has_ended(bench: Bench) -> None:
    await make(bench)
    await user(bench)
    await bench.delete(PVCS, "c")
    kept = await bench.get(PVCS, "c")
    assert "deletionTimestamp" in kept["metadata"]
    assert phases(bench) == {kept["spec"]["volumeName"]: "Bound"}
    await bench.end("p", "Succeeded")
    await bench.quiet()
    assert (bench.plane.all("persistentvolumeclaims"), bench.plane.all("persistentvolumes")) == ([], [])


async def test_a_claim_whose_volume_was_taken_away_is_lost(bench: Bench) -> None:
    await make(bench, volume("v"))
    await bench.plane.remove("persistentvolumes", "v", "")
    await bench.quiet()
    assert (await bench.get(PVCS, "c"))["status"]["phase"] == "Lost"


async def test_a_bound_volume_is_not_deleted_under_its_claim(bench: Bench) -> None:
    await make(bench, volume("v"))
    await bench.delete(PVS, "v")
    assert "deletionTimestamp" in (await bench.get(PVS, "v"))["metadata"]
    assert (await bench.get(PVCS, "c"))["status"]["phase"] == "Bound"
    await bench.delete(PVCS, "c")
    assert bench.plane.all("persistentvolumes") == []


async def test_a_free_volume_is_deleted_at_once(bench: Bench) -> None:
    await bench.create(PVS, volume("v"), namespace=None)
    await bench.quiet()
    await bench.delete(PVS, "v")
    assert bench.plane.all("persistentvolumes") == []


async def test_binding_goes_on_where_it_was_interrupted(bench: Bench) -> None:
    """Each write of a binding may be the last one for now; no second volume is ever made or taken."""
    await bench.restart(after=0)
    await bench.create(PVCS, claim())
    steps = 0
    while (await bench.get(PVCS, "c")).get("status", {}).get("phase") != "Bound":
        await bench.restart(after=1)
        steps += 1
        assert len(bench.plane.all("persistentvolumes")) <= 1
        assert steps < 20
    assert steps >= 3
