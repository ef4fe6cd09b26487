"""T, D and S rules; ids carry the row of the v0.12 contract (sections 10.6, 10.7 and 10.9)."""

from typing import Any

import pytest

from kaito.api.errors import SpecErrors
from kaito.api.validation import AdmissionFacts, ModelFacts
from kaito.api.validation.facts import ModelAbsent
from kaito.api.workspace import Workspace
from tests.unit.api.rules.judged import judge_changed, judge_created
from tests.unit.api.rules.objects import (
    Changed,
    Created,
    accepted,
    adapter,
    adapters,
    annotated,
    body,
    change_accepted,
    change_refused,
    refused,
    tuning,
)

STREAMING = 'metadata.annotations["kaito.sh/model-streaming"]'
VOLUME = {"emptyDir": {}}
INSIDE = "http://169.254.169.254/latest"
NAME = "tuning.preset.name"


def source(**more: Any) -> dict[str, Any]:
    return tuning(input={"name": "data", **more})


def streaming(**more: Any) -> AdmissionFacts:
    known = {"gates": {"ModelStreaming": True}, "cloud": "azure", "csi_drivers": frozenset({"blob.csi.azure.com"})}
    return AdmissionFacts(**(known | more))


def output(**more: Any) -> dict[str, Any]:
    return tuning(output=more)


@pytest.mark.parametrize(
    "case",
    [
        accepted("T-good", tuning()),
        refused("T1-method", tuning(method="full"), "tuning.method", "lora or qlora"),
        refused("T1-no-method", tuning(method=None), "tuning.method", "lora or qlora"),
        accepted("T1-in-any-case", tuning(method="QLoRA")),
        refused("T5-input", source(), "tuning.input", "found none"),
        refused("T7-output", output(), "tuning.output", "exactly one of volumeSource and image"),
        refused("T8-no-preset", tuning(preset=None), "tuning.preset", "is required"),
        refused("T9-preset-name", tuning(preset={"name": "a/"}), NAME, "org/model"),
        refused("T9-not-registered", tuning(preset={"name": "phi4"}), NAME, "did you mean",
                AdmissionFacts(model=ModelAbsent("did you mean phi-4?"))),
        refused("ODDITY-T9-cannot-be-tuned", tuning(), NAME, "cannot be tuned",
                AdmissionFacts(model=ModelFacts(tuning=False))),
        accepted("ODDITY-T9-not-known", tuning(), AdmissionFacts(model=ModelFacts())),
        refused("D1-none", source(), "tuning.input", "found none"),
        refused("D1-two", source(urls=["https://example.com/a"], volumeSource=VOLUME), "tuning.input",
                "found urls and volumeSource"),
        refused("D1-no-urls", source(urls=[]), "tuning.input", "found none"),
        refused("D2-relative", source(urls=["/data"]), "tuning.input.urls[0]", "absolute URL"),
        refused("D2-no-host", source(urls=["https:///data"]), "tuning.input.urls[0]", "absolute URL"),
        refused("D3-scheme", source(urls=["ftp://example.com/a"]), "tuning.input.urls[0]", "http:// or https://"),
        refused("D4-localhost", source(urls=["https://a.example/", "http://localhost/"]), "tuning.input.urls[1]",
                "this machine"),
        refused("D5-link-local", source(urls=[INSIDE]), "tuning.input.urls[0]", "internal address"),
        refused("D6-image", source(image="NOT AN IMAGE"), "tuning.input.image", "registry/name:tag"),
        refused("D8-no-push-secret", output(image="r.example/a:1"), "tuning.output.imagePushSecret", "may push it"),
        refused("D9-neither", output(), "tuning.output", "exactly one of"),
        refused("D9-both", output(image="r.example/a:1", imagePushSecret="s", volumeSource=VOLUME), "tuning.output",
                "exactly one of"),
        refused("D10-image", output(image="r.example/a:", imagePushSecret="s"), "tuning.output.image", "the tag ''"),
        accepted("S-good", {}, streaming()),
        refused("S1-other-cloud", {}, STREAMING, "on azure only", streaming(cloud="aws")),
        refused("S2-no-driver", {}, STREAMING, "blob.csi.azure.com", streaming(csi_drivers=frozenset())),
        accepted("S2-drivers-unknown", {}, streaming(csi_drivers=None)),
        accepted("S1-disabled", annotated(model_streaming="disabled"), streaming(cloud="aws")),
        accepted("S1-gate-off", {}, streaming(cloud="aws", gates={})),
        accepted("S1-transformers", annotated(runtime="transformers"), streaming(cloud="aws")),
        accepted("S1-template", {"inference": {"template": {}}}, streaming(cloud="aws")),
    ],
)  # fmt: skip
def test_a_new_workspace(case: Created) -> None:
    judge_created(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("T10-preset", tuning(), tuning(preset={"name": "phi-4"}), "tuning.preset", "cannot be changed"),
        change_refused("T11-method", tuning(), tuning(method="qlora"), "tuning.method", "cannot be changed"),
        change_accepted("T11-in-another-case", tuning(), tuning(method="LORA")),
        change_refused(
            "D7-name",
            tuning(),
            tuning(input={"name": "other", "urls": ["https://example.com/data.parquet"]}),
            "tuning.input.name",
            "cannot be changed",
        ),
        change_accepted("T5-source-may-change", tuning(), source(image="r.example/data:1")),
        change_accepted("T7-output-may-change", tuning(), output(image="r.example/a:1", imagePushSecret="s")),
        change_refused("D6-image-on-update", tuning(), source(image="A"), "tuning.input.image", "registry/name:tag"),
        change_refused(
            "D10-image-on-update",
            tuning(),
            output(image="A", imagePushSecret="s"),
            "tuning.output.image",
            "registry/name:tag",
        ),
        change_refused("ODDITY-D1-on-update", tuning(), source(), "tuning.input", "found none"),
        change_refused("ODDITY-D5-on-update", tuning(), source(urls=[INSIDE]), "tuning.input.urls[0]", "internal"),
        change_refused(
            "ODDITY-D1-adapter-on-update",
            {},
            adapters(adapter(image="r.example/a:1", volumeSource=VOLUME)),
            "inference.adapters[0].source",
            "exactly one",
        ),
        change_accepted("ODDITY-D5-unchanged", source(urls=[INSIDE]), source(urls=[INSIDE]) | annotated(a="b")),
    ],
)
def test_a_change(case: Changed) -> None:
    judge_changed(case)


@pytest.mark.parametrize(
    "missing", [pytest.param("input", id="T4-no-input"), pytest.param("output", id="T6-no-output")]
)
def test_what_a_tuning_workspace_cannot_be_without(missing: str) -> None:
    with pytest.raises(SpecErrors, match=f"tuning.{missing}: is required"):
        Workspace.decode(body(**tuning(**{missing: None})))
