"""A small kopf operator as a program of its own: it reacts, keeps its finalizer, and lets go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.client import Api
from tests.api.cluster import Cluster

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FINALIZER = "toys.example.com/kopf"
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
DEFINITION = {
    "metadata": {"name": "toys.kopf.example.com"},
    "spec": {
        "group": "kopf.example.com",
        "scope": "Namespaced",
        "names": {"plural": "toys", "singular": "toy", "kind": "Toy"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": OPEN, "status": OPEN}}},
            }
        ],
    },
}


@pytest.fixture
def operator(api: Api, cluster: Cluster, ns: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The operator, watching the test's namespace."""
    api.create(CRDS, DEFINITION)
    api.wait(
        f"{CRDS}/toys.kopf.example.com",
        lambda crd: any(
            one["type"] == "Established" and one["status"] == "True"
            for one in ((crd or {}).get("status") or {}).get("conditions") or ()
        ),
    )
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "kopf", "run", "--standalone", f"--namespace={ns}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(Path(__file__).with_name("kopf_operator.py"))], env=env, stdout=log, stderr=log
        )
    yield process
    process.terminate()
    process.wait(30)
    api.delete(f"{CRDS}/toys.kopf.example.com")


def test_an_operator_of_kopf_works_unchanged(
    api: Api, ns: str, operator: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    toys = f"/apis/kopf.example.com/v1/namespaces/{ns}/toys"
    api.create(toys, {"apiVersion": "kopf.example.com/v1", "kind": "Toy", "metadata": {"name": "car"},
                      "spec": {"wheels": 4}})  # fmt: skip

    def status(found: dict[str, object] | None) -> dict[str, object]:
        return (found or {}).get("status") or {}

    seen = api.wait(f"{toys}/car", lambda found: status(found).get("made") == {"wheels": 8})
    assert seen is not None
    assert seen["metadata"]["finalizers"] == [FINALIZER]
    api.patch(f"{toys}/car", {"spec": {"wheels": 3}})
    api.wait(f"{toys}/car", lambda found: status(found).get("change") == "4 to 3")
    api.delete(f"{toys}/car")
    api.wait(f"{toys}/car", lambda found: found is None)
    assert operator.poll() is None, (tmp_path / "log").read_text()
    assert f"let go of {ns}/car" in (tmp_path / "log").read_text()
