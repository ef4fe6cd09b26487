"""The hash of what a Workspace asks for, and its history as ControllerRevisions. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from kaito.api import keys
from kaito.workloads.inference import owner

Object = Mapping[str, Any]

HASH_ANNOTATION = keys.HASH
NAME_LABEL = keys.REVISION_OWNER
HISTORY = 10
NAME_DIGITS = 10
INFERENCE_ANNOTATIONS = (
    "kaito.sh/disable-benchmark",
    "kaito.sh/model-streaming",
    "kaito.sh/performance-mode",
    "kaito.sh/runtime",
    "kaito.sh/use-local-weights",
)


def content(ws: Object) -> dict[str, Any]:
    """The part of the Workspace that a revision records."""
    return {key: ws.get(key) for key in ("inference", "resource", "tuning")}


def config_digest(config: Object | None) -> str:
    """The digest of a ConfigMap's contents; empty without one."""
    if config is None:
        return ""
    return _sha(json.dumps([config.get("data"), config.get("binaryData")], sort_keys=True))


def spec_hash(ws: Object, config: Object | None) -> str:
    """SHA-256 in hex over everything that must roll the workload when it changes.

    ``config`` is the ConfigMap that ``inference.config`` names.
    """
    annotations = ws["metadata"].get("annotations") or {}
    relevant = {key: annotations[key] for key in INFERENCE_ANNOTATIONS if key in annotations}
    return _sha(json.dumps([content(ws), relevant, config_digest(config)], sort_keys=True))


def find(revisions: Sequence[Object], digest: str) -> Object | None:
    """The recorded revision of this hash. Found by annotation, so older, shorter names are read too."""
    for one in revisions:
        if (one["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == digest:
            return one
    return None


def new_revision(ws: Object, revisions: Sequence[Object], digest: str) -> dict[str, Any]:
    """The ControllerRevision to create; numbers go up by one."""
    meta = ws["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{meta['name']}-{digest[:NAME_DIGITS]}",
            "namespace": meta["namespace"],
            "labels": {NAME_LABEL: meta["name"]},
            "annotations": {HASH_ANNOTATION: digest},
            "ownerReferences": [owner(ws).to_dict()],
        },
        "data": content(ws),
        "revision": max((one["revision"] for one in revisions), default=0) + 1,
    }


def surplus(revisions: Sequence[Object], current: str) -> list[Object]:
    """The oldest revisions beyond the ten that are kept; never the one named ``current``."""
    by_age = sorted(revisions, key=lambda one: one["revision"])
    others = [one for one in by_age if one["metadata"]["name"] != current]
    return others[: max(0, len(by_age) - HISTORY)]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
