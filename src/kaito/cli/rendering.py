"""From a manifest to what the operator applies for it, by the operator's own functions: resolver, builders, revisions.

What only an API server gives is left open: a Workspace without a uid owns nothing yet.
"""

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from kaito.api.conversion import convert
from kaito.api.crds import workspace_crd
from kaito.api.errors import SpecError, SpecErrors
from kaito.capacity.host import this_host
from kaito.capacity.machines import Machine, instance_types
from kaito.cli import hubs
from kaito.cli.errors import NOT_FOUND, NOT_READY, REFUSED, CliError
from kaito.cli.machine import by_type
from kaito.controllers import admission, revision
from kaito.controllers.reasons import Reason, Trouble, config_missing
from kaito.controllers.resolver import TOKEN_KEY, Resolver
from kaito.local.schema import crd
from kaito.models.catalogue import UnknownModelError
from kaito.workloads.inference import REVISION_ANNOTATION, UnservableError, WorkloadSettings, inference_objects

Object = dict[str, Any]
LOCAL_IMAGE = "kaito.local/engine:installed"


@dataclass(frozen=True)
class Target:
    """Where the objects are meant for. ``host`` measures this machine; None plans for the instance type."""

    settings: WorkloadSettings
    host: Callable[[], Machine] | None = this_host
    instance_type: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The Workspaces of some files, and the ConfigMaps and Secrets beside them, by namespace and name."""

    workspaces: Sequence[Object]
    config_maps: Mapping[tuple[str, str], Object] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], Object] = field(default_factory=dict)

    @classmethod
    def of(cls, objects: Sequence[Object], *, namespace: str) -> Self:
        """The objects, each with its namespace and defaults as a server would store it. Raises CliError."""
        placed = [{**one, "metadata": {"namespace": namespace} | (one.get("metadata") or {})} for one in objects]
        workspaces = [stored(one) for one in placed if one["kind"] == "Workspace"]
        if not workspaces:
            kinds = ", ".join(sorted({one["kind"] for one in placed}))
            raise CliError(f"no Workspace is in the given files (found: {kinds}): there is nothing to render")
        return cls(workspaces, _by_place(placed, "ConfigMap"), _by_place(placed, "Secret"))

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """A Secret's values; $HF_TOKEN stands for one that is not in the files."""
        found = self.secrets.get((namespace, name))
        if found is not None:
            data = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
            return data | (found.get("stringData") or {})
        token = os.environ.get(TOKEN_KEY)
        return {TOKEN_KEY: token} if token else None


def stored(ws: Object) -> Object:
    """A Workspace as a server would keep it: admitted, with defaults, in the stored version. Raises CliError."""
    refusal = admission.check({"operation": "CREATE", "object": ws})
    if refusal is not None:
        raise CliError(f"workspace/{ws['metadata'].get('name', '')}: {refusal}", REFUSED)
    compiled = crd.compile(workspace_crd())
    version = ws["apiVersion"].rpartition("/")[2]
    compiled.versions[version].default(ws)
    return convert(ws, compiled.storage.type.version, instance_type=None)


def target(ws: Object, *, instance_type: str | None, image: str | None) -> Target:
    """This host, or machines of a type: the option's, else the Workspace's own."""
    asked = instance_type or (ws.get("resource") or {}).get("instanceType")
    if asked:
        kind = by_type(asked).machine.name
        settings = WorkloadSettings(image=image or LOCAL_IMAGE, azure=kind in instance_types("azure"))
        return Target(settings, host=None, instance_type=kind)
    return Target(WorkloadSettings(image=image or LOCAL_IMAGE, kv_events=False, single_node=True))


async def objects(ws: Object, manifest: Manifest, where: Target) -> list[Object]:
    """What the operator creates and applies for one Workspace, in its order. Raises CliError."""
    try:
        return await _objects(ws, manifest, where)
    except (SpecError, SpecErrors, UnservableError) as exc:
        code = NOT_FOUND if isinstance(exc.__cause__, UnknownModelError) else NOT_READY
        raise CliError(f"workspace/{ws['metadata']['name']}: {exc}", code) from exc
    except Trouble as exc:
        code = NOT_FOUND if exc.reason is Reason.CONFIG_MISSING else NOT_READY
        raise CliError(f"workspace/{ws['metadata']['name']}: {exc}", code) from exc


async def _objects(ws: Object, manifest: Manifest, where: Target) -> list[Object]:
    meta = ws["metadata"]
    if ws.get("inference") is None:
        raise SpecError("tuning", None, "has no objects of its own in this release: give a Workspace with inference")
    owned = ws if meta.get("uid") else {**ws, "metadata": meta | {"uid": ""}}
    config = _config(ws, manifest)
    serving, replicas = None, (ws.get("resource") or {}).get("count") or 1
    if ws["inference"].get("template") is None:
        serving = await _resolver(manifest, where)(_on(ws, where), [], config)
        replicas = max(1, serving.nodes)
    number = (meta.get("annotations") or {}).get(REVISION_ANNOTATION, "1")
    made = [
        one.to_dict() for one in inference_objects(owned, serving, where.settings, replicas=replicas, revision=number)
    ]
    history = revision.new_revision(owned, [], revision.spec_hash(ws, config)) | {"revision": int(number)}
    stateful_set, *services = made
    found = [history, *services, stateful_set]
    if not meta.get("uid"):
        for one in found:
            del one["metadata"]["ownerReferences"]
    return [{key: one[key] for key in ("apiVersion", "kind", "metadata")} | one for one in found]


def _resolver(manifest: Manifest, where: Target) -> Resolver:
    return Resolver(where.host, secrets=manifest.secret, hub_settings=hubs.settings())


def _on(ws: Object, where: Target) -> Object:
    """The Workspace as the planner is asked about it; only the machine may differ from what is written."""
    if where.instance_type is None:
        return ws
    return {**ws, "resource": {**(ws.get("resource") or {}), "instanceType": where.instance_type}}


def _config(ws: Object, manifest: Manifest) -> Object | None:
    name, namespace = ws["inference"].get("config"), ws["metadata"]["namespace"]
    if not name:
        return None
    found = manifest.config_maps.get((namespace, name))
    if found is None:
        raise config_missing(name, namespace)
    return found


def _by_place(objects: Sequence[Object], kind: str) -> dict[tuple[str, str], Object]:
    found = [one for one in objects if one["kind"] == kind and one["apiVersion"] == "v1"]
    return {(one["metadata"]["namespace"], one["metadata"].get("name", "")): one for one in found}
