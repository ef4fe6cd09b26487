"""Helm's own engine: a small chart is installed, upgraded, rolled back and taken away."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from helm_python import Config, HelmError

from tests.api.client import Api
from tests.api.cluster import Cluster
from tests.api.objects import config_maps, deployments

FILES = {
    "Chart.yaml": "apiVersion: v2\nname: small\nversion: 0.1.0\nappVersion: '1'\n",
    "values.yaml": "greeting: hello\nreplicas: 0\nextra: false\n",
    "crds/gadgets.yaml": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.helm.example.com}
spec:
  group: helm.example.com
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object,
     properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}
""",
    "templates/config.yaml": """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-config
  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}
data:
  greeting: {{ .Values.greeting | quote }}
  seen: {{ (lookup "v1" "Namespace" "" "default").metadata.name | default "nothing" | quote }}
""",
    "templates/deployment.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {schedulerName: nobody, containers: [{name: main, image: "example/image:1"}]}
""",
    "templates/gadget.yaml": """
apiVersion: helm.example.com/v1
kind: Gadget
metadata: {name: {{ .Release.Name }}}
spec: {size: 3}
""",
    "templates/extra.yaml": """
{{- if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-extra}
{{- end }}
""",
}


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def helm(cluster: Cluster, ns: str) -> Iterator[Config]:
    with Config(kubeconfig_path=cluster.kubeconfig, namespace=ns) as config:
        yield config


def _release(api: Api, ns: str, revision: int) -> dict[str, object]:
    """What Helm keeps of a revision in its Secret."""
    secret = api.get(f"/api/v1/namespaces/{ns}/secrets/sh.helm.release.v1.demo.v{revision}")
    assert secret["type"] == "helm.sh/release.v1"
    return json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))


def test_a_chart_goes_through_its_life(api: Api, ns: str, helm: Config, chart: Path) -> None:
    helm.install(chart, "demo", {"greeting": "one"})
    made = api.get(f"{config_maps(ns)}/demo-config")
    assert made["data"] == {"greeting": "one", "seen": "default"}
    assert made["metadata"]["annotations"]["meta.helm.sh/release-name"] == "demo"
    assert api.get(f"{deployments(ns)}/demo")["spec"]["replicas"] == 0
    assert api.get(f"/apis/helm.example.com/v1/namespaces/{ns}/gadgets/demo")["spec"] == {"size": 3}
    assert _release(api, ns, 1)["info"]["status"] == "deployed"

    helm.upgrade(chart, "demo", {"greeting": "two", "extra": True, "replicas": 2})
    changed = api.get(f"{config_maps(ns)}/demo-config")
    assert changed["data"]["greeting"] == "two"
    assert changed["metadata"]["uid"] == made["metadata"]["uid"], "changed in place, not made anew"
    assert api.get(f"{deployments(ns)}/demo")["spec"]["replicas"] == 2
    assert api.get(f"{config_maps(ns)}/demo-extra")["metadata"]["name"] == "demo-extra"
    assert _release(api, ns, 1)["info"]["status"] == "superseded"

    helm.rollback("demo", version=1)
    assert api.get(f"{config_maps(ns)}/demo-config")["data"]["greeting"] == "one"
    assert api.request("GET", f"{config_maps(ns)}/demo-extra").status_code == 404
    assert [one["version"] for one in (_release(api, ns, n) for n in (1, 2, 3))] == [1, 2, 3]

    helm.uninstall("demo")
    for path in (f"{config_maps(ns)}/demo-config", f"/apis/helm.example.com/v1/namespaces/{ns}/gadgets/demo"):
        assert api.wait(path, lambda found: found is None) is None
    assert api.get(f"/api/v1/namespaces/{ns}/secrets", labelSelector="owner=helm")["items"] == []


def test_what_is_there_already_is_not_taken_over(api: Api, ns: str, helm: Config, chart: Path) -> None:
    api.create(config_maps(ns), {"metadata": {"name": "demo-config"}, "data": {"mine": "1"}})
    with pytest.raises(HelmError, match="exists and cannot be imported into the current release"):
        helm.install(chart, "demo")
    assert api.get(f"{config_maps(ns)}/demo-config")["data"] == {"mine": "1"}


def test_a_dry_run_on_the_server_stores_nothing(api: Api, ns: str, helm: Config, chart: Path) -> None:
    shown = helm.install(chart, "demo", {"greeting": "dry"}, dry_run="server")
    assert 'greeting: "dry"' in shown["manifest"]
    assert 'seen: "default"' in shown["manifest"], "lookup asks the server"
    assert api.request("GET", f"{config_maps(ns)}/demo-config").status_code == 404
