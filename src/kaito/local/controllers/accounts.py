"""What every namespace has: the ServiceAccount `default`, and the cluster's CA for the pods in it."""

from kaito.kube import errors
from kaito.kube.informer import Key
from kaito.kube.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from kaito.local.controllers import podstate
from kaito.local.controllers.cluster import Add, Cluster

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
NOTE = "kubernetes.io/description"
NOTE_TEXT = "Contains a CA bundle that can be used to verify the kube-apiserver."


class Accounts:
    """Reconciles one Namespace's standard contents at a time. ``root_ca`` is PEM; empty leaves the ConfigMap out."""

    name = "serviceaccount"

    def __init__(self, cluster: Cluster, *, root_ca: str = "") -> None:
        self._cluster = cluster
        self._root_ca = root_ca

    def wire(self, add: Add) -> None:
        cluster = self._cluster
        cluster.on_change(NAMESPACES, lambda key: add(("", key[1])))

        def changed(key: Key) -> None:
            if key[1] in (ACCOUNT, ROOT_CA):
                add(("", key[0]))

        cluster.on_change(SERVICE_ACCOUNTS, changed)
        if self._root_ca:
            cluster.on_change(CONFIG_MAPS, changed)

    async def reconcile(self, key: Key) -> None:
        namespace = self._cluster.get(NAMESPACES, key)
        if namespace is None or podstate.is_terminating(namespace):
            return
        name = key[1]
        try:
            if self._cluster.get(SERVICE_ACCOUNTS, (name, ACCOUNT)) is None:
                account = {"metadata": {"name": ACCOUNT, "namespace": name}}
                await self._cluster.create(SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", **account})
            if self._root_ca:
                await self._certificate(name)
        except errors.AlreadyExists:
            return
        except errors.Forbidden as exc:
            if "being terminated" not in exc.message:
                raise

    async def _certificate(self, namespace: str) -> None:
        data = {"ca.crt": self._root_ca}
        there = self._cluster.get(CONFIG_MAPS, (namespace, ROOT_CA))
        if there is None:
            meta = {"name": ROOT_CA, "namespace": namespace, "annotations": {NOTE: NOTE_TEXT}}
            await self._cluster.create(
                CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
            )
        elif there.get("data") != data:
            await self._cluster.replace(CONFIG_MAPS, {**there, "data": data})
