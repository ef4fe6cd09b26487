"""ConversionReview: what the API server asks, and what it is answered."""

from typing import Any

import pytest

from kaito.api import keys
from kaito.api.conversion import review

Object = dict[str, Any]


def workspace(version: str, count: int = 1, annotations: dict[str, str] | None = None) -> Object:
    metadata: Object = {"name": "demo", "namespace": "team"} | ({"annotations": annotations} if annotations else {})
    resource = {"labelSelector": {"matchLabels": {"pool": "a"}}, "instanceType": "X", "count": count}
    return {"apiVersion": f"kaito.sh/{version}", "kind": "Workspace", "metadata": metadata, "resource": resource}


def asked(objects: list[Object], version: str = "kaito.sh/v1beta1") -> Object:
    request = {"uid": "42", "desiredAPIVersion": version, "objects": objects}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def test_a_review_answers_all_objects_in_their_order() -> None:
    objects = [workspace("v1alpha1", n) for n in range(3)] + [workspace("v1beta1", 3)]
    answer = review(asked(objects))
    assert (answer["apiVersion"], answer["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    response = answer["response"]
    assert (response["uid"], response["result"]) == ("42", {"status": "Success"})
    assert response["convertedObjects"] == [workspace("v1beta1", n) for n in range(4)]


def test_one_bad_object_fails_a_review_and_is_named() -> None:
    bad = workspace("v1alpha1", annotations={keys.V1BETA1_FIELDS: "{"})
    response = review(asked([workspace("v1alpha1"), bad, workspace("v1alpha1")]))["response"]
    assert response["convertedObjects"] == []
    assert response["result"]["status"] == "Failure"
    assert response["result"]["message"].startswith(
        "Workspace team/demo: metadata.annotations[kaito.sh/v1beta1-fields]"
    )


def test_a_review_for_another_group_fails() -> None:
    response = review(asked([workspace("v1beta1")], "apps/v1"))["response"]
    assert response["result"]["message"] == "Workspace team/demo: desiredAPIVersion: 'apps/v1' is not of kaito.sh"


@pytest.mark.parametrize("body", [{}, {"request": {}}, {"request": {"uid": "1"}}, []])
def test_what_is_no_review_is_an_error(body: Any) -> None:
    with pytest.raises(ValueError, match="no ConversionReview"):
        review(body)


def test_an_object_that_is_too_deep_is_named() -> None:
    deep: Object = {}
    for _ in range(2000):
        deep = {"a": deep}
    bad = workspace("v1beta1") | {"inference": {"template": deep}}
    response = review(asked([bad], "kaito.sh/v1alpha1"))["response"]
    assert response["result"]["message"].startswith("Workspace team/demo: ")


@pytest.mark.parametrize("text", ['{"/status/x":NaN}', '{"/status/x":1e999}', '{"/status/x":"\\ud800"}', "[" * 5000])
def test_an_annotation_that_is_no_json_for_the_answer_is_named(text: str) -> None:
    response = review(asked([workspace("v1alpha1", annotations={keys.V1BETA1_FIELDS: text})]))["response"]
    assert "is not what was written there: remove the annotation" in response["result"]["message"]


@pytest.mark.parametrize("metadata", ["demo", ["demo"], {"annotations": ["a"]}, {"name": 1}])
@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_metadata_of_the_wrong_shape_fails_a_review(metadata: Any, version: str) -> None:
    response = review(asked([workspace("v1alpha1") | {"metadata": metadata}], f"kaito.sh/{version}"))["response"]
    assert ": metadata" in response["result"]["message"]


@pytest.mark.parametrize("objects", [1, "ab", {"a": 1}, 1.5, True], ids=repr)
def test_objects_that_are_no_list_are_no_fault_of_the_webhook(objects: object) -> None:
    asked = {"request": {"uid": "u", "desiredAPIVersion": "kaito.sh/v1beta1", "objects": objects}}
    with pytest.raises(ValueError, match=r"request\.objects is no list"):
        review(asked)


@pytest.mark.parametrize("metadata", ["x", [1], 3], ids=repr)
def test_an_object_without_real_metadata_is_refused_by_its_kind(metadata: object) -> None:
    obj = {"apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": metadata}
    asked = {"request": {"uid": "u", "desiredAPIVersion": "other/v1", "objects": [obj]}}
    assert review(asked)["response"]["result"]["message"].startswith("Workspace: desiredAPIVersion")
