"""Pods from creation to deletion with real processes: what the API shows and what runs."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from kaito.kube.client import Client
from kaito.kube.errors import NotFound
from kaito.kube.resources import CONFIG_MAPS, EVENTS, NODES, PODS, PVCS, PVS, SECRETS
from kaito.local.kubelet.kubelet import Kubelet, LogError
from kaito.local.kubelet.process import stop_all
from kaito.local.kubelet.settings import HostImage, KubeletSettings
from local_kubelet.api import SmallApi
from local_kubelet.until import until

PYTHON = [sys.executable, "-I", "-S", "-u", "-c"]


class Cluster:
    """A small API, one state folder, and kubelets that come and go."""

    def __init__(self, root: Path) -> None:
        self.root, self.api = root, SmallApi()
        self.client = Client(self.api)
        images = {"host": HostImage(env={"BIND": "$(POD_IP)", "WORDS": "$(TERMINATION_LOG)"})}
        self.settings = KubeletSettings(
            state_dir=root / "state",
            node_name="n1",
            images=images,
            pod_cidr="127.77.0.0/16",
            base_env={"PATH": os.environ["PATH"]},
            backoff_base=0.3,
            backoff_max=1.0,
            memory_interval=0.05,
            retry=0.1,
        )
        self.kubelet = Kubelet(self.client, self.settings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Kubelet]:
        """A kubelet for a while; leaving it drops the kubelet without stopping any pod."""
        self.kubelet = Kubelet(self.client, self.settings)
        task = asyncio.create_task(self.kubelet.run())
        try:
            ready = asyncio.create_task(self.kubelet.ready.wait())
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield self.kubelet
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def pod(self, code: str, *, name: str = "web", pod: dict[str, Any] | None = None, **container: Any) -> None:
        body = {"name": "main", "image": "host:1", "command": [*PYTHON, code], **container}
        spec = {"containers": [body], "terminationGracePeriodSeconds": 1, **(pod or {})}
        meta = {"name": name, "namespace": "default"}
        await self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    async def get(self, name: str = "web") -> dict[str, Any]:
        return await self.client.get(PODS, name, "default")

    async def main(self, name: str = "web") -> dict[str, Any]:
        """The first container's status, empty before there is one."""
        return next(iter((await self.get(name)).get("status", {}).get("containerStatuses", [])), {})

    async def ready(self, name: str = "web") -> dict[str, Any]:
        async def look() -> Any:
            seen = await self.main(name)
            return seen if seen.get("ready") else None

        return await until(look)

    async def phase(self, wanted: str, name: str = "web") -> dict[str, Any]:
        async def look() -> Any:
            seen = await self.get(name)
            return seen if seen.get("status", {}).get("phase") == wanted else None

        return await until(look)

    async def events(self) -> dict[str, tuple[str, int]]:
        items, _ = await self.client.list(EVENTS)
        return {event["reason"]: (event["message"], event["count"]) for event in items}

    async def log(self, name: str = "web", **wanted: Any) -> str:
        return b"".join([piece async for piece in self.kubelet.logs("default", name, **wanted)]).decode()

    def pid(self) -> int:
        (state,) = (self.settings.pods_dir).glob("*/containers/main/*/state.json")
        return int(json.loads(state.read_text())["pid"])


@pytest.fixture
def cluster(tmp_path: Path):
    yield Cluster(tmp_path)
    stop_all(tmp_path / "state", grace=0)


async def test_a_pod_runs_is_ready_and_is_gone_after_deletion(cluster: Cluster) -> None:
    code = "import os,time; print(os.environ['BIND'], os.environ['IP']); time.sleep(60)"
    async with cluster.running():
        env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
        await cluster.pod(code, env=env)
        await cluster.ready()
        status = (await cluster.phase("Running"))["status"]
        assert status["podIP"] == "127.77.0.1"
        assert {c["type"]: c["status"] for c in status["conditions"]}["Ready"] == "True"
        await until(lambda: cluster.log())
        assert await cluster.log() == "127.77.0.1 127.77.0.1\n"
        pid = cluster.pid()
        writes = cluster.api.writes
        await asyncio.sleep(0.3)
        assert cluster.api.writes == writes, "an idle pod causes no writes"
        await cluster.client.delete(PODS, "web", "default")

        async def gone() -> bool:
            try:
                await cluster.get()
            except NotFound:
                return True
            return False

        await until(gone)
        assert not psutil.pid_exists(pid)
        await until(lambda: not list(cluster.settings.pods_dir.iterdir()))
        assert {"Scheduled", "Pulled", "Created", "Started", "Killing"} <= set(await cluster.events())


