"""What a conversion webhook is asked, and which of its answers are taken."""

from typing import Any

import pytest

from kaito.local.apiserver.conversion import SECONDS, Conversions
from kaito.local.apiserver.status import StatusError
from kaito.local.schema import crd as crds

Object = dict[str, Any]
META: Object = {"name": "a", "namespace": "n", "uid": "u-1", "generation": 3, "labels": {"k": "v"}}
OLD: Object = {"apiVersion": "g.io/v1", "kind": "Box", "metadata": META, "spec": {"size": 1}}
NEW: Object = {"apiVersion": "g.io/v2", "kind": "Box", "metadata": META, "spec": {"length": 1}}


def definition(versions: tuple[str, ...] = ("v1",)) -> crds.CompiledCRD:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served = [{"name": name, "served": True, "storage": name == "v2", "schema": schema} for name in ("v1", "v2")]
    hook = {"clientConfig": {"url": "https://hook"}, "conversionReviewVersions": list(versions)}
    spec = {
        "group": "g.io", "scope": "Namespaced", "names": {"plural": "boxes", "kind": "Box"}, "versions": served,
        "conversion": {"strategy": "Webhook", "webhook": hook},
    }  # fmt: skip
    return crds.compile({"metadata": {"name": "boxes.g.io"}, "spec": spec})


class Scripted:
    """Answers with the given objects, or with the given review; keeps what it was asked."""

    def __init__(self, objects: list[Any], **answer: Any) -> None:
        self.objects = objects
        self.answer = answer
        self.asked: list[Object] = []

    async def post(self, config: Object, body: Object, seconds: int) -> Object:
        assert (config, seconds) == ({"url": "https://hook"}, SECONDS)
        self.asked.append(body)
        response = {"uid": body["request"]["uid"], "result": {"status": "Success"}, "convertedObjects": self.objects}
        head = {"apiVersion": body["apiVersion"], "kind": body["kind"]}
        return head | {"response": response} | self.answer


async def converted(hook: Scripted, objs: list[Object], **more: Any) -> list[Object]:
    return await Conversions(hook).convert(definition(**more), objs, "v2")  # type: ignore[arg-type]


async def test_one_review_asks_for_all_that_are_of_another_version_and_keeps_the_order() -> None:
    other = NEW | {"metadata": META | {"name": "b", "uid": "u-2"}}
    last = OLD | {"metadata": META | {"name": "c", "uid": "u-3"}}
    hook = Scripted([NEW, NEW | {"metadata": last["metadata"]}])
    found = await converted(hook, [OLD, other, last])
    assert [one["metadata"]["name"] for one in found] == ["a", "b", "c"]
    assert {one["apiVersion"] for one in found} == {"g.io/v2"}
    (asked,) = hook.asked
    assert (asked["apiVersion"], asked["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    assert asked["request"]["objects"] == [OLD, last]
    assert asked["request"]["desiredAPIVersion"] == "g.io/v2"


async def test_a_webhook_is_not_asked_about_what_needs_no_conversion() -> None:
    hook = Scripted([])
    assert await converted(hook, [NEW]) == [NEW]
    assert hook.asked == []


async def test_of_the_metadata_only_labels_and_annotations_may_change() -> None:
    given = META | {"labels": {"k": "other"}, "annotations": {"a": "b"}, "generation": 9, "finalizers": ["x/y"]}
    (found,) = await converted(Scripted([NEW | {"metadata": given}]), [OLD])
    assert found["metadata"] == META | {"labels": {"k": "other"}, "annotations": {"a": "b"}}


async def test_labels_that_a_webhook_leaves_out_are_gone() -> None:
    bare = {key: value for key, value in META.items() if key != "labels"}
    (found,) = await converted(Scripted([NEW | {"metadata": bare}]), [OLD])
    assert found["metadata"] == bare


async def test_the_first_known_review_version_is_used() -> None:
    hook = Scripted([NEW], apiVersion="anything")
    assert await converted(hook, [OLD], versions=("v3", "v1beta1")) == [NEW]
    assert hook.asked[0]["apiVersion"] == "apiextensions.k8s.io/v1beta1"


HEAD = "conversion webhook for g.io/v1, Kind=Box "
INVALID = HEAD + "returned invalid converted object at index 0: "


def _with(**meta: Any) -> list[Object]:
    return [NEW | {"metadata": META | meta}]


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        pytest.param(Scripted([]), HEAD + "returned 0 objects, expected 1", id="too few"),
        pytest.param(Scripted([NEW, NEW]), HEAD + "returned 2 objects, expected 1", id="too many"),
        pytest.param(
            Scripted([OLD]), INVALID + "invalid groupVersion (expected g.io/v2, received g.io/v1)", id="version"
        ),
        pytest.param(
            Scripted([NEW | {"kind": "Bag"}]), INVALID + "invalid kind (expected Box, received Bag)", id="kind"
        ),
        pytest.param(Scripted(_with(name="b")), INVALID + "must have the same name: a != b", id="name"),
        pytest.param(Scripted(_with(namespace="")), INVALID + "must have the same namespace: n != ", id="namespace"),
        pytest.param(Scripted(_with(uid="u-2")), INVALID + "must have the same UID: u-1 != u-2", id="uid"),
        pytest.param(
            Scripted([{"apiVersion": "g.io/v2", "kind": "Box"}]), INVALID + "missing metadata in converted object",
            id="no metadata",
        ),
        pytest.param(
            Scripted(_with(labels={"k": 1})),
            INVALID + "metadata.labels[k] must be a string, but is int in converted object", id="label of another type",
        ),
        pytest.param(Scripted([7]), INVALID + "invalid type, expected=object, got=int", id="no object"),
        pytest.param(Scripted([], response=None), HEAD + "failed: no response provided", id="no response"),
        pytest.param(
            Scripted([], response={"uid": "?"}), HEAD + 'failed: expected response.uid="', id="uid of the review"
        ),
        pytest.param(
            Scripted([], kind="Other"),
            HEAD + "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got "
            "apiextensions.k8s.io/v1, Kind=Other",
            id="no ConversionReview",
        ),
    ],
)  # fmt: skip
async def test_a_wrong_answer_is_refused(hook: Scripted, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        await converted(hook, [OLD])
    assert refused.value.code == 500
    assert refused.value.status["message"].startswith(message)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        pytest.param({"status": "Failure", "message": "size is lost"}, "size is lost", id="message"),
        pytest.param({"status": "Failure"}, "response.result.status was 'Failure', not 'Success'", id="no message"),
        pytest.param({}, "response.result.status was '', not 'Success'", id="no result"),
    ],
)
async def test_a_failure_is_told_in_the_webhooks_words(result: Object, words: str) -> None:
    class Failing(Scripted):
        async def post(self, config: Object, body: Object, seconds: int) -> Object:
            answer = await super().post(config, body, seconds)
            answer["response"]["result"] = result
            return answer

    with pytest.raises(StatusError) as refused:
        await converted(Failing([NEW]), [OLD])
    assert refused.value.status["message"] == HEAD + f"failed: {words}"


async def test_review_versions_without_a_known_one_are_an_error() -> None:
    with pytest.raises(StatusError) as refused:
        await converted(Scripted([NEW]), [OLD], versions=("v9",))
    assert refused.value.status["message"] == HEAD + "failed: no supported conversion review versions"
