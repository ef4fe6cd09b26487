"""A StatefulSet's claims: one per pod and template, and gone only when its retention policy says so."""

import pytest

from kaito.kube.client import Object
from kaito.kube.resources import PODS, PVCS, STATEFUL_SETS
from tests.unit.local_controllers.bench import Bench, template


def a_set(replicas: int = 2, **spec: object) -> Object:
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data", "labels": {"x": "y"}}, "spec": request}
    made = {"replicas": replicas, "serviceName": "web", "selector": {"matchLabels": {"app": "a"}}}
    given = {**made, "template": template(), "volumeClaimTemplates": [claim], **spec}
    return {"metadata": {"name": "web"}, "spec": given}


def policy(*, deleted: str = "Retain", scaled: str = "Retain") -> Object:
    return {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled}}


async def running(bench: Bench, replicas: int = 2, **spec: object) -> Object:
    made = await bench.create(STATEFUL_SETS, a_set(replicas, **spec))
    await bench.quiet()
    assert len(bench.pods()) == replicas
    return made


def claims(bench: Bench) -> list[str]:
    return bench.plane.names("persistentvolumeclaims")


async def test_each_pod_mounts_its_own_claim_which_is_bound(bench: Bench) -> None:
    await running(bench)
    assert claims(bench) == ["data-web-0", "data-web-1"]
    claim = await bench.get(PVCS, "data-web-0")
    assert claim["metadata"]["labels"] == {"x": "y", "app": "a"}
    assert claim["status"]["phase"] == "Bound"
    mounted = [pod["spec"]["volumes"] for pod in bench.plane.all("pods")]
    assert mounted == [
        [{"name": "data", "persistentVolumeClaim": {"claimName": f"data-web-{number}"}}] for number in (0, 1)
    ]


async def test_a_claim_template_takes_the_place_of_a_volume_of_its_name(bench: Bench) -> None:
    folders = [{"name": "data", "emptyDir": {}}, {"name": "t", "emptyDir": {}}]
    await running(bench, 1, template=template(volumes=folders))
    volumes = bench.plane.all("pods")[0]["spec"]["volumes"]
    assert [one["name"] for one in volumes] == ["data", "t"]
    assert volumes[0]["persistentVolumeClaim"] == {"claimName": "data-web-0"}


async def test_by_default_claims_outlive_scaling_and_deletion_and_are_used_again(bench: Bench) -> None:
    await running(bench)
    uids = [one["metadata"]["uid"] for one in bench.plane.all("persistentvolumeclaims")]
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 0}})
    await bench.delete(STATEFUL_SETS, "web")
    assert bench.pods() == []
    await running(bench)
    assert [one["metadata"]["uid"] for one in bench.plane.all("persistentvolumeclaims")] == uids


async def test_when_scaled_delete_takes_the_claims_of_the_pods_that_go_and_no_other(bench: Bench) -> None:
    await running(bench, 3, **policy(scaled="Delete"))
    assert [one["metadata"].get("ownerReferences") for one in bench.plane.all("persistentvolumeclaims")] == [None] * 3
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 1}})
    assert claims(bench) == ["data-web-0"]
    assert [one["spec"]["claimRef"]["name"] for one in bench.plane.all("persistentvolumes")] == ["data-web-0"]
    await bench.delete(STATEFUL_SETS, "web")
    assert claims(bench) == ["data-web-0"]


async def test_when_scaled_delete_spares_the_claim_of_a_pod_that_is_replaced(bench: Bench) -> None:
    await running(bench, 2, **policy(scaled="Delete"))
    uids = [one["metadata"]["uid"] for one in bench.plane.all("persistentvolumeclaims")]
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"template": template("app:2")}})
    assert bench.images() == ["app:2"] * 2
    assert [one["metadata"]["uid"] for one in bench.plane.all("persistentvolumeclaims")] == uids


