"""The rules of admission; ids carry the rule's number in the v0.12 contract."""

import copy
from typing import Any

import pytest

from kaito.api import validation
from kaito.api.sources import url_problem
from kaito.api.workspace import Workspace


def workspace(**changes: Any) -> Workspace:
    obj: dict[str, Any] = {
        "metadata": {"name": "demo"},
        "resource": {"labelSelector": {"matchLabels": {"apps": "demo"}}},
        "inference": {"preset": {"name": "kaito-demo"}},
    }
    obj |= copy.deepcopy(changes)
    return Workspace.decode({key: value for key, value in obj.items() if value is not None})


TUNING = {
    "preset": {"name": "kaito-demo"},
    "method": "lora",
    "input": {"urls": ["https://example.com/data.parquet"]},
    "output": {"volumeSource": {"emptyDir": {}}},
}


def adapter(**source: Any) -> dict[str, Any]:
    strength = source.pop("strength", None)
    return {"preset": {"name": "m"}, "adapters": [{"source": source or None, "strength": strength}]}


def with_annotation(key: str, value: str) -> dict[str, Any]:
    return {"metadata": {"name": "demo", "annotations": {key: value}}}


def test_a_good_workspace_has_no_errors() -> None:
    assert validation.validate_create(workspace()) == []
    assert validation.validate_create(workspace(inference=None, tuning=TUNING)) == []


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        pytest.param({"metadata": {"name": "Demo"}}, "metadata.name", "lower-case", id="W1"),
        pytest.param({"metadata": {"name": "x" * 53}}, "metadata.name", "room for 52", id="W1 ODDITY 63 is too many"),
        pytest.param({"inference": None}, "inference", "set either inference or tuning", id="W2"),
        pytest.param({"tuning": TUNING}, "tuning", "cannot stand beside inference", id="W3"),
        pytest.param(
            with_annotation("kaito.sh/node-image-family", "arch"),
            'metadata.annotations["kaito.sh/node-image-family"]',
            "'ubuntu' or 'azurelinux'",
            id="W6",
        ),
        pytest.param(
            with_annotation("kaito.sh/performance-mode", "fast"),
            'metadata.annotations["kaito.sh/performance-mode"]',
            "'balanced' or",
            id="W7",
        ),
        pytest.param(
            with_annotation("kaito.sh/use-local-weights", "yes"),
            'metadata.annotations["kaito.sh/use-local-weights"]',
            "'true' or 'false'",
            id="W8",
        ),
        pytest.param(
            {"resource": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}},
            "resource.labelSelector.matchExpressions[0].operator",
            "In with one value",
            id="R3 operator",
        ),
        pytest.param(
            {
                "resource": {
                    "labelSelector": {
                        "matchLabels": {"a": "1"},
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["2"]}],
                    }
                }
            },
            "resource.labelSelector.matchExpressions[0].values",
            "contradicts",
            id="R3 contradiction",
        ),
        pytest.param(
            {"resource": {"labelSelector": {"matchLabels": {"kaito.sh/workspace": "x"}}}},
            "resource.labelSelector.matchLabels",
            "KAITO sets itself",
            id="R5",
        ),
        pytest.param(
            {"resource": {"labelSelector": {}, "partition": {"mode": "mig", "profile": "0g.0gb"}}},
            "resource.partition.profile",
            "1g.10gb",
            id="P3",
        ),
        pytest.param(
            {"resource": {"labelSelector": {}, "partition": {"mode": "accelerator"}}},
            "resource.partition.count",
            "is required",
            id="P6",
        ),
        pytest.param(
            {"inference": None, "tuning": TUNING, "resource": {"labelSelector": {}, "count": 2}},
            "resource.count",
            "one node",
            id="R20",
        ),
        pytest.param({"inference": {}}, "inference.preset", "either preset or template", id="I1"),
        pytest.param(
            {"inference": {"preset": {"name": "m"}, "template": {}}}, "inference.template", "remove one", id="I2"
        ),
        pytest.param({"inference": {"preset": {"name": "a/"}}}, "inference.preset.name", "org/model", id="I3"),
        pytest.param(
            {"inference": adapter(name="a", image="r/a:1", strength="0.5")},
            "inference.adapters[0].strength",
            "not supported by the vllm runtime",
            id="I7",
        ),
        pytest.param({"inference": adapter()}, "inference.adapters[0].source", "is required", id="A1 on create"),
        pytest.param(
            {"inference": adapter(name="A_", image="r/a:1")}, "inference.adapters[0].source.name", "DNS name", id="A4"
        ),
        pytest.param({"inference": adapter(name="a")}, "inference.adapters[0].source", "found none", id="A5"),
        pytest.param(
            {"inference": adapter(name="a", image="r/a:1", strength="NaN")},
            "inference.adapters[0].strength",
            "from 0 to 1",
            id="A8 ODDITY not a number",
        ),
        pytest.param(
            {"inference": None, "tuning": TUNING | {"method": "full"}}, "tuning.method", "lora or qlora", id="T1"
        ),
        pytest.param(
            {"inference": None, "tuning": TUNING | {"output": {"image": "r/x:1"}}},
            "tuning.output.imagePushSecret",
            "may push",
            id="D8",
        ),
        pytest.param(
            {"inference": None, "tuning": TUNING | {"input": {"image": "NOT AN IMAGE"}}},
            "tuning.input.image",
            "registry/name:tag",
            id="D6",
        ),
    ],
)
def test_a_refused_workspace(changes: dict[str, Any], field: str, says: str) -> None:
    found = validation.validate_create(workspace(**changes))
    assert [error.field for error in found] == [field]
    assert says in str(found[0])


