"""How the API server is told of our webhooks: a ValidatingWebhookConfiguration for each kind, as in KAITO v0.12.

Creates and updates are judged, and refused while nobody is there to judge them. A deletion is shown too, for its
warnings, but never waits for a webhook that is not there: `failurePolicy: Ignore`. Status writes are not shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kaito.api import keys
from kaito.api.kinds import KINDS, KindInfo

Object = dict[str, Any]
Client = Callable[[str], Object]
CONVERT_PATH: Final = "/convert"
NAMESPACE: Final = "kaito-workspace"
SERVICE: Final = "kaito-workspace"
PORT: Final = 9443
EXCLUDE: Final = "webhooks.knative.dev/exclude"
"""A namespace with this label is left alone, as in KAITO v0.12."""


@dataclass(frozen=True)
class Service:
    """The service of a cluster behind which the webhook listens."""

    namespace: str = NAMESPACE
    name: str = SERVICE
    port: int = PORT

    def __call__(self, path: str) -> Object:
        """The clientConfig for a path; its caBundle is filled by the operator."""
        return {"service": {"namespace": self.namespace, "name": self.name, "port": self.port, "path": path}}


def validate_path(info: KindInfo) -> str:
    return f"/validate/{info.kind.lower()}.{keys.GROUP}"


def configuration_name(info: KindInfo) -> str:
    return f"validation.{info.kind.lower()}.{keys.GROUP}"


def configurations(client: Client) -> list[Object]:
    """One ValidatingWebhookConfiguration for each kind; ``client`` gives the clientConfig for a path."""
    return [_configuration(info, client) for info in KINDS.values()]


def _configuration(info: KindInfo, client: Client) -> Object:
    name = configuration_name(info)
    deletion = name.replace("validation.", "deletion.", 1)
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            _webhook(info, client, name, ["CREATE", "UPDATE"], failure="Fail", seconds=10),
            _webhook(info, client, deletion, ["DELETE"], failure="Ignore", seconds=5),
        ],
    }


def _webhook(info: KindInfo, client: Client, name: str, operations: list[str], *, failure: str, seconds: int) -> Object:
    rule = {
        "apiGroups": [keys.GROUP],
        "apiVersions": list(info.versions),
        "operations": operations,
        "resources": [info.plural],
        "scope": "Namespaced" if info.namespaced else "Cluster",
    }
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client(validate_path(info)),
        "rules": [rule],
        "failurePolicy": failure,
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": seconds,
        "namespaceSelector": {"matchExpressions": [{"key": EXCLUDE, "operator": "DoesNotExist"}]},
    }
