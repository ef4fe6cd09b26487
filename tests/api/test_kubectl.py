"""kubectl, as people type it; what it prints is what a cluster would have it print."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.client import Api
from tests.api.cluster import Cluster
from tests.api.objects import config_map, config_maps, deployment, deployments, pod, pods

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: demo}}
data: {x: "1"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, labels: {app: demo}}
spec:
  replicas: 0
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec: {schedulerName: nobody, containers: [{name: main, image: "example/image:1"}]}
"""


@pytest.fixture
def kubectl(cluster: Cluster, ns: str, tmp_path: Path) -> Kubectl:
    """Runs kubectl in the test's namespace; an exit code other than ``code`` fails the test."""
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path), "KUBECACHEDIR": str(tmp_path)}

    def run(*words: str, text: str = "", code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", f"--namespace={ns}", *words]
        answer = subprocess.run(
            command, env=env | more, input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert answer.returncode == code, f"{words}: {answer.returncode}: {answer.stdout}{answer.stderr}"
        return answer

    return run


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without the ages."""
    return [[cell for cell in re.split(r" {2,}", line.strip()) if not re.fullmatch(r"\d+[smh](\d+s)?", cell)]
            for line in text.splitlines()]  # fmt: skip


def test_apply_says_what_it_did(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", text=MANIFEST).stdout.split("\n")[:2] == [
        "configmap/a created",
        "deployment.apps/a created",
    ]
    assert kubectl("apply", "-f", "-", text=MANIFEST).stdout.split("\n")[:2] == [
        "configmap/a unchanged",
        "deployment.apps/a unchanged",
    ]
    changed = MANIFEST.replace('x: "1"', 'w: "2"')
    shown = kubectl("diff", "-f", "-", text=changed, code=1).stdout
    assert '-  x: "1"' in shown.splitlines()
    assert '+  w: "2"' in shown.splitlines()
    assert kubectl("apply", "-f", "-", text=changed).stdout.split("\n")[0] == "configmap/a configured"
    assert json.loads(kubectl("get", "cm", "a", "-o", "json").stdout)["data"] == {"w": "2"}, "what left is gone"


def test_server_side_apply_tells_conflicts(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", text=MANIFEST)
    refused = kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", text=MANIFEST.replace('"1"', '"2"'), code=1
    )
    assert 'Apply failed with 1 conflict: conflict with "one": .data.x' in refused.stderr
    kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-",
            text=MANIFEST.replace('"1"', '"2"'))  # fmt: skip
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.x}").stdout == "2"


def test_get_in_all_its_forms(api: Api, ns: str, kubectl: Kubectl) -> None:
    api.create(deployments(ns), deployment("web"))
    plain = rows(kubectl("get", "deployments").stdout)
    assert plain == [["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"], ["web", "0/0", "0", "0"]]
    wide = rows(kubectl("get", "deploy", "-o", "wide").stdout)
    assert wide[0][-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1][-3:] == ["main", "example/image:1", "app=web"]
    assert kubectl("get", "deploy", "web", "-o", "name").stdout == "deployment.apps/web\n"
    assert "  replicas: 0\n" in kubectl("get", "deploy", "web", "-o", "yaml").stdout
    columns = "custom-columns=N:.metadata.name,I:.spec.template.spec.containers[*].image"
    assert rows(kubectl("get", "deploy", "-o", columns).stdout) == [["N", "I"], ["web", "example/image:1"]]
    assert kubectl("get", "deploy", "-l", "app=none").stderr == f"No resources found in {ns} namespace.\n"
    assert "not found" in kubectl("get", "deploy", "nope", code=1).stderr
    assert "the server doesn't have a resource type" in kubectl("get", "nonsense", code=1).stderr


def test_get_watch_prints_changes_as_they_come(
    api: Api, cluster: Cluster, ns: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    api.create(config_maps(ns), config_map("first", labels={"mine": "1"}))
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    command = ["kubectl", f"--namespace={ns}", "get", "cm", "-w", "--no-headers", "--output-watch-events",
               "--selector=mine=1"]  # fmt: skip
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[:2] == ["ADDED", "first"]
        api.create(config_maps(ns), config_map("second", {"k": "v"}, labels={"mine": "1"}))
        assert process.stdout.readline().split()[:3] == ["ADDED", "second", "1"]
        api.delete(f"{config_maps(ns)}/first")
        assert process.stdout.readline().split()[:2] == ["DELETED", "first"]
        process.terminate()


def test_create_label_annotate_and_set(kubectl: Kubectl) -> None:
    assert kubectl("create", "configmap", "a", "--from-literal=x=1").stdout == "configmap/a created\n"
    assert "already exists" in kubectl("create", "configmap", "a", code=1).stderr
    assert kubectl("create", "secret", "generic", "s", "--from-literal=k=v").stdout == "secret/s created\n"
    made = kubectl("create", "deployment", "web", "--image=example/image:1", "--replicas=0")
    assert made.stdout == "deployment.apps/web created\n"
    assert kubectl("label", "cm", "a", "side=left").stdout == "configmap/a labeled\n"
    assert kubectl("annotate", "cm", "a", "note=yes").stdout == "configmap/a annotated\n"
    assert kubectl("set", "image", "deploy/web", "image=example/image:2").stdout == (
        "deployment.apps/web image updated\n"
    )
    assert kubectl("get", "cm", "-l", "side=left", "-o", "name").stdout == "configmap/a\n"
    assert kubectl("label", "cm", "a", "side-").stdout == "configmap/a unlabeled\n"


def test_describe_tells_the_object_and_its_events(api: Api, ns: str, kubectl: Kubectl) -> None:
    made = api.create(deployments(ns), deployment("web"))
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": ns,
             "uid": made["metadata"]["uid"]}  # fmt: skip
    api.create(f"/api/v1/namespaces/{ns}/events", {
        "metadata": {"name": "web.1"}, "involvedObject": about, "reason": "Noticed", "message": "it is there",
        "type": "Normal", "source": {"component": "a test"},
    })  # fmt: skip
    told = kubectl("describe", "deployment", "web").stdout
    assert re.search(r"^Name: +web$", told, re.MULTILINE)
    assert re.search(r"^Selector: +app=web$", told, re.MULTILINE)
    assert re.search(r"Normal +Noticed .*a test +it is there", told)


def test_edit_and_patch_change_the_object(api: Api, ns: str, kubectl: Kubectl, tmp_path: Path) -> None:
    api.create(config_maps(ns), config_map("a", {"x": "1"}))
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/x: "1"/x: "edited"/\' "$1"\n')
    editor.chmod(0o755)
    assert kubectl("edit", "cm", "a", KUBE_EDITOR=str(editor)).stdout == "configmap/a edited\n"
    assert kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data": {"y": "2"}}').stdout == "configmap/a patched\n"
    patch = '[{"op": "remove", "path": "/data/x"}]'
    kubectl("patch", "cm", "a", "--type=json", "-p", patch)
    assert api.get(f"{config_maps(ns)}/a")["data"] == {"y": "2"}
    kubectl("replace", "-f", "-", text=json.dumps(config_map("a", {"z": "3"})))
    assert api.get(f"{config_maps(ns)}/a")["data"] == {"z": "3"}


def test_scale_wait_and_delete(api: Api, pod_ns: str, kubectl: Kubectl) -> None:
    api.create(deployments(pod_ns), deployment("web"))
    assert kubectl("scale", "deploy/web", "--replicas=3").stdout == "deployment.apps/web scaled\n"
    assert api.get(f"{deployments(pod_ns)}/web")["spec"]["replicas"] == 3
    api.create(pods(pod_ns), pod("p"))
    status = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    api.patch(f"{pods(pod_ns)}/p/status", {"status": status})
    assert kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=20s").stdout == "pod/p condition met\n"
    assert kubectl("delete", "pod", "p", "--force", "--grace-period=0").stdout.startswith('pod "p" force deleted')
    kubectl("wait", "pod/p", "--for=delete", "--timeout=20s")
    assert kubectl("delete", "deploy", "web", "--cascade=orphan").stdout.startswith('deployment.apps "web" deleted')


def test_a_rollout_is_told_from_its_status(api: Api, pod_ns: str, controllers: None, kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=example/image:1", "--replicas=0")
    done = kubectl("rollout", "status", "deployment/web", "--timeout=20s").stdout
    assert done.endswith('deployment "web" successfully rolled out\n')
    kubectl("set", "image", "deployment/web", "image=example/image:2")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    history = kubectl("rollout", "history", "deployment/web").stdout
    assert [line.split()[0] for line in history.splitlines()[2:] if line.strip()] == ["1", "2"]
    assert kubectl("rollout", "undo", "deployment/web").stdout == "deployment.apps/web rolled back\n"
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deploy", "web", "-o", image).stdout == "example/image:1"


def test_explain_and_api_resources_know_the_kinds(kubectl: Kubectl) -> None:
    told = kubectl("explain", "deployment.spec.replicas").stdout
    assert re.search(r"GROUP: +apps\nKIND: +Deployment\nVERSION: +v1", told)
    assert "FIELD: replicas <integer>" in told
    assert "Number of desired pods" in told
    assert 'field "nope" does not exist' in kubectl("explain", "pod.spec.nope", code=1).stderr
    listed = rows(kubectl("api-resources", "--api-group=apps", "--no-headers").stdout)
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in listed
    assert "apps/v1" in kubectl("api-versions").stdout.split()


def test_a_dry_run_on_the_server_answers_and_stores_nothing(kubectl: Kubectl) -> None:
    shown = kubectl("apply", "--dry-run=server", "-f", "-", text=MANIFEST).stdout
    assert shown.split("\n")[0] == "configmap/a created (server dry run)"
    assert kubectl("get", "cm", "a", "--ignore-not-found").stdout == ""


def test_an_unknown_field_is_refused_with_its_path(kubectl: Kubectl) -> None:
    text = MANIFEST.replace("replicas: 0", "replicsa: 0")
    refused = kubectl("apply", "-f", "-", text=text, code=1).stderr
    assert 'strict decoding error: unknown field "spec.replicsa"' in refused