def test_strength_one_is_no_strength() -> None:
    """ODDITY: the original refuses its own published example."""
    assert validation.validate_create(workspace(inference=adapter(name="a", image="r/a:1", strength="1.0"))) == []


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        pytest.param({}, {"inference": None, "tuning": TUNING}, "inference", id="W10 and W11"),
        pytest.param({}, {"inference": {"preset": {"name": "other"}}}, "inference.preset", id="I12"),
        pytest.param(
            {}, {"resource": {"labelSelector": {"matchLabels": {"apps": "x"}}}}, "resource.labelSelector", id="R28"
        ),
        pytest.param(
            {"resource": {"labelSelector": {}, "instanceType": "a"}},
            {"resource": {"labelSelector": {}, "instanceType": "b"}},
            "resource.instanceType",
            id="R26",
        ),
        pytest.param(
            {},
            with_annotation("kaito.sh/performance-mode", "fast"),
            'metadata.annotations["kaito.sh/performance-mode"]',
            id="W7 ODDITY also on update",
        ),
        pytest.param(
            {"inference": None, "tuning": TUNING},
            {"inference": None, "tuning": TUNING | {"input": {"urls": ["http://169.254.169.254/x"]}}},
            "tuning.input.urls[0]",
            id="D5 ODDITY also on update",
        ),
    ],
)
def test_a_refused_change(before: dict[str, Any], after: dict[str, Any], field: str) -> None:
    found = validation.validate_update(workspace(**before), workspace(**after))
    assert field in [error.field for error in found]


def test_the_same_labels_written_as_an_expression_are_no_change() -> None:
    selector = {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["demo"]}]}
    assert validation.validate_update(workspace(), workspace(resource={"labelSelector": selector})) == []


def test_an_object_that_is_being_deleted_can_always_change() -> None:
    """ODDITY: full validation on finalizer writes made objects undeletable."""
    gone = workspace(metadata={"name": "demo", "deletionTimestamp": "2026-01-01T00:00:00Z"}, inference=None)
    assert validation.validate_update(workspace(), gone) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x",
        "http://a.localhost./x",
        "http://metadata.google.internal/",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest",
        "ftp://example.com/",
        "/relative",
    ],
)
def test_urls_that_point_inside_are_refused(url: str) -> None:
    assert url_problem(url) is not None


@pytest.mark.parametrize("url", ["https://example.com/a.parquet", "http://93.184.216.34/x", "https://[2606:4700::1]/"])
def test_urls_that_point_outside_are_allowed(url: str) -> None:
    assert url_problem(url) is None
