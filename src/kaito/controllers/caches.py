"""The informers that the Workspace controller reads, and which Workspace each change concerns."""

from collections.abc import Callable
from dataclasses import dataclass

from kaito.controllers.revision import NAME_LABEL
from kaito.kube import resources
from kaito.kube.client import Client, Object, Resource
from kaito.kube.informer import Informer, Key, key_of
from kaito.workloads.inference import WORKSPACE_LABEL

WORKSPACES = Resource("kaito.sh", "v1beta1", "workspaces", "Workspace", True)
OWNER = "owner"


@dataclass
class Caches:
    """One informer per kind."""

    workspaces: Informer
    stateful_sets: Informer
    services: Informer
    pods: Informer
    nodes: Informer
    config_maps: Informer
    revisions: Informer

    @classmethod
    def over(cls, client: Client) -> "Caches":
        return cls(
            workspaces=Informer(client, WORKSPACES),
            stateful_sets=Informer(client, resources.STATEFUL_SETS),
            services=Informer(client, resources.SERVICES),
            pods=Informer(
                client, resources.PODS, label_selector=WORKSPACE_LABEL, indexers={OWNER: _by(WORKSPACE_LABEL)}
            ),
            nodes=Informer(client, resources.NODES),
            config_maps=Informer(client, resources.CONFIG_MAPS),
            revisions=Informer(
                client, resources.CONTROLLER_REVISIONS, label_selector=NAME_LABEL, indexers={OWNER: _by(NAME_LABEL)}
            ),
        )

    def all(self) -> list[Informer]:
        return [
            self.workspaces,
            self.stateful_sets,
            self.services,
            self.pods,
            self.nodes,
            self.config_maps,
            self.revisions,
        ]

    def pods_of(self, key: Key) -> list[Object]:
        return self.pods.store.by_index(OWNER, "/".join(key))

    def revisions_of(self, ws: Object) -> list[Object]:
        """The Workspace's own history; one of an earlier object of the same name does not count."""
        uid = ws["metadata"]["uid"]
        found = self.revisions.store.by_index(OWNER, "/".join(key_of(ws)))
        return [one for one in found if any(ref["uid"] == uid for ref in one["metadata"].get("ownerReferences") or ())]

    def route(self, mark: Callable[[Key], None]) -> None:
        """Call ``mark`` with each Workspace that a change may concern."""

        def one(name_of: Callable[[Object], str | None]) -> Callable[[Object | None, Object | None], None]:
            def changed(old: Object | None, new: Object | None) -> None:
                for obj in (old, new):
                    name = name_of(obj) if obj is not None else None
                    if obj is not None and name:
                        mark((obj["metadata"].get("namespace", ""), name))

            return changed

        def config_changed(old: Object | None, new: Object | None) -> None:
            obj = new or old
            for ws in self.workspaces.store.list(obj["metadata"]["namespace"] if obj else None):
                if obj and (ws.get("inference") or {}).get("config") == obj["metadata"]["name"]:
                    mark(key_of(ws))

        def node_changed(old: Object | None, new: Object | None) -> None:
            if _node_facts(old) != _node_facts(new):
                for ws in self.workspaces.store.list():
                    mark(key_of(ws))

        self.workspaces.add_handler(one(lambda obj: obj["metadata"]["name"]))
        for informer in (self.stateful_sets, self.services):
            informer.add_handler(one(_owner_name))
        self.pods.add_handler(one(lambda obj: _label(obj, WORKSPACE_LABEL)))
        self.revisions.add_handler(one(lambda obj: _label(obj, NAME_LABEL)))
        self.config_maps.add_handler(config_changed)
        self.nodes.add_handler(node_changed)


def _label(obj: Object, key: str) -> str | None:
    return (obj["metadata"].get("labels") or {}).get(key)


def _by(label: str) -> Callable[[Object], list[str]]:
    def index(obj: Object) -> list[str]:
        name = _label(obj, label)
        return [f"{obj['metadata'].get('namespace', '')}/{name}"] if name else []

    return index


def _owner_name(obj: Object) -> str | None:
    for ref in obj["metadata"].get("ownerReferences") or ():
        if ref.get("kind") == "Workspace" and ref.get("controller"):
            return ref["name"]
    return None


def _node_facts(node: Object | None) -> object:
    """What of a node matters; its heartbeat does not."""
    if node is None:
        return None
    conditions = (node.get("status") or {}).get("conditions") or ()
    return (
        node["metadata"].get("labels"),
        node["metadata"].get("deletionTimestamp"),
        (node.get("status") or {}).get("capacity"),
        [(one["type"], one["status"]) for one in conditions],
    )
