"""The parts that only compute: expansion, paths, quantities, environment, volumes, status, scheduling, endpoints."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kaito.local.kubelet import env, expand, quantity, scheduler, status, volumes
from kaito.local.kubelet.addresses import Addresses
from kaito.local.kubelet.node import parse_gpus
from kaito.local.kubelet.pod import match_image
from kaito.local.kubelet.settings import HostImage
from kaito.local.proxy import endpoints

NOW = "2026-01-02T03:04:05Z"


def pod(**spec: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "ns", "uid": "u1", "labels": {"app": "x"}}
    return {"metadata": meta, "spec": {"containers": [{"name": "main", "image": "i"}], **spec}, "status": {}}


@pytest.mark.parametrize(
    ("text", "result"),
    [("$(A)/b", "1/b"), ("$(NO)", "$(NO)"), ("$$(A)", "$(A)"), ("$A ${A}", "$A ${A}"), ("$(A)$(A)", "11")],
)
def test_variables(text: str, result: str) -> None:
    assert expand.variables(text, {"A": "1"}) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("/data", "/h/d"),
        ("--dir=/data/x", "--dir=/h/d/x"),
        ("/data/sub/y", "/h/s/y"),
        ("/database", "/database"),
        ("/data.bak", "/data.bak"),
        ("/data.", "/h/d."),
        ("/usr/data", "/usr/data"),
        ("file:///data/x", "file:///h/d/x"),
        ("http://host/data", "http://host/data"),
        ("cat '/data/a':/data", "cat '/h/d/a':/h/d"),
        ("$HOME/data", "$HOME/data"),
        ("./data", "./data"),
    ],
)
def test_mount_paths(text: str, result: str) -> None:
    paths = expand.PathMap({"/data": Path("/h/d"), "/data/sub/": Path("/h/s")})
    assert paths.text(text) == result


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", "0.5"),
        ("1Gi", "1073741824"),
        ("1.5k", "1500"),
        ("2e3", "2000"),
        ("3", "3"),
        ("1E", "1000000000000000000"),
    ],
)
def test_quantities(text: str, value: str) -> None:
    assert quantity.parse(text) == Decimal(value)


def test_a_bad_quantity_is_named() -> None:
    with pytest.raises(ValueError, match="'12x'"):
        quantity.parse("12x")


def sources(**data: Any) -> env.Sources:
    service = {"metadata": {"name": "my-db"}, "spec": {"clusterIP": "127.9.0.1", "ports": [{"port": 80}]}}
    return env.Sources(
        config_map=data.get("maps", {}).get,
        secret=data.get("secrets", {}).get,
        services=[service],
        allocatable={"memory": "8Gi"},
    )


def test_environment_of_a_container() -> None:
    container = {
        "name": "main",
        "resources": {"limits": {"cpu": "1500m"}},
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "no", "optional": True}}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(P_k)-$(MY_DB_SERVICE_HOST)"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "t"}}},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "zz", "optional": True}}},
        ],
    }
    owner = {**pod(containers=[container]), "status": {"podIP": "127.20.0.7"}}
    got = env.build(owner, container, sources(maps={"cm": {"k": "v"}}, secrets={"s": {"t": b"tok"}}), base={})
    wanted = {"A": "1", "B": "1-v-127.9.0.1", "S": "tok", "L": "x", "IP": "127.20.0.7", "CPU": "2", "MEM": "8192"}
    assert {name: got[name] for name in wanted} == wanted
    assert got["MY_DB_PORT_80_TCP"] == "tcp://127.9.0.1:80"
    assert got["HOSTNAME"] == "web"
    assert "GONE" not in got


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"configMapKeyRef": {"name": "a", "key": "k"}}, 'configmap "a" not found'),
        ({"secretKeyRef": {"name": "b", "key": "k"}}, "couldn't find key k in Secret ns/b"),
    ],
)
def test_missing_references_say_so(source: dict[str, Any], text: str) -> None:
    container = {"name": "main", "env": [{"name": "X", "valueFrom": source}]}
    with pytest.raises(env.ConfigError, match=text):
        env.build(pod(), container, sources(secrets={"b": {}}), base={})


def test_volumes_as_folders(tmp_path: Path) -> None:
    maps = {"cm": {"a.txt": "one", "b.txt": "two"}}
    lookup = volumes.Lookup(maps.get, {"s": {"key": b"pw"}}.get, lambda name: tmp_path / name, {})
    wanted = pod(
        volumes=[
            {"name": "e", "emptyDir": {}},
            {"name": "c", "configMap": {"name": "cm", "items": [{"key": "a.txt", "path": "sub/x"}]}},
            {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o644}},
            {"name": "p", "persistentVolumeClaim": {"claimName": "pvc"}},
            {"name": "h", "hostPath": {"path": str(tmp_path / "host"), "type": "DirectoryOrCreate"}},
            {"name": "d", "projected": {"sources": [{"downwardAPI": {"items": [
                {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}, {"configMap": {"name": "cm"}}]}},
        ]
    )  # fmt: skip
    folders = volumes.materialise(wanted, tmp_path / "v", lookup)
    assert (folders["c"] / "sub" / "x").read_text() == "one"
    assert (folders["s"] / "key").stat().st_mode & 0o777 == 0o400
    assert (folders["d"] / "labels").read_text() == 'app="x"'
    assert (folders["d"] / "b.txt").read_text() == "two"
    assert (folders["p"], folders["h"].is_dir(), folders["e"].is_dir()) == (tmp_path / "pvc", True, True)
    maps["cm"] = {"a.txt": "three"}
    volumes.materialise(wanted, tmp_path / "v", lookup)
    assert (folders["c"] / "sub" / "x").read_text() == "three"
    assert sorted(p.name for p in folders["d"].iterdir() if not p.name.startswith("..")) == ["a.txt", "labels"]
    mounts = volumes.mounts({"volumeMounts": [{"name": "c", "mountPath": "/m/f", "subPath": "sub/x"}]}, folders)
    assert mounts["/m/f"].read_text() == "three"


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        ({"name": "v", "configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"name": "v", "nfs": {"server": "x", "path": "/"}}, "volume 'v' of kind \\['nfs'\\] is not supported here"),
        ({"name": "v", "configMap": {"name": "cm", "items": [{"key": "k", "path": "../x"}]}}, "must not contain"),
    ],
)
def test_volumes_that_cannot_be(volume: dict[str, Any], text: str, tmp_path: Path) -> None:
    lookup = volumes.Lookup({"cm": {"k": "v"}}.get, {}.get, lambda name: tmp_path, {})
    with pytest.raises(volumes.MountError, match=text):
        volumes.materialise(pod(volumes=[volume]), tmp_path, lookup)


def view(name: str = "main", *, state: dict[str, Any], last: dict[str, Any] | None = None, **kw: Any) -> status.View:
    running = "running" in state
    return status.View(name, "i", state, last or {}, 0, kw.get("ready", running), running)


RUNNING = {"running": {"startedAt": NOW}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


@pytest.mark.parametrize(
    ("policy", "states", "phase"),
    [
        ("Always", [RUNNING], "Running"),
        ("Always", [status.waiting("ContainerCreating")], "Pending"),
        ("Always", [ended(0)], "Running"),
        ("Never", [ended(0), RUNNING], "Running"),
        ("Never", [ended(0), ended(0)], "Succeeded"),
        ("Never", [ended(1), ended(0)], "Failed"),
        ("OnFailure", [ended(0)], "Succeeded"),
        ("OnFailure", [ended(1)], "Running"),
    ],
)
def test_phase(policy: str, states: list[dict[str, Any]], phase: str) -> None:
    mains = [view(f"c{i}", state=s) for i, s in enumerate(states)]
    seen = status.Observed([], mains, initialized=True, sandbox=True)
    assert status.phase(pod(restartPolicy=policy), seen) == phase


def test_conditions_say_which_containers_are_not_ready() -> None:
    mains = [view("a", state=RUNNING), view("b", state=RUNNING, ready=False)]
    owner = pod()
    owner["status"] = {"conditions": [{"type": "Mine", "status": "True"}]}
    got = status.build(owner, status.Observed([], mains, True, True), ip="127.20.0.1", host_ip="127.0.0.1", now=NOW)
    conditions = {c["type"]: c for c in got["conditions"]}
    assert conditions["Ready"]["message"] == "containers with unready status: [b]"
    assert conditions["Ready"]["reason"] == "ContainersNotReady"
    assert conditions["Initialized"]["status"] == "True"
    assert conditions["Mine"] == {"type": "Mine", "status": "True"}
    assert not status.differs(got, got)


def node(**spec: Any) -> dict[str, Any]:
    have = {"cpu": "2", "memory": "4Gi", "pods": "10"}
    return {"metadata": {"name": "n", "labels": {"arch": "x"}}, "spec": spec, "status": {"allocatable": have}}


def asking(**requests: str) -> dict[str, Any]:
    return pod(containers=[{"name": "c", "resources": {"requests": requests}}])


TAINT = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("wanted", "machine", "message"),
    [
        (asking(cpu="2"), node(), None),
        (asking(cpu="3", memory="9Gi"), node(), "1 Insufficient cpu, 1 Insufficient memory."),
        (asking(**{"nvidia.com/gpu": "1"}), node(), "1 Insufficient nvidia.com/gpu."),
        (pod(nodeSelector={"arch": "y"}), node(), "1 node(s) didn't match Pod's node affinity/selector."),
        (pod(), node(taints=[TAINT]), "1 node(s) had untolerated taint {sku: gpu}."),
        (pod(tolerations=[{"key": "sku", "operator": "Exists"}]), node(taints=[TAINT]), None),
        (pod(), node(unschedulable=True), "1 node(s) were unschedulable."),
    ],
)
def test_scheduling(wanted: dict[str, Any], machine: dict[str, Any], message: str | None) -> None:
    got = scheduler.unfit(wanted, machine, [])
    assert got == (None if message is None else f"0/1 nodes are available: {message}")


def test_scheduling_counts_the_pods_that_are_there() -> None:
    other = asking(cpu="1500m")
    other["spec"]["nodeName"] = "n"
    assert scheduler.unfit(asking(cpu="1"), node(), [other]) == "0/1 nodes are available: 1 Insufficient cpu."
    other["status"]["phase"] = "Succeeded"
    assert scheduler.unfit(asking(cpu="1"), node(), [other]) is None


def test_addresses_last_and_are_not_reused_at_once(tmp_path: Path) -> None:
    first = Addresses(tmp_path / "a.json", "127.20.0.0/16")
    assert [first.of("a"), first.of("b"), first.of("a")] == ["127.20.0.1", "127.20.0.2", "127.20.0.1"]
    first.release("b")
    again = Addresses(tmp_path / "a.json", "127.20.0.0/16")
    assert (again.of("a"), again.of("c")) == ("127.20.0.1", "127.20.0.3")


def test_addresses_run_out_with_a_sentence(tmp_path: Path) -> None:
    small = Addresses(tmp_path / "a.json", "127.20.0.0/30")
    assert {small.of("a"), small.of("b")} == {"127.20.0.1", "127.20.0.2"}
    with pytest.raises(RuntimeError, match=r"127\.20\.0\.0/30 has no free address"):
        small.of("c")


def test_images_match_by_repository() -> None:
    base, special = HostImage(path=("/a",)), HostImage(path=("/b",))
    known = {"mcr.example.com/kaito": base, "mcr.example.com/kaito/base": special}
    assert match_image("mcr.example.com/kaito/base:1.2", known) is special
    assert match_image("mcr.example.com/kaito/other@sha256:00", known) is base
    assert match_image("mcr.example.com/kaito-x:1", known) is None
    assert match_image("localhost:5000/kaito", {"localhost:5000/kaito": base}) is base


def test_gpus_as_nvidia_smi_lists_them() -> None:
    (gpu,) = parse_gpus("0, NVIDIA A100-SXM4-80GB, 81920\nnoise\n")
    assert (gpu.index, gpu.name, gpu.memory_mib) == ("0", "NVIDIA A100-SXM4-80GB", 81920)


def test_ready_endpoints_of_a_port() -> None:
    piece = {
        "ports": [{"name": "http", "port": 5000}, {"name": "x", "port": 1}],
        "endpoints": [
            {"addresses": ["127.20.0.1"], "conditions": {"ready": True}},
            {"addresses": ["127.20.0.2"], "conditions": {"ready": False}},
        ],
    }
    assert endpoints.ready([piece, piece], {"name": "http"}) == [("127.20.0.1", 5000)]
    assert len(endpoints.ready([piece], {"name": "http"}, unready=True)) == 2
