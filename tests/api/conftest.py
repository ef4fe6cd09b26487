"""One control plane for the whole run; each test works in a namespace of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.client import Api
from tests.api.cluster import Cluster
from tests.api.embedded import start_embedded
from tests.api.real import start_real

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The embedded control plane, or the real one when KUBEBUILDER_ASSETS names a folder with its binaries."""
    tmp = tmp_path_factory.mktemp("cluster")
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    with start_real(Path(assets), tmp) if assets else start_embedded(tmp) as running:
        yield running


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    """An administrator's connection."""
    with Api(cluster) as client:
        yield client


@pytest.fixture
def ns(api: Api) -> Iterator[str]:
    """A fresh namespace, asked to go away afterwards."""
    name = f"t{next(_numbers)}-{os.getpid()}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def pod_ns(api: Api, cluster: Cluster, ns: str) -> str:
    """A namespace that can hold pods: its default service account is there."""
    if cluster.controllers:
        api.wait(f"/api/v1/namespaces/{ns}/serviceaccounts/default", lambda account: account is not None)
    return ns


@pytest.fixture
def controllers(cluster: Cluster) -> None:
    """For tests of what controllers do: garbage collection, emptying namespaces."""
    if not cluster.controllers:
        pytest.skip("no kube-controller-manager in KUBEBUILDER_ASSETS")
