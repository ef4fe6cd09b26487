"""A manifest becomes types, or a list of everything that is wrong with it."""

import copy
from typing import Any

import pytest

from kaito.api import kinds
from kaito.api.errors import SpecErrors
from kaito.api.workspace import Workspace

GOOD: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "demo", "namespace": "team"},
    "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "demo"}}},
    "inference": {"preset": {"name": "kaito-demo"}, "adapters": [{"source": {"name": "a", "image": "r/a:1"}}]},
}


def test_fields_and_defaults() -> None:
    workspace = Workspace.decode(GOOD)
    assert (workspace.name, workspace.namespace) == ("demo", "team")
    assert workspace.inference is not None
    assert workspace.inference.preset is not None
    assert workspace.inference.preset.access_mode == "public"
    assert workspace.resource is not None
    assert workspace.resource.count == 1
    assert workspace.resource.label_selector.match_labels == {"apps": "demo"}


def test_what_is_encoded_decodes_to_the_same() -> None:
    workspace = Workspace.decode(GOOD)
    assert Workspace.decode(workspace.encode()) == workspace


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        pytest.param(
            ("inference", "preset", "nmae"),
            "x",
            "inference.preset.nmae: is not a field of this API; did you mean 'name'?",
            id="a typing error is guessed",
        ),
        pytest.param(
            ("inference", "adapters", 0, "sourse"),
            {},
            "inference.adapters[0].sourse: is not a field of this API; did you mean 'source'?",
            id="inside a list",
        ),
        pytest.param(("",), 1, '[""]: is not a field of this API; known here: ', id="a field without a name"),
        pytest.param(
            ("resource", "labelSelector", "matchLabels", "a.b/c"),
            1,
            'resource.labelSelector.matchLabels["a.b/c"]: 1 is wrong: ',
            id="a label",
        ),
        pytest.param(("zzz",), 1, "zzz: is not a field of this API; known here: apiVersion,", id="at the top"),
        pytest.param(
            ("inference", "preset", "accessMode"),
            "secret",
            "inference.preset.accessMode: 'secret' is not allowed: use 'public' or 'private'",
            id="enum",
        ),
        pytest.param(("resource",), {}, "resource.labelSelector: is required: set it", id="required"),
        pytest.param(("resource", "count"), "many", "resource.count: 'many' is wrong: ", id="type"),
    ],
)
def test_an_error_names_field_value_and_remedy(path: tuple[Any, ...], value: Any, says: str) -> None:
    obj = copy.deepcopy(GOOD)
    place: Any = obj
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(SpecErrors) as caught:
        Workspace.decode(obj)
    assert str(caught.value).startswith(says)


def test_all_errors_come_at_once() -> None:
    with pytest.raises(SpecErrors) as caught:
        Workspace.decode(GOOD | {"x": 1, "resource": {"y": 2}})
    assert {error.field for error in caught.value.errors} == {"x", "resource.y", "resource.labelSelector"}


def test_a_newer_versions_fields_do_not_stop_a_reader() -> None:
    obj = copy.deepcopy(GOOD)
    obj["future"] = True
    obj["inference"]["adapters"][0]["source"]["future"] = 1
    obj["status"] = {"performance": {"metrics": {"m": {"description": "d", "value": "1"}}}, "future": []}
    workspace = Workspace.decode(obj, strict=False)
    assert workspace.status is not None
    assert workspace.status.performance is not None
    assert workspace.status.performance.metrics is not None
    assert workspace.status.performance.metrics["m"].value == "1"


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        pytest.param([], "metadata: [] is no map", id="a list"),
        pytest.param("demo", "metadata: 'demo' is no map", id="text"),
        pytest.param({"name": 1}, "metadata.name: 1 must be text", id="a number for a name"),
        pytest.param({"namespace": ["a"]}, "metadata.namespace: ['a'] must be text", id="a list for a namespace"),
        pytest.param({"annotations": []}, "metadata.annotations: [] must be a map", id="a list of annotations"),
        pytest.param(
            {"annotations": {"kaito.sh/runtime": True}},
            'metadata.annotations["kaito.sh/runtime"]: True must be text',
            id="an annotation without quotes",
        ),
        pytest.param({"labels": {"a": None}}, 'metadata.labels["a"]: must be text', id="an empty label"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_metadata_of_the_wrong_shape_is_named(metadata: Any, says: str, strict: bool, version: str) -> None:
    obj = GOOD | {"apiVersion": f"kaito.sh/{version}", "metadata": metadata}
    with pytest.raises(SpecErrors) as caught:
        kinds.decode(obj, strict=strict)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("levels", [101, 3000])
@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_what_is_nested_too_deeply_is_named(levels: int, version: str) -> None:
    obj = GOOD | {"apiVersion": f"kaito.sh/{version}", "inference": {"template": deep(levels)}}
    with pytest.raises(SpecErrors, match="inference: is nested more than 100 levels deep"):
        kinds.decode(obj)


def test_a_field_without_a_name_that_is_nested_too_deeply_is_quoted() -> None:
    with pytest.raises(SpecErrors, match=r'\[""\]: is nested more than 100 levels deep'):
        kinds.decode(GOOD | {"": deep(101)})


@pytest.mark.parametrize("replicas", [2**31, 2**63])
def test_a_number_too_large_for_the_schema_is_named(replicas: int) -> None:
    template = {"inference": {"preset": {"name": "kaito-demo"}}}
    spec = {"replicas": replicas, "labelSelector": {}, "template": template}
    with pytest.raises(SpecErrors, match=r"spec\.replicas: .* less than or equal to 2147483647"):
        kinds.decode({"apiVersion": "kaito.sh/v1beta1", "kind": "InferenceSet", "metadata": {}, "spec": spec})
