"""EndpointSlices and Endpoints: who stands behind a Service, under which ports, in which state."""

from kaito.kube.client import Object
from kaito.kube.resources import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from kaito.local.controllers import endpoints
from tests.unit.local_controllers.bench import Bench, template

LABEL = "kubernetes.io/service-name"


async def serve(bench: Bench, name: str = "web", **spec: object) -> Object:
    given = {"selector": {"app": "a"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    made = await bench.create(SERVICES, {"metadata": {"name": name, "labels": {"x": "y"}}, "spec": given})
    await bench.quiet()
    return made


async def pod(bench: Bench, name: str, *, address: str, ready: bool = True, **spec: object) -> Object:
    bench.starts = False
    meta = {"name": name, "labels": {"app": "a"}}
    made = await bench.create(PODS, {"metadata": meta, "spec": template(**spec)["spec"]})
    await bench.up(name, ready=ready)
    await bench.plane.set("pods", name, {"status": {"podIP": address}})
    await bench.quiet()
    return made


def slice_of(bench: Bench, service: str = "web") -> Object:
    (one,) = [
        one for one in bench.plane.all("endpointslices.discovery.k8s.io") if one["metadata"]["labels"][LABEL] == service
    ]
    return one


def states(bench: Bench) -> dict[str, tuple[bool, bool, bool]]:
    """(ready, serving, terminating) by address."""
    return {
        one["addresses"][0]: tuple(one["conditions"][key] for key in ("ready", "serving", "terminating"))
        for one in slice_of(bench)["endpoints"]
    }


async def addresses(bench: Bench) -> tuple[list[str], list[str]]:
    """(ready, not ready) in the Endpoints object."""
    subsets = (await bench.get(ENDPOINTS, "web")).get("subsets") or []
    ready = [one["ip"] for subset in subsets for one in subset.get("addresses") or ()]
    return ready, [one["ip"] for subset in subsets for one in subset.get("notReadyAddresses") or ()]


async def test_a_ready_pod_is_an_endpoint_of_every_service_that_selects_it(bench: Bench) -> None:
    owner = await serve(bench)
    await serve(bench, "other", selector={"app": "b"})
    made = await pod(bench, "p", address="10.0.0.1")
    one = slice_of(bench)
    assert one["addressType"] == "IPv4"
    assert one["metadata"]["labels"] == {
        "x": "y",
        LABEL: "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert one["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    assert one["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert one["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "here",
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "p", "uid": made["metadata"]["uid"]},
        }
    ]
    assert slice_of(bench, "other")["endpoints"] == []
    (subset,) = (await bench.get(ENDPOINTS, "web"))["subsets"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert subset["addresses"][0]["ip"] == "10.0.0.1"


async def test_readiness_comes_and_goes(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "p", address="10.0.0.1", ready=False)
    assert states(bench) == {"10.0.0.1": (False, False, False)}
    assert await addresses(bench) == ([], ["10.0.0.1"])
    await bench.up("p")
    await bench.quiet()
    assert states(bench) == {"10.0.0.1": (True, True, False)}
    assert await addresses(bench) == (["10.0.0.1"], [])


async def test_a_terminating_pod_serves_on_but_is_not_ready(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "p", address="10.0.0.1")
    await bench.client.delete(PODS, "p", "default")
    await bench.quiet(1)
    assert states(bench) == {"10.0.0.1": (False, True, True)}
    assert await addresses(bench) == ([], [])
    await bench.quiet()
    assert states(bench) == {}


async def test_a_finished_pod_and_one_without_an_address_are_no_endpoints(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "done", address="10.0.0.1")
    await bench.end("done", "Succeeded")
    await bench.create(PODS, {"metadata": {"name": "new", "labels": {"app": "a"}}, "spec": template()["spec"]})
    await bench.quiet()
    assert states(bench) == {}


async def test_a_headless_service_that_publishes_all_shows_pods_before_they_are_ready(bench: Bench) -> None:
    """Members of a group find each other by these names before any of them is ready."""
    await serve(bench, clusterIP="None", publishNotReadyAddresses=True)
    await pod(bench, "web-0", address="10.0.0.1", ready=False, hostname="web-0", subdomain="web")
    one = slice_of(bench)
    assert one["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert one["endpoints"][0]["hostname"] == "web-0"
    assert states(bench) == {"10.0.0.1": (True, False, False)}
    assert await addresses(bench) == (["10.0.0.1"], [])
    await bench.client.delete(PODS, "web-0", "default")
    await bench.quiet(1)
    assert states(bench) == {"10.0.0.1": (True, False, True)}
    assert await addresses(bench) == (["10.0.0.1"], [])


async def test_a_host_name_counts_only_under_its_own_service(bench: Bench) -> None:
    await serve(bench, clusterIP="None")
    await pod(bench, "web-0", address="10.0.0.1", hostname="web-0", subdomain="another")
    assert "hostname" not in slice_of(bench)["endpoints"][0]


async def test_a_headless_service_needs_no_ports(bench: Bench) -> None:
    await serve(bench, clusterIP="None", ports=[])
    await pod(bench, "p", address="10.0.0.1")
    assert slice_of(bench)["ports"] == []
    assert await addresses(bench) == (["10.0.0.1"], [])


def container(name: str, number: int) -> Object:
    return {"name": "c", "image": "app:1", "ports": [{"name": name, "containerPort": number}]}


async def test_a_named_port_is_what_each_pod_calls_so(bench: Bench) -> None:
    await serve(bench, ports=[{"name": "http", "port": 80, "targetPort": "api"}])
    await pod(bench, "old", address="10.0.0.1", containers=[container("api", 8000)])
    await pod(bench, "new", address="10.0.0.2", containers=[container("api", 9000)])
    await pod(bench, "odd", address="10.0.0.3", containers=[container("admin", 9001)])
    found = {
        one["addresses"][0]: [port["port"] for port in part["ports"]]
        for part in bench.plane.all("endpointslices.discovery.k8s.io")
        for one in part["endpoints"]
    }
    assert found == {"10.0.0.1": [8000], "10.0.0.2": [9000], "10.0.0.3": []}
    assert sorted((await addresses(bench))[0]) == ["10.0.0.1", "10.0.0.2"]


async def test_a_named_port_of_a_sidecar_counts(bench: Bench) -> None:
    await serve(bench, ports=[{"port": 80, "targetPort": "api"}])
    sidecar = {**container("api", 8000), "name": "side", "restartPolicy": "Always"}
    await pod(bench, "p", address="10.0.0.1", initContainers=[sidecar])
    assert slice_of(bench)["ports"] == [{"name": "", "port": 8000, "protocol": "TCP"}]


async def test_a_changed_service_changes_its_endpoints(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "p", address="10.0.0.1")
    await bench.patch(SERVICES, "web", {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9999}]}})
    assert [port["port"] for port in slice_of(bench)["ports"]] == [9999]
    await bench.patch(SERVICES, "web", {"spec": {"selector": {"app": "b"}}})
    assert states(bench) == {}