async def test_node_reports_the_machine(cluster: Cluster) -> None:
    async with cluster.running():
        node = await cluster.client.get(NODES, "n1")
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
    assert int(node["status"]["capacity"]["memory"].removesuffix("Ki")) == psutil.virtual_memory().total // 1024
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"


async def test_init_containers_volumes_and_live_config(cluster: Cluster) -> None:
    meta = {"namespace": "default"}
    await cluster.client.create(CONFIG_MAPS, {"metadata": {"name": "cm", **meta}, "data": {"k": "one"}})
    secret = base64.b64encode(b"pw").decode()
    await cluster.client.create(SECRETS, {"metadata": {"name": "s", **meta}, "data": {"t": secret}})
    mounts = [{"name": "shared", "mountPath": "/data"}, {"name": "config", "mountPath": "/etc/app"}]
    init = {
        "name": "fetch",
        "image": "host",
        "command": ["sh", "-c", "echo fetched > /data/f"],
        "volumeMounts": mounts,
    }
    volumes = [{"name": "shared", "emptyDir": {}}, {"name": "config", "configMap": {"name": "cm"}}]
    code = (
        "import os,sys,time; print(open('/data/f').read().strip(), os.environ['T'], os.environ['DIR'] == sys.argv[1])\n"
        "old = None\n"
        "while old != 'two':\n"
        "  new = open('/etc/app/k').read()\n"
        "  if new != old: print(new)\n"
        "  old = new; time.sleep(0.02)\n"
    )
    env = [
        {"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "t"}}},
        {"name": "DIR", "value": "/data"},
    ]
    async with cluster.running():
        pod = {"initContainers": [init], "volumes": volumes, "restartPolicy": "Never"}
        await cluster.pod(code, pod=pod, env=env, volumeMounts=mounts, args=["/data"])

        async def logged() -> bool:
            return "one" in await cluster.log() if (await cluster.main()).get("started") else False

        await until(logged)
        await cluster.client.patch(CONFIG_MAPS, "cm", "default", {"data": {"k": "two"}})
        done = await cluster.phase("Succeeded")
        assert await cluster.log() == "fetched pw True\none\ntwo\n"
    init_status = done["status"]["initContainerStatuses"][0]
    assert init_status["state"]["terminated"]["reason"] == "Completed"
    assert {c["type"]: c.get("reason") for c in done["status"]["conditions"]}["Ready"] == "PodCompleted"


async def test_crash_loop_back_off_and_previous_log(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("import sys; print('boom'); sys.exit(7)")

        async def looping() -> Any:
            seen = await cluster.main()
            waiting = seen.get("state", {}).get("waiting", {})
            return seen if seen.get("restartCount", 0) >= 2 and waiting.get("reason") == "CrashLoopBackOff" else None

        seen = await until(looping)
        uid = (await cluster.get())["metadata"]["uid"]
        message = seen["state"]["waiting"]["message"]
        assert message.endswith(f"restarting failed container=main pod=web_default({uid})")
        assert message.startswith(("back-off 0.6s", "back-off 1s"))
        assert seen["lastState"]["terminated"]["exitCode"] == 7
        assert await cluster.log(previous=True) == "boom\n"
        events = await cluster.events()
        assert events["BackOff"][0] == f"Back-off restarting failed container main in pod web_default({uid})"
        assert events["Started"][1] >= 2


async def test_a_new_kubelet_adopts_what_runs(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("import time; print('once'); time.sleep(60)")
        before = await cluster.ready()
    pid = cluster.pid()
    assert psutil.pid_exists(pid)
    async with cluster.running():
        await asyncio.sleep(0)
        after = await cluster.ready()
        assert cluster.pid() == pid
        assert (after["restartCount"], after["containerID"]) == (0, before["containerID"])
        os.kill(pid, 9)

        async def restarted() -> bool:
            seen = await cluster.main()
            return seen["restartCount"] == 1 and seen["ready"]

        await until(restarted)
        assert (await cluster.main())["lastState"]["terminated"]["exitCode"] == 137


async def test_what_lost_its_pod_object_is_ended(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("import time; time.sleep(60)")
        await cluster.ready()
    pid = cluster.pid()
    await cluster.client.delete(PODS, "web", "default", grace_period=0)
    async with cluster.running():
        assert list(cluster.settings.pods_dir.iterdir()) == []
    assert not psutil.pid_exists(pid)


async def test_termination_message_from_file_and_from_log(cluster: Cluster) -> None:
    async with cluster.running():
        never = {"restartPolicy": "Never"}
        await cluster.pod("import os; open('/dev/termination-log', 'w').write('said')", name="a", pod=never)
        await cluster.pod("import os; open(os.environ['WORDS'], 'w').write('env')", name="b", pod=never)
        code, policy = "print('last words'); raise SystemExit(2)", "FallbackToLogsOnError"
        await cluster.pod(code, name="c", pod=never, terminationMessagePolicy=policy)
        ends = [("a", "Succeeded", "said"), ("b", "Succeeded", "env"), ("c", "Failed", "last words\n")]
        for name, phase, message in ends:
            done = await cluster.phase(phase, name)
            assert done["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == message


async def test_memory_over_the_limit_is_oom_killed(cluster: Cluster) -> None:
    async with cluster.running():
        limit = {"limits": {"memory": "64Mi"}}
        await cluster.pod(
            "import time; b = bytearray(120_000_000); time.sleep(60)", pod={"restartPolicy": "Never"}, resources=limit
        )
        ended = (await cluster.phase("Failed"))["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


async def test_probes(cluster: Cluster, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    server = (
        "import http.server, os, pathlib\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  def do_GET(self):\n"
        f"    self.send_response(200 if pathlib.Path({str(flag)!r}).exists() else 503); self.end_headers()\n"
        "  def log_message(self, *a): pass\n"
        "http.server.HTTPServer((os.environ['BIND'], 8080), H).serve_forever()\n"
    )
    quick = {"periodSeconds": 0.1, "timeoutSeconds": 5}
    probes = {
        "ports": [{"name": "web", "containerPort": 8080}],
        "startupProbe": {"tcpSocket": {"port": "web"}, "failureThreshold": 100, **quick},
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "failureThreshold": 1, **quick},
        "livenessProbe": {"exec": {"command": ["test", "!", "-e", f"{flag}.dead"]}, "failureThreshold": 1, **quick},
    }
    async with cluster.running():
        await cluster.pod(server, **probes)

        async def unhealthy() -> bool:
            events, _ = await cluster.client.list(EVENTS)
            text = "Readiness probe failed: HTTP probe failed with statuscode: 503"
            return any(event["message"] == text for event in events)

        await until(unhealthy)
        assert (await cluster.main())["ready"] is False
        flag.touch()
        await cluster.ready()
        Path(f"{flag}.dead").touch()

        async def restarted() -> bool:
            return (await cluster.main())["restartCount"] >= 1

        await until(restarted)
        killing = (await cluster.events())["Killing"][0]
        assert killing == "Container main failed liveness probe, will be restarted"


async def test_reasons_for_not_running(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("", name="image", image="nginx:1")
        await cluster.pod("", name="config", envFrom=[{"configMapRef": {"name": "no"}}])
        await cluster.pod("", name="big", resources={"requests": {"cpu": "9999"}})
        await cluster.pod("", name="mount", pod={"volumes": [{"name": "v", "secret": {"secretName": "no"}}]})

        async def reason(name: str) -> str:
            return (await cluster.main(name)).get("state", {}).get("waiting", {}).get("reason", "")

        async def waiting(name: str, wanted: str) -> bool:
            return await reason(name) == wanted

        await until(lambda: waiting("image", "ErrImagePull"))
        await until(lambda: waiting("config", "CreateContainerConfigError"))
        await until(lambda: waiting("mount", "ContainerCreating"))
        big = await cluster.phase("Pending", "big")
        (condition,) = big["status"]["conditions"]
        assert condition["message"] == "0/1 nodes are available: 1 Insufficient cpu."
        assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")
        assert (await cluster.events())["FailedMount"][0] == 'MountVolume.SetUp failed: secret "no" not found'
        with pytest.raises(LogError, match='container "main" in pod "image" is waiting to start: ErrImagePull'):
            await cluster.log("image")
        # The missing object appears, and the pod starts by itself.
        cm = {"metadata": {"name": "no", "namespace": "default"}, "data": {}}
        await cluster.client.create(CONFIG_MAPS, cm)

        async def tried() -> bool:
            return "terminated" in (await cluster.main("config")).get("lastState", {})

        await until(tried)


async def test_deadline_fails_the_pod_and_ends_it(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("import time; time.sleep(60)", pod={"activeDeadlineSeconds": 1})
        failed = await cluster.phase("Failed")
        assert failed["status"]["reason"] == "DeadlineExceeded"
        assert failed["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
        assert not psutil.pid_exists(cluster.pid())


async def test_a_command_that_is_not_there(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("", pod={"restartPolicy": "Never"}, command=["no-such-program"])
        failed = await cluster.phase("Failed")
        ended = failed["status"]["containerStatuses"][0]["state"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
        text = "failed to start container 'main': its command cannot be run: No such file or directory"
        assert ended["message"] == text
        assert (await cluster.events())["Failed"][0] == f"Error: {text}"


async def test_a_native_sidecar_runs_beside_and_ends_after(cluster: Cluster) -> None:
    beside = {"name": "beside", "image": "host", "command": ["sleep", "60"], "restartPolicy": "Always"}
    async with cluster.running():
        await cluster.pod("print('work')", pod={"restartPolicy": "Never", "initContainers": [beside]})
        done = await cluster.phase("Succeeded")
        assert done["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 143


async def test_what_ignores_sigterm_is_killed_after_its_grace(cluster: Cluster) -> None:
    async with cluster.running():
        await cluster.pod("import signal,time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)")
        await cluster.ready()

        async def up() -> bool:
            return await cluster.log() == "up\n"

        await until(up)
        pid = cluster.pid()
        await cluster.client.delete(PODS, "web", "default")
        await until(lambda: not psutil.pid_exists(pid))


async def test_gpus_are_given_out_once(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '0, NVIDIA Test GPU, 1000'; echo '1, NVIDIA Test GPU, 1000'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    code = "import os,time; print(repr(os.environ['CUDA_VISIBLE_DEVICES']), flush=True); time.sleep(60)"
    one = {"limits": {"nvidia.com/gpu": "1"}}
    seen = []
    for name, resources in (("a", one), ("b", one), ("none", {})):
        async with cluster.running():
            await cluster.pod(code, name=name, resources=resources)
            await cluster.ready(name)
            seen.append(await until(lambda name=name: cluster.log(name)))
    assert seen == ["'0'\n", "'1'\n", "''\n"]
    async with cluster.running():
        node = await cluster.client.get(NODES, "n1")
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
        assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-Test-GPU"
        await cluster.pod(code, name="c", resources=one)
        refused = (await cluster.phase("Pending", "c"))["status"]["conditions"][0]["message"]
        assert refused == "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."


async def test_claims_wait_until_bound_and_hooks_run(cluster: Cluster, tmp_path: Path) -> None:
    meta = {"name": "claim", "namespace": "default"}
    await cluster.client.create(PVCS, {"metadata": meta, "spec": {}})
    volume = {"metadata": {"name": "pv"}, "spec": {"hostPath": {"path": str(tmp_path / "disk")}}}
    await cluster.client.create(PVS, volume)
    mounts = [{"name": "v", "mountPath": "/disk"}]
    lifecycle = {
        "postStart": {"exec": {"command": ["touch", "/disk/started"]}},
        "preStop": {"exec": {"command": ["touch", "/disk/stopped"]}},
    }
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}]
    async with cluster.running():
        code = "import time; open('/disk/main', 'w'); time.sleep(60)"
        await cluster.pod(code, pod={"volumes": volumes}, volumeMounts=mounts, lifecycle=lifecycle)

        async def told() -> str:
            return (await cluster.events()).get("FailedMount", ("", 0))[0]

        assert await until(told) == 'MountVolume.SetUp failed: persistentvolumeclaim "claim" is not bound yet'
        await cluster.client.patch(PVCS, "claim", "default", {"spec": {"volumeName": "pv"}})
        await cluster.ready()
        await until(lambda: (tmp_path / "disk" / "started").exists() and (tmp_path / "disk" / "main").exists())
        await cluster.client.delete(PODS, "web", "default")
        await until((tmp_path / "disk" / "stopped").exists)
