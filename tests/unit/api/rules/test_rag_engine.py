"""G rules; ids carry the row of the v0.12 contract (section 10.12)."""

from typing import Any

import pytest

from kaito.api.validation import AdmissionFacts
from kaito.controllers.judges import judge
from tests.unit.api.rules.objects import LABELS, byo, nap
from tests.unit.api.rules.writes import (
    Object,
    Write,
    accepted,
    change_accepted,
    change_refused,
    check,
    deep,
    refused,
    request,
)

URL = "spec.inferenceService.url"
WINDOW = "spec.inferenceService.contextWindowSize"
INSTANCE_TYPE = "spec.compute.instanceType"
IMAGE = "spec.embedding.local.image"
REMOTE = "spec.embedding.remote.url"
NAMED = "spec.guardrails.configMapRef.name"
ENABLED = "spec.guardrails.enabled"
MINE = {"enabled": True, "configMapRef": {"name": "rules"}}
DEFAULT = {"enabled": True}
TEMPLATE = ("kaito", "ragengine-guardrails-policy-template")
A100 = {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": LABELS}
V100 = {"instanceType": "Standard_NC6s_v3", "labelSelector": LABELS}
EXISTS = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
QDRANT = {"engine": "qdrant", "url": "http://qdrant.team:6333"}
ANY = {"labelSelector": LABELS}
PREFERRED = {**A100, "preferredNodes": ["n"]}
SLICE = {"mode": "accelerator", "count": 1}
DIGEST = "sha256:" + "0" * 64
GOOD: Object = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "RAGEngine",
    "metadata": {"name": "handbook", "namespace": "team"},
    "spec": {
        "embedding": {"local": {"modelID": "BAAI/bge-small-en-v1.5"}},
        "inferenceService": {"url": "http://chat.team/v1/chat/completions", "contextWindowSize": 8192},
    },
}


def made(name: str = "handbook", **spec: Any) -> Object:
    return deep(GOOD, {"metadata": {"name": name}, "spec": spec})


def service(url: Any = "http://chat", size: int = 1) -> Object:
    return made(inferenceService={"url": url, "contextWindowSize": size})


def local(**embedding: Any) -> Object:
    return made(embedding={"local": {"modelID": None} | embedding})


def remote(url: str) -> Object:
    return made(embedding={"local": None, "remote": {"url": url}})


def policy(data: Any, place: tuple[str, str] = ("team", "rules"), release: str | None = "kaito") -> AdmissionFacts:
    return AdmissionFacts(config_maps={place: data}, release_namespace=release)


def old(obj: Object) -> Object:
    return obj | {"apiVersion": "kaito.sh/v1alpha1"}


NO_SPEC = deep(GOOD, {"spec": None})
BROKEN = deep(
    service("ftp://chat", 0), {"spec": {"guardrails": MINE, "storage": {"vectorDB": {"engine": "x", "url": "y"}}}}
)