async def test_a_relabelled_pod_leaves(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "p", address="10.0.0.1")
    await bench.patch(PODS, "p", {"metadata": {"labels": {"app": "b"}}})
    assert states(bench) == {}


async def test_without_a_selector_the_endpoints_are_somebody_elses(bench: Bench) -> None:
    await serve(bench, selector=None)
    mine = {"metadata": {"name": "web"}, "subsets": [{"addresses": [{"ip": "10.9.9.9"}], "ports": [{"port": 1}]}]}
    await bench.create(ENDPOINTS, mine)
    await bench.quiet()
    assert await addresses(bench) == (["10.9.9.9"], [])
    assert bench.plane.all("endpointslices.discovery.k8s.io") == []


async def test_a_deleted_service_leaves_nothing_behind(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "p", address="10.0.0.1")
    await bench.delete(SERVICES, "web")
    assert (bench.plane.all("endpoints"), bench.plane.all("endpointslices.discovery.k8s.io")) == ([], [])
    assert bench.pods() == ["p"]


async def test_what_somebody_spoils_is_put_right(bench: Bench) -> None:
    await serve(bench)
    await pod(bench, "p", address="10.0.0.1")
    name = slice_of(bench)["metadata"]["name"]
    await bench.patch(ENDPOINT_SLICES, name, {"endpoints": []})
    assert list(states(bench)) == ["10.0.0.1"]
    await bench.delete(ENDPOINT_SLICES, name)
    assert list(states(bench)) == ["10.0.0.1"]
    await bench.delete(ENDPOINTS, "web")
    assert await addresses(bench) == (["10.0.0.1"], [])


def place(number: int) -> endpoints.Place:
    address = f"10.0.{number // 250}.{number % 250}"
    state = {"ready": True, "serving": True, "terminating": False}
    ref = {"kind": "Pod", "name": f"p{number}"}
    endpoint = {"addresses": [address], "conditions": state, "targetRef": ref}
    return endpoints.Place(endpoint, [{"name": "", "port": 1, "protocol": "TCP"}])


def test_many_pods_are_split_over_slices_of_a_hundred() -> None:
    service = {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {}}
    made = endpoints.slices(service, [place(number) for number in range(250)])
    assert [len(one["endpoints"]) for one in made] == [100, 100, 50]
    assert len({one["metadata"]["name"] for one in made}) == 3
    older = endpoints.endpoints(service, [place(number) for number in range(1200)])
    assert sum(len(subset["addresses"]) for subset in older["subsets"]) == 1000
