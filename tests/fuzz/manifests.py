"""Objects of every kind and version: whole ones, and ones that somebody or something spoilt a little."""

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from kaito.api.kinds import KINDS
from kaito.api.schemas import object_schema, v1alpha1_schema
from tests.fuzz import texts
from tests.unit.api.generated import objects

Object = dict[str, Any]
SERVED = [(kind, version) for kind, info in KINDS.items() for version in info.versions]
_WRITTEN = [
    one
    for one in yaml.safe_load_all((Path(__file__).parents[1] / "api" / "kaito_manifests.yaml").read_text())
    if one is not None
]
LABELS = st.sampled_from(
    [
        {"matchLabels": {"apps": "demo"}},
        {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["demo"]}]},
        {"matchLabels": {"apps": "demo", "kaito.sh/workspace": "x"}},
        {},
    ]
)
_ANNOTATED = st.sampled_from(
    [{}, {}, {}, *({key: value} for key, values in texts.ANNOTATIONS.items() for value in values[:2])]
)
VOLUME = {"emptyDir": {}}


@st.composite
def workspaces(draw: st.DrawFn) -> Object:
    """Workspaces that the rules accept, or nearly."""
    head: Object = {"name": draw(st.sampled_from(texts.NAMES[:8])), "namespace": "team"}
    annotations = draw(_ANNOTATED)
    obj: Object = {
        "apiVersion": draw(st.sampled_from(["kaito.sh/v1beta1", "kaito.sh/v1beta1", "kaito.sh/v1alpha1"])),
        "kind": "Workspace",
        "metadata": head | ({"annotations": annotations} if annotations else {}),
        "resource": {"labelSelector": copy.deepcopy(draw(LABELS))} | draw(_MACHINE),
    }
    preset = {"name": draw(st.sampled_from(texts.MODELS[:6]))} | copy.deepcopy(draw(_PRESET))
    match draw(st.integers(0, 5)):
        case 0:
            obj["tuning"] = {"preset": preset} | copy.deepcopy(draw(_TUNING))
        case 1:
            obj["inference"] = {"template": {"spec": {"containers": [{"name": "mine", "image": "example.com/mine:1"}]}}}
        case _:
            obj["inference"] = {"preset": preset} | copy.deepcopy(draw(_BESIDE))
    return obj


_MACHINE = st.sampled_from(
    [
        {},
        {"instanceType": "Standard_NC24ads_A100_v4"},
        {"count": 1},
        {"count": 2, "preferredNodes": ["n"]},
        {"partition": {"mode": "mig", "profile": "1g.10gb"}},
        {"partition": {"mode": "accelerator", "count": 1}},
    ]
)
_PRESET = st.sampled_from(
    [
        {},
        {},
        {"accessMode": "private"},
        {"presetOptions": {"modelAccessSecret": "hf"}},
        {"presetOptions": {"image": "a"}},
    ]
)
_BESIDE = st.sampled_from(
    [
        {},
        {"config": "short"},
        {"config": "short"},
        {"config": "short"},
        {"adapters": []},
        {"adapters": [{"source": {"name": "a", "image": "registry.example/a:1"}}]},
        {"adapters": [{"source": {"name": "a", "volumeSource": VOLUME}, "strength": "1.0"}]},
    ]
)
_TUNING = st.sampled_from(
    [
        {
            "method": "lora",
            "config": "short",
            "input": {"name": "d", "urls": ["https://example.com/d"]},
            "output": {"volumeSource": VOLUME},
        },
        {
            "method": "QLoRA",
            "config": "short",
            "input": {"image": "a/b:1"},
            "output": {"image": "a/b:1", "imagePushSecret": "s"},
        },
    ]
)


def _written(kind: str, version: str) -> list[Object]:
    api_version = f"kaito.sh/{version}"
    found = [one for one in _WRITTEN if one["kind"] == kind and one["apiVersion"] == api_version]
    return found or [one | {"apiVersion": api_version} for one in _WRITTEN if one["kind"] == kind]


def _whole(kind: str, version: str) -> st.SearchStrategy[Object]:
    info = KINDS[kind]
    schema = object_schema(info.model) if version == info.stored else v1alpha1_schema(info.model)
    written = st.sampled_from(_written(kind, version))
    likely = workspaces() if kind == "Workspace" else written
    return st.one_of(likely, written, objects(schema, kind, version)).map(copy.deepcopy)


WHOLE = {served: _whole(*served) for served in SERVED}
"""By (kind, version): objects that their schema accepts."""


def of_kind(kind: str) -> st.SearchStrategy[Object]:
    """Whole objects of any version of a kind."""
    return st.one_of([WHOLE[kind, version] for version in KINDS[kind].versions])


VALUES = st.one_of(
    st.sampled_from(texts.TEXTS),
    st.sampled_from(texts.NUMBERS),
    st.sampled_from(texts.SHAPES).map(copy.deepcopy),
    st.builds(texts.deep, st.sampled_from(texts.DEPTHS), lists=st.booleans()),
    st.sampled_from([texts.HUGE, *texts.CONFIGS[:4]]),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
_WAYS = st.sampled_from(["replace", "replace", "replace", "remove", "null", "extra", "twice", "note", "wrap", "case"])


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of everything below ``value``, but for what is nested absurdly deep."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        keys: Any = (
            list(item) if isinstance(item, dict) else range(min(len(item), 20)) if isinstance(item, list) else ()
        )
        found += [(item, key) for key in keys]
        if depth < 12:
            waiting += [(item[key], depth + 1) for key in keys]
    return found


@st.composite
def spoilt(draw: st.DrawFn, whole: st.SearchStrategy[Object], most: int = 3) -> Object:
    """Objects of ``whole`` after one to ``most`` changes at any depth; they stay objects."""
    # Its parts may be constants of the strategies: those must not change.
    obj = copy.deepcopy(draw(whole))
    for _ in range(draw(st.integers(1, most))):
        places = _places(obj, [])
        container, key = places[draw(st.integers(0, len(places) - 1))] if places else (obj, "a")
        _spoil(draw, obj, container, key)
    return obj


def _spoil(draw: st.DrawFn, obj: Object, container: Any, key: Any) -> None:
    way = draw(_WAYS)
    if way == "note":
        name = draw(st.sampled_from(sorted(texts.ANNOTATIONS)))
        metadata = obj.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.setdefault("annotations", {}), dict):
            metadata["annotations"][name] = draw(st.sampled_from([*texts.ANNOTATIONS[name], *texts.ODD]))
        return
    if isinstance(container, dict) and key not in container:
        container[key] = draw(VALUES)
        return
    match way:
        case "remove":
            del container[key]
        case "null":
            container[key] = None
        case "twice" if isinstance(container[key], list):
            container[key] = container[key] * 2
        case "wrap":
            container[key] = [container[key]]
        case "extra" if isinstance(container, dict):
            container[draw(st.sampled_from(texts.ODD))] = draw(VALUES)
        case "case" if isinstance(container, dict):
            container[str(key).upper()] = container.pop(key)
        case _:
            container[key] = draw(VALUES)


def any_of(kind: str) -> st.SearchStrategy[Object]:
    """Objects of a kind, one in four whole, the others spoilt."""
    whole = of_kind(kind)
    return st.integers(0, 3).flatmap(lambda n: spoilt(whole) if n else whole)
