"""Every kind's rules as an API server meets them: the webhook server over TLS, with what it knows of the cluster."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kaito.api.crds import all_crds, with_webhook
from kaito.api.kinds import KINDS
from kaito.api.webhooks import CONVERT_PATH, EXCLUDE, configurations
from kaito.controllers.admission import Serve, start
from kaito.controllers.admission_facts import ClusterFacts, FactSettings
from kaito.kube import config
from kaito.kube.client import Client
from tests.api.client import Api, Object
from tests.api.cluster import Cluster
from tests.api.kaito_kinds import path, until_served
from tests.api.webhook import certificate
from tests.unit.api.rules.writes import deep

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
SELECTOR = {"matchLabels": {"apps": "demo"}}
PRESET = {"preset": {"name": "kaito-demo"}}
SPECS: dict[str, Object] = {
    "InferenceSet": {"labelSelector": SELECTOR, "template": {"inference": PRESET}},
    "RAGEngine": {"embedding": {"local": {"modelID": "a/b"}}},
    "MultiRoleInference": {
        "labelSelector": SELECTOR,
        "model": {"name": "kaito-demo"},
        "roles": [{"type": "prefill"}, {"type": "decode"}],
    },
    "ModelMirror": {
        "source": {"registry": "huggingface", "modelID": "a/b"},
        "storage": {"size": "1Gi", "storageClassName": "kaito-test"},
        "jobNamespace": "team",
    },
}
BAD: dict[str, tuple[Object, str]] = {
    "InferenceSet": (
        {"autoUpgrade": {"maintenanceWindow": {"schedule": "at night"}}},
        "spec.autoUpgrade.maintenanceWindow.schedule: 'at night' has 2 fields",
    ),
    "RAGEngine": (
        {"guardrails": {"enabled": True, "configMapRef": {"name": "gone"}}},
        "spec.guardrails.configMapRef.name: 'gone' is no ConfigMap in namespace",
    ),
    "MultiRoleInference": (
        {"model": {"name": "kaito-dmo"}},
        "spec.model.name: 'kaito-dmo' is not in the catalogue: did you mean kaito-demo?",
    ),
    "ModelMirror": (
        {"storage": {"storageClassName": "gone"}},
        "spec.storage.storageClassName: 'gone' is no StorageClass of this cluster",
    ),
}
WRITTEN = [(kind, version) for kind in SPECS for version in KINDS[kind].versions]
BROKEN_SET = {"template": {"inference": {"preset": {"name": "a/b/c"}}}}


@contextmanager
def webhook(cluster: Cluster, tmp: Path) -> Iterator[Callable[[str], Object]]:
    """Our own server in a thread, as `kaito up` starts it; gives the clientConfig for a path."""
    pem = certificate(tmp)
    started, loop, where = threading.Event(), asyncio.new_event_loop(), []
    ending = asyncio.Event()

    async def serve() -> None:
        transport = config.load(cluster.kubeconfig).transport()
        facts = ClusterFacts(Client(transport), FactSettings("local", release_namespace=""))
        runner = await start(Serve("127.0.0.1", 0, pem, pem), facts)
        where.append(runner.addresses[0][1])
        started.set()
        await ending.wait()
        await runner.cleanup()
        await transport.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(10)
    bundle = base64.b64encode(pem.read_bytes().split(b"-----BEGIN EC")[0]).decode()
    try:
        yield lambda path: {"url": f"https://127.0.0.1:{where[0]}{path}", "caBundle": bundle}
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module", autouse=True)
def judged(api: Api, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All definitions, served, and every write judged."""
    with webhook(cluster, tmp_path_factory.mktemp("hook")) as client:
        crds = [with_webhook(crd, client(CONVERT_PATH)) for crd in all_crds()]
        for crd in crds:
            api.create(CRDS, crd)
        for crd in crds:
            for version in crd["spec"]["versions"]:
                until_served(api, f"/apis/kaito.sh/{version['name']}/{crd['spec']['names']['plural']}")
        made = {"metadata": {"name": "kaito-test"}, "provisioner": "example.com/none"}
        api.create(CLASSES, made)
        hooks = [api.create(HOOKS, one) for one in configurations(client)]
        until_asked(api)
        yield
        for one in hooks:
            api.delete(f"{HOOKS}/{one['metadata']['name']}")
        api.delete(f"{CLASSES}/kaito-test")
        for crd in crds:
            api.delete(f"{CRDS}/{crd['metadata']['name']}")
            api.wait(f"{CRDS}/{crd['metadata']['name']}", lambda found: found is None)


