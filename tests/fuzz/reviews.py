"""What an API server asks the webhook, and what somebody else might send to its address."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

from kaito.api.kinds import KINDS
from kaito.api.validation import AdmissionFacts, ModelAbsent, ModelFacts
from tests.fuzz import texts
from tests.fuzz.manifests import JSON, any_of, of_kind, spoilt
from tests.unit.api.rules.objects import GIB, MACHINES, byo, cpu_node, gpu_node, nap

Object = dict[str, Any]
_MODELS = [
    None,
    ModelAbsent("use another"),
    ModelFacts(),
    ModelFacts(
        200 * GIB,
        4096,
        ("A",),
        downloads=True,
        gated=True,
        lora=False,
        transformers=False,
        tuning=False,
        multi_node=True,
    ),
    ModelFacts(
        GIB, 131072, ("LlamaForCausalLM",), downloads=False, gated=False, lora=True, transformers=True, tuning=True
    ),
]
_CLUSTERS = [
    AdmissionFacts(),
    nap(),
    nap(cloud="moon"),
    nap(provisioner="karpenter", node_classes=frozenset({"default"})),
    nap(gates={"vLLM": False, "ModelStreaming": True}, csi_drivers=frozenset()),
    byo(gpu_node("a"), gpu_node("b")),
    byo(gpu_node("a"), gpu_node("b", product="T4"), gates={"enableMIG": False, "enableAccelerator": False}),
    byo(gpu_node("a", count="x"), cpu_node("c")),
    byo(),
    AdmissionFacts(provisioner="local", machine_types=MACHINES, architectures=frozenset({"LlamaForCausalLM"})),
]
_LATER = st.sampled_from([{}, {}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}, {"finalizers": ["a"]}])
_TEXTS = st.sampled_from(texts.CONFIGS)


@st.composite
def facts(draw: st.DrawFn) -> AdmissionFacts:
    """What a cluster may know: of each part something, or nothing."""
    known = copy.copy(draw(st.sampled_from(_CLUSTERS)))
    data = draw(st.sampled_from([None, {}, {"other": "x"}, "text", "text", "text"]))
    if data == "text":
        text = draw(_TEXTS)
        data = {"inference_config.yaml": text, "training_config.yaml": text, "guardrails.yaml": text}
    keys = draw(st.sampled_from([None, frozenset[str](), frozenset({"HF_TOKEN"})]))
    more = {
        "model": draw(st.sampled_from(_MODELS)),
        "config_maps": {("team", "short"): data, ("kaito", "lora-params-template"): data},
        "secrets": {("team", "hf"): keys, ("team", "s"): keys},
        "release_namespace": draw(st.sampled_from([None, "kaito"])),
    }
    return AdmissionFacts(**{field: getattr(known, field) for field in AdmissionFacts.__slots__} | more)


def review(request: Object) -> Object:
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@st.composite
def requests(draw: st.DrawFn, kind: str) -> Object:
    """AdmissionRequests about objects of a kind, as an API server would make them."""
    obj, old = draw(any_of(kind)), None
    operation = draw(st.sampled_from(["CREATE", "CREATE", "UPDATE", "UPDATE", "DELETE"]))
    if operation != "CREATE":
        old = obj if draw(st.booleans()) else draw(any_of(kind))
        if draw(st.booleans()):
            obj = old
        metadata = obj.get("metadata")
        if isinstance(metadata, dict):
            obj = {**obj, "metadata": {**metadata, **draw(_LATER)}}
    info = KINDS[kind]
    request = {
        "uid": draw(st.sampled_from(["705ab4f5-6393-11e8-b7cc-42010a800002", "u"])),
        "kind": {"group": "kaito.sh", "version": info.stored, "kind": kind},
        "resource": {"group": "kaito.sh", "version": info.stored, "resource": info.plural},
        "operation": operation,
        "userInfo": {"username": draw(st.sampled_from(["ann", "system:serviceaccount:a:b"]))},
        "object": None if operation == "DELETE" else obj,
        "oldObject": old,
        "dryRun": draw(st.booleans()),
    }
    if draw(st.integers(0, 9)) == 0:
        request["subResource"] = draw(st.sampled_from(["status", "scale"]))
    return request


def bodies(kind: str) -> st.SearchStrategy[bytes]:
    """Anything that may arrive as a review: spoilt reviews, other JSON, and what is no JSON."""
    reviews = spoilt(requests(kind).map(review))
    sent = st.one_of(reviews, reviews, st.builds(review, JSON.map(lambda x: x)), JSON)
    broken = st.sampled_from(
        [
            b"",
            b"{",
            b"\xff\xfe",
            b"NaN",
            b"[" * 2000,
            b"null",
            b'{"request":{"uid":"\\ud800"}}',
            b'{"request":{"uid":NaN}}',
            b'{"request":{"uid":1e999}}',
            b'{"request":{"uid":"u","uid":"v","operation":"CREATE","object":[]}}',
        ]
    )
    return st.one_of(sent.map(encoded), sent.map(encoded), sent.map(encoded), broken)


@st.composite
def conversions(draw: st.DrawFn) -> Object:
    """ConversionReviews of whole and of spoilt objects."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    several = draw(st.lists(st.one_of(of_kind(kind), any_of(kind)), max_size=2))
    wanted = draw(st.sampled_from(["kaito.sh/v1alpha1", "kaito.sh/v1beta1", "kaito.sh/v1", "v1", "", "a/b/c"]))
    request = {"uid": "u", "desiredAPIVersion": wanted, "objects": several}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}


def encoded(body: Any) -> bytes:
    """As JSON; the standard library has no limit of depth that matters here."""
    return json.dumps(body).encode()
