"""What a test knows of the control plane under test, and nothing more: how to reach it."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Cluster:
    """A running control plane: the embedded one, or etcd with kube-apiserver."""

    kubeconfig: Path
    url: str
    token: str
    ca: Path
    kind: Literal["embedded", "real"]
    # Whether namespaces are emptied, owners' dependents collected and service accounts made.
    controllers: bool = True

    def tls(self) -> ssl.SSLContext:
        """Trust for this API server alone."""
        return ssl.create_default_context(cafile=str(self.ca))


def write_kubeconfig(path: Path, url: str, token: str, ca: Path) -> Path:
    """One cluster, one user with a bearer token, one context; JSON is YAML."""
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin", "namespace": "default"}}],
    }
    path.write_text(json.dumps(body))
    return path