async def test_when_deleted_delete_takes_all_claims_with_the_set(bench: Bench) -> None:
    made = await running(bench, 2, **policy(deleted="Delete"))
    owners = [one["metadata"]["ownerReferences"] for one in bench.plane.all("persistentvolumeclaims")]
    assert [ref["uid"] for refs in owners for ref in refs] == [made["metadata"]["uid"]] * 2
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 1}})
    assert claims(bench) == ["data-web-0", "data-web-1"]
    await bench.delete(STATEFUL_SETS, "web")
    assert (bench.pods(), claims(bench), bench.plane.all("persistentvolumes")) == ([], [], [])


async def test_a_change_of_mind_reaches_the_claims(bench: Bench) -> None:
    await running(bench, 2, **policy(deleted="Delete"))
    await bench.patch(STATEFUL_SETS, "web", {"spec": policy()})
    await bench.delete(STATEFUL_SETS, "web")
    assert claims(bench) == ["data-web-0", "data-web-1"]


async def test_the_claims_own_owners_are_kept(bench: Bench) -> None:
    await running(bench, 1)
    space = bench.plane.get("namespaces", "default", "")
    assert space is not None
    other = {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": space["metadata"]["uid"]}
    await bench.patch(PVCS, "data-web-0", {"metadata": {"ownerReferences": [other]}})
    await bench.patch(STATEFUL_SETS, "web", {"spec": policy(deleted="Delete")})
    refs = (await bench.get(PVCS, "data-web-0"))["metadata"]["ownerReferences"]
    assert [ref["kind"] for ref in refs] == ["Namespace", "StatefulSet"]


async def test_a_pod_waits_for_a_claim_that_is_on_its_way_out_and_gets_a_new_one(bench: Bench) -> None:
    await running(bench, 1)
    before = (await bench.get(PVCS, "data-web-0"))["metadata"]["uid"]
    await bench.delete(PVCS, "data-web-0")
    assert "deletionTimestamp" in (await bench.get(PVCS, "data-web-0"))["metadata"]
    assert bench.pods() == ["web-0"]
    await bench.delete(PODS, "web-0")
    claim = await bench.get(PVCS, "data-web-0")
    assert claim["metadata"]["uid"] != before
    assert (claim["status"]["phase"], bench.pods()) == ("Bound", ["web-0"])


@pytest.mark.parametrize("parallel", [False, True])
async def test_no_pod_is_made_when_its_claim_is_refused(bench: Bench, parallel: bool) -> None:
    bench.plane.refuse["POST", "persistentvolumeclaims"] = bench.plane.refusal(403, "Forbidden", "no more storage")
    order = "Parallel" if parallel else "OrderedReady"
    await bench.create(STATEFUL_SETS, a_set(2, podManagementPolicy=order))
    await bench.quiet()
    assert bench.pods() == []
    bench.plane.refuse.clear()
    await bench.quiet(60)
    assert bench.pods() == ["web-0", "web-1"]


async def test_scaled_up_again_before_the_claim_is_gone_the_pod_gets_a_claim_that_stays(bench: Bench) -> None:
    """Not the old one: its deletion was decided, and a pod on it would lose its data later."""
    await running(bench, 2, **policy(scaled="Delete"))
    before = (await bench.get(PVCS, "data-web-1"))["metadata"]["uid"]
    await bench.client.patch(STATEFUL_SETS, "web", "default", {"spec": {"replicas": 1}})
    await bench.quiet(0.7)
    assert bench.pods() == ["web-0"]
    bench.plane.refuse["DELETE", "persistentvolumeclaims"] = bench.plane.refusal(503, "Unavailable", "slow today")
    await bench.patch(STATEFUL_SETS, "web", {"spec": {"replicas": 2}})
    assert bench.pods() == ["web-0"]
    bench.plane.refuse.clear()
    await bench.quiet(60)
    claim = await bench.get(PVCS, "data-web-1")
    assert claim["metadata"]["uid"] != before
    assert "deletionTimestamp" not in claim["metadata"]
    assert bench.pods() == ["web-0", "web-1"]
