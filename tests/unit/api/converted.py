"""Small objects of both versions, and what their annotations keep."""

import copy
import json
from typing import Any

from kaito.api import keys

Object = dict[str, Any]
SELECTOR = {"matchLabels": {"pool": "a"}}
SLICE = {"mode": "mig", "profile": "1g.10gb"}
DATABASE = {"engine": "qdrant", "url": "http://db:6333"}
LOCAL = {"local": {"modelID": "BAAI/bge-small-en-v1.5"}}
PEAK = {"description": "stress", "value": "100", "config": {"engine": "vllm"}}


def made(kind: str, version: str, annotations: dict[str, str] | None = None, **fields: Any) -> Object:
    metadata: Object = {"name": "demo", "namespace": "team"} | ({"annotations": annotations} if annotations else {})
    return {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": metadata, **copy.deepcopy(fields)}


def beta(kind: str, **fields: Any) -> Object:
    return made(kind, "v1beta1", **fields)


def alpha(kind: str, **fields: Any) -> Object:
    return made(kind, "v1alpha1", **fields)


def body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}


def kept(obj: Object, name: str = keys.V1BETA1_FIELDS) -> Object:
    text = obj["metadata"].get("annotations", {}).get(name)
    return json.loads(text) if text else {}


def workspace(**resource: Any) -> Object:
    return {"resource": {"labelSelector": SELECTOR, "instanceType": "Standard_NC24ads_A100_v4", **resource}}


def engine(**spec: Any) -> Object:
    return {"spec": {"embedding": LOCAL, **spec}}
