"""lightkube, the typed Python client, unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.apps_v1 import StatefulSetSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec, ServicePort, ServiceSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import StatefulSet
from lightkube.resources.core_v1 import ConfigMap, Service
from lightkube.types import PatchType

from tests.api.cluster import Cluster


@pytest.fixture
def client(cluster: Cluster, ns: str) -> Iterator[Client]:
    yield Client(KubeConfig.from_file(cluster.kubeconfig), namespace=ns, field_manager="a-test")


def config(name: str, **data: str) -> ConfigMap:
    return ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name=name, labels={"mine": "1"}), data=data)


def test_objects_go_through_their_life_typed(client: Client) -> None:
    made = client.create(config("a", x="1"))
    assert made.metadata is not None
    assert made.metadata.uid
    assert client.get(ConfigMap, "a").data == {"x": "1"}
    client.create(config("b"))
    listed = client.list(ConfigMap, labels={"mine": "1"})
    assert [one.metadata.name for one in listed if one.metadata] == ["a", "b"]
    changed = client.patch(ConfigMap, "a", {"data": {"y": "2"}}, patch_type=PatchType.MERGE)
    assert changed.data == {"x": "1", "y": "2"}
    changed.data = {"z": "3"}
    assert client.replace(changed).data == {"z": "3"}
    with pytest.raises(ApiError) as stale:
        client.replace(made)
    assert stale.value.status.code == 409
    client.delete(ConfigMap, "a")
    with pytest.raises(ApiError) as gone:
        client.get(ConfigMap, "a")
    assert (gone.value.status.code, gone.value.status.reason) == (404, "NotFound")


def test_apply_creates_and_tells_conflicts(client: Client) -> None:
    assert client.apply(config("a", x="1"), field_manager="one").data == {"x": "1"}
    with pytest.raises(ApiError, match='conflict with "one"'):
        client.apply(config("a", x="2"), field_manager="two")
    assert client.apply(config("a", x="2"), field_manager="two", force=True).data == {"x": "2"}


def test_a_watch_gives_typed_events(client: Client) -> None:
    listed = client.list(ConfigMap)
    list(listed)
    version = listed.resourceVersion
    for name in ("a", "b"):
        client.create(config(name))
    client.delete(ConfigMap, "a")
    seen = []
    for kind, obj in client.watch(ConfigMap, labels={"mine": "1"}, resource_version=version):
        assert obj.metadata is not None
        seen.append((kind, obj.metadata.name))
        if len(seen) == 3:
            break
    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_scale_and_status_are_subresources(client: Client) -> None:
    labels = {"app": "a"}
    containers = [Container(name="main", image="example/image:1")]
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=containers, schedulerName="nobody")
    )
    spec = StatefulSetSpec(replicas=1, selector=LabelSelector(matchLabels=labels), serviceName="a", template=template)
    client.create(StatefulSet(metadata=ObjectMeta(name="a"), spec=spec))
    scale = client.get(StatefulSet.Scale, "a")
    assert scale.spec is not None
    assert scale.spec.replicas == 1
    scale.spec.replicas = 2
    assert scale.metadata is not None
    scale.metadata.resourceVersion = None  # The controller writes the status meanwhile.
    client.replace(scale)
    found = client.get(StatefulSet, "a")
    assert found.spec is not None
    assert found.spec.replicas == 2


def test_a_service_gets_an_address(client: Client) -> None:
    made = client.create(
        Service(metadata=ObjectMeta(name="a"), spec=ServiceSpec(selector={"a": "b"}, ports=[ServicePort(port=80)]))
    )
    assert made.spec is not None
    assert made.spec.clusterIP not in (None, "", "None")
    assert made.spec.type == "ClusterIP"