@pytest.mark.parametrize(
    "case",
    [
        accepted("G1-a-good-engine", GOOD),
        refused("G1-no-address", service("chat"), URL, "absolute URL"),
        refused("G1-path-alone", service("/v1/chat"), URL, "absolute URL"),
        refused("G1-scheme", service("ftp://chat/v1"), URL, "http:// or https://"),
        refused("G1-port", service("http://chat:port/"), URL, "is not a URL"),
        accepted("G1-empty-only-retrieves", service("")),
        accepted("G1-absent-only-retrieves", service(None)),
        accepted("G1-inside-the-cluster", service("http://10.0.0.7:5000/v1")),
        refused("ODDITY-G1-path-of-the-field", service("http//chat"), URL, "absolute URL"),
        refused("G2-zero", service(size=0), WINDOW, "must be more than 0"),
        refused("G2-negative", service(size=-1), WINDOW, "must be more than 0"),
        refused("G3-no-embedding", made(embedding=None), "spec.embedding", "is required"),
        refused("G4-neither", made(embedding={"local": None}), "spec.embedding", "found none"),
        refused("G5-both", made(embedding={"remote": {"url": "http://e"}}), "spec.embedding", "found both"),
        refused("G6-unknown-cloud", made(compute=A100), INSTANCE_TYPE, "cloud is 'gcp'", nap(cloud="gcp")),
        refused("G7-no-such-machine", made(compute={**A100, "instanceType": "X"}), INSTANCE_TYPE, "no GPU", nap()),
        refused("G7-none-where-nodes-are-made", made(compute=ANY), INSTANCE_TYPE, "is required", nap()),
        refused("G7-brought-nodes", made(compute=A100), INSTANCE_TYPE, "chosen by spec.compute.labelSelector", byo()),
        accepted("G7-known", made(compute=A100), nap()),
        accepted("G7-old-version-has-a-default", old(made(compute=ANY)), nap()),
        accepted("G7-nothing-known", made(compute={**A100, "instanceType": "X"})),
        accepted("G7-local", made(compute=A100), AdmissionFacts(provisioner="local")),
        refused(
            "G8-selector",
            made(compute={"labelSelector": EXISTS}),
            "spec.compute.labelSelector.matchExpressions[0].operator",
            "use In with one value",
        ),
        refused("G9-neither", local(), "spec.embedding.local", "found none"),
        refused("G9-both-empty", local(image="", modelID=""), "spec.embedding.local", "found none"),
        refused("G10-both", local(image="registry.example/e:1", modelID="a/b"), "spec.embedding.local", "found both"),
        refused("G11-no-image", local(image="a b"), IMAGE, "registry/name:tag"),
        refused("G11-bad-digest", local(image="registry.example/e@sha256:12"), IMAGE, "digest"),
        accepted("ODDITY-G11-digest", local(image=f"registry.example/e@{DIGEST}")),
        accepted("ODDITY-G11-port-and-no-tag", local(image="registry.example:5000/e")),
        accepted("ODDITY-G11-docker-hub", local(image="e:1")),
        refused("G12-upper-case", local(image="registry.example/Embed:1"), IMAGE, "lower case"),
        refused("G13-no-address", remote("embed"), REMOTE, "absolute URL"),
        refused("G13-empty", remote(""), REMOTE, "absolute URL"),
        refused("ODDITY-G13-path-of-the-field", remote("file:///embed"), REMOTE, "absolute URL"),
        accepted("G13-inside-the-cluster", remote("http://embed.team.svc/v1")),
        refused("G14-none-installed", made(guardrails=DEFAULT), ENABLED, "none is installed", policy(None, release="")),
        refused(
            "G14-empty-name",
            made(guardrails={"enabled": True, "configMapRef": {"name": ""}}),
            ENABLED,
            "none is installed",
            policy(None, release=""),
        ),
        accepted("G14-unknown-release-namespace", made(guardrails=DEFAULT)),
        accepted("G14-not-enabled", made(guardrails={"enabled": False}), policy(None, release="")),
        refused("G15-named", made(guardrails=MINE), NAMED, "is no ConfigMap in namespace team", policy(None)),
        refused("G15-installed", made(guardrails=DEFAULT), ENABLED, "in namespace kaito", policy(None, TEMPLATE)),
        accepted("G15-cannot-be-read", made(guardrails=MINE)),
        accepted("G15-not-enabled", made(guardrails={**MINE, "enabled": False}), policy(None)),
        refused("G16-no-key", made(guardrails=MINE), NAMED, "has no key guardrails.yaml", policy({"a": "b"})),
        refused("G16-no-key-installed", made(guardrails=DEFAULT), ENABLED, "has no key", policy({}, TEMPLATE)),
        refused("G16-no-yaml", made(guardrails=MINE), NAMED, "is not valid YAML", policy({"guardrails.yaml": "{"})),
        accepted("G16-a-policy", made(guardrails=MINE), policy({"guardrails.yaml": "rails: []"})),
        refused("ODDITY-G3-null-spec", NO_SPEC, "spec", "is required"),
        refused("ODDITY-G3-null-spec-v1alpha1", old(NO_SPEC), "spec", "is required"),
        refused("ODDITY-G-name-begins-with-a-digit", made("1st"), "metadata.name", "begin with a lower-case letter"),
        refused("ODDITY-G-name-has-a-dot", made("a.b"), "metadata.name", "cannot name a Service"),
        refused("ODDITY-G-name-64-characters", made("x" * 64), "metadata.name", "keep to 63"),
        accepted("ODDITY-G-name-63-characters", made("x" * 63)),
        refused(
            "ODDITY-G-vector-engine", made(storage={"vectorDB": {**QDRANT, "engine": "milvus"}}),
            "spec.storage.vectorDB.engine", "use qdrant",
        ),
        refused(
            "ODDITY-G-vector-url", made(storage={"vectorDB": {**QDRANT, "url": "qdrant:6333"}}),
            "spec.storage.vectorDB.url", "https://host/path",
        ),
        accepted("ODDITY-G-vector-qdrant", made(storage={"vectorDB": QDRANT})),
        refused("ODDITY-G-partition", made(compute={"labelSelector": LABELS, "partition": SLICE}),
                "spec.compute.partition", "is not supported"),
        refused("ODDITY-G-v1alpha1-has-the-same-rules", old(service("chat")), URL, "absolute URL"),
    ],
)  # fmt: skip
def test_a_new_engine(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("G1-changed", GOOD, service("chat"), URL, "absolute URL"),
        change_refused("G2-changed", GOOD, service(size=0), WINDOW, "more than 0"),
        change_refused("G4-changed", GOOD, made(embedding={"local": None}), "spec.embedding", "found none"),
        change_refused("G11-changed", GOOD, local(image="a b"), IMAGE, "registry/name:tag"),
        change_refused("G13-changed", GOOD, remote("embed"), REMOTE, "absolute URL"),
        change_refused("G14-changed", GOOD, made(guardrails=DEFAULT), ENABLED, "installed", policy(None, release="")),
        change_refused("G15-changed", GOOD, made(guardrails=MINE), NAMED, "is no ConfigMap", policy(None)),
        change_refused("G16-changed", GOOD, made(guardrails=MINE), NAMED, "has no key", policy({})),
        change_accepted("ODDITY-G15-unchanged", made(guardrails=MINE), deep(service(), {"spec": {"guardrails": MINE}}),
                        policy(None)),
        change_accepted("ODDITY-G-the-rest-of-a-broken-engine-can-change", BROKEN, deep(BROKEN, {"spec": {
            "embedding": {"local": {"modelID": "a/b"}}}}), policy(None)),
        change_refused("G17-added", GOOD, made(compute=A100), "spec.compute", "cannot be added"),
        change_refused("G17-removed", made(compute=A100), GOOD, "spec.compute", "cannot be removed"),
        change_refused("G18-instance-type", made(compute=A100), made(compute=V100), INSTANCE_TYPE,
                       "make a new RAGEngine", nap()),
        change_refused("G18-instance-type-removed", made(compute=A100), made(compute={"instanceType": None,
            "labelSelector": LABELS}), INSTANCE_TYPE, "cannot be removed", nap()),
        change_refused("G18-count", made(compute={**A100, "count": 1}), made(compute={**A100, "count": 2}),
                       "spec.compute.count", "make a new RAGEngine"),
        change_refused("G18-selector", made(compute=A100), made(compute={**A100, "labelSelector": {
            "matchLabels": {"apps": "b"}}}), "spec.compute.labelSelector", "cannot be changed"),
        change_refused("G18-partition", made(compute=A100), made(compute={**A100, "partition": SLICE}),
                       "spec.compute.partition", "is not supported"),
        change_refused("ODDITY-G18-added-on-brought-nodes", made(compute=ANY), made(compute=A100),
                       INSTANCE_TYPE, "cannot be added", byo()),
        change_accepted("G18-preferred-nodes", made(compute=A100), made(compute=PREFERRED), nap()),
        change_accepted("G7-unchanged", made(compute={**A100, "instanceType": "X"}), deep(service(), {"spec": {
            "compute": {**A100, "instanceType": "X"}}}), nap()),
        change_accepted("ODDITY-G-a-stored-name-is-not-judged", made("1st"), made("1st", guardrails={})),
        change_refused("ODDITY-G3-spec-removed", GOOD, NO_SPEC, "spec", "is required"),
        change_accepted("ODDITY-G3-a-null-spec-is-put-right", NO_SPEC, GOOD),
        change_accepted("ODDITY-G3-a-null-spec-can-be-annotated", NO_SPEC, deep(NO_SPEC, {"metadata": {"annotations": {
            "a": "b"}}})),
    ],
)  # fmt: skip
def test_a_change(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"subResource": "status"}, id="status"),
        pytest.param({"object": deep(BROKEN, {"metadata": {"finalizers": []}})}, id="finalizers"),
        pytest.param({"object": deep(NO_SPEC, {"metadata": {"deletionTimestamp": "t"}})}, id="on-its-way-out"),
    ],
)
def test_oddity_g_other_writes_are_not_judged(more: Object) -> None:
    assert judge("RAGEngine", request(GOOD, BROKEN, **more), policy(None)).refusal is None


def test_secrets_that_are_missing_are_warned_of() -> None:
    spec = {"inferenceService": {"accessSecret": "llm"}, "storage": {"vectorDB": {**QDRANT, "accessSecret": "db"}}}
    known = AdmissionFacts(secrets={("team", "llm"): None, ("team", "db"): frozenset({"other"})})
    assert judge("RAGEngine", request(made(**spec)), known).warnings == [
        "spec.storage.vectorDB.accessSecret: Secret 'db' has no key VECTOR_DB_ACCESS_SECRET: put it there",
        "spec.inferenceService.accessSecret: there is no Secret 'llm' in namespace team: create it",
    ]