def until_asked(api: Api) -> None:
    """A real server follows the registrations, and needs a moment."""
    wrong = manifest("InferenceSet", "v1beta1", "probe", **BROKEN_SET)
    for _ in range(500):
        if api.request("POST", path("InferenceSet", "v1beta1", "default"), wrong, dryRun="All").status_code == 400:
            return
    raise AssertionError("the webhook is not asked")


def manifest(kind: str, version: str, name: str, **spec: Any) -> Object:
    head = {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": {"name": name}}
    return {**head, "spec": deep(SPECS[kind], spec)}


@pytest.mark.parametrize(("kind", "version"), [(kind, KINDS[kind].stored) for kind in SPECS if KINDS[kind].namespaced])
def test_what_was_stored_before_can_be_changed_and_deleted(api: Api, ns: str, kind: str, version: str) -> None:
    """Broken objects get in where nobody judges: in a namespace that is left out."""
    where = path(kind, version, ns, ns)
    obj = manifest(kind, version, ns, **BAD[kind][0])
    obj["metadata"]["finalizers"] = ["kaito.sh/test"]
    create_unjudged(api, ns, obj)
    api.patch(f"{where}/status", {"status": {"conditions": []}})
    api.patch(where, {"metadata": {"labels": {"a": "b"}}})
    api.delete(where)
    api.patch(where, {"metadata": {"finalizers": None}})
    api.wait(where, lambda found: found is None)


def create_unjudged(api: Api, ns: str, obj: Object) -> None:
    """Store what would be refused, by way of the label that leaves a namespace out; a real server needs a moment."""
    place = f"/api/v1/namespaces/{ns}"
    collection = path(obj["kind"], obj["apiVersion"].rpartition("/")[2], ns)
    api.patch(place, {"metadata": {"labels": {EXCLUDE: "true"}}})
    for _ in range(500):
        if api.request("POST", collection, obj).status_code == 201:
            break
    api.patch(place, {"metadata": {"labels": {EXCLUDE: None}}})
    for _ in range(500):
        if api.request("POST", collection, obj, dryRun="All").status_code == 400:
            return
    raise AssertionError(f"namespace {ns} is not judged again")


@pytest.mark.parametrize(("kind", "version"), WRITTEN)
@pytest.mark.parametrize("dry", [False, True], ids=["written", "dry-run"])
def test_a_bad_object_is_refused_and_a_good_one_passes(api: Api, ns: str, kind: str, version: str, dry: bool) -> None:
    changes, says = BAD[kind]
    options = {"dryRun": "All"} if dry else {}
    if kind == "RAGEngine" and version == "v1alpha1":
        changes, says = {"embedding": {"local": {"image": "x:1"}}}, "spec.embedding.local: needs exactly one of"
    where = path(kind, version, ns)
    status = api.refused("POST", where, manifest(kind, version, ns, **changes), code=400, **options)
    assert f'admission webhook "validation.{kind.lower()}.kaito.sh" denied the request' in status["message"]
    assert f"validation failed: {says}" in status["message"]
    api.create(where, manifest(kind, version, ns), **options)
    assert api.request("GET", f"{where}/{ns}").status_code == (404 if dry else 200)
    if not dry:
        api.delete(f"{where}/{ns}")


def test_scaling_a_broken_set_is_not_judged_again(api: Api, cluster: Cluster, ns: str, tmp_path: Path) -> None:
    where = path("InferenceSet", "v1beta1", ns, "a")
    create_unjudged(api, ns, manifest("InferenceSet", "v1beta1", "a", **BROKEN_SET))
    words = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--namespace={ns}", f"--cache-dir={tmp_path}", "scale"]
    done = subprocess.run([*words, "inferenceset/a", "--replicas=3"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert api.get(where)["spec"]["replicas"] == 3
    api.patch(where, {"spec": {"replicas": 0}})
    status = api.refused(
        "PATCH", where, {"spec": {"template": {"inference": {"config": "x"}}}}, code=400,
        headers={"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    assert "spec.template.inference.preset.name: 'a/b/c' is not a Hugging Face id" in status["message"]
    api.delete(where)


def test_a_mirror_stays_as_it_is(api: Api, ns: str) -> None:
    where = path("ModelMirror", "v1alpha1", ns, ns)
    api.create(path("ModelMirror", "v1alpha1", ns), manifest("ModelMirror", "v1alpha1", ns))
    patch = {"Content-Type": "application/merge-patch+json"}
    answer = api.request("PATCH", where, {"spec": None}, headers=patch)
    assert answer.status_code in (400, 422)
    assert "cannot be changed" in answer.json()["message"]
    api.delete(where)
