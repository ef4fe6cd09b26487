"""M rules; ids carry the row of the v0.12 contract (section 10.13)."""

from typing import Any

import pytest

from kaito.api.children import replica_of, role_set
from kaito.api.multi_role_inference import MultiRoleInference
from kaito.api.validation import AdmissionFacts, validate_create
from kaito.controllers.judges import judge
from tests.unit.api.rules.objects import byo, gpu_node, nap
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

MODEL = "spec.model.name"
SELECTOR = "spec.labelSelector"
A100 = "Standard_NC24ads_A100_v4"
GOOD: Object = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "MultiRoleInference",
    "metadata": {"name": "split", "namespace": "team"},
    "spec": {
        "labelSelector": {"matchLabels": {"apps": "split"}},
        "model": {"name": "kaito-demo"},
        "roles": [{"type": "prefill", "replicas": 1}, {"type": "decode"}],
    },
}
GONE = AdmissionFacts(config_maps={("team", "mine"): None})
EXISTS = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}


def made(name: str = "split", **spec: Any) -> Object:
    return deep(GOOD, {"metadata": {"name": name}, "spec": spec})


def roles(*many: Object) -> Object:
    return made(roles=list(many))


def both(prefill: Object | None = None, decode: Object | None = None) -> Object:
    return roles({"type": "prefill", **(prefill or {})}, {"type": "decode", **(decode or {})})


def selected(selector: Object) -> Object:
    return GOOD | {"spec": GOOD["spec"] | {"labelSelector": selector}}


MACHINES = both({"instanceType": A100}, {"instanceType": A100})
BROKEN = deep(both({"runtimeConfig": "mine"}), {"spec": {"model": {"name": "a/b/c"}}})


@pytest.mark.parametrize(
    "case",
    [
        accepted("M1-a-good-one", GOOD),
        refused("M1-upper-case", made("Split"), "metadata.name", "lower-case"),
        refused("M1-dot", made("a.b"), "metadata.name", "lower-case"),
        refused("ODDITY-M1-46-characters", made("x" * 46), "metadata.name", "room for 45"),
        accepted("ODDITY-M1-45-characters", made("x" * 45)),
        refused("M2-empty", made(model={"name": ""}), MODEL, "is required: name the model"),
        refused("M2-absent", made(model={"name": None}), MODEL, "is required"),
        refused("M3-null", made(labelSelector=None), SELECTOR, "is required"),
        refused("M4-empty", selected({}), SELECTOR, "is empty: name a label"),
        refused("M4-empty-parts", selected({"matchLabels": {}, "matchExpressions": []}), SELECTOR, "is empty"),
        refused("M4-empty-on-brought-nodes", selected({}), SELECTOR, "is empty", byo()),
        refused("M6-one", roles({"type": "prefill"}), "spec.roles", "at least 2"),
        refused("M6-three", roles(*[{"type": "prefill"}] * 3), "spec.roles", "at most 2"),
        refused("M7-twice", roles(*[{"type": "decode"}] * 2), "spec.roles[1].type", "make one of them prefill"),
        refused("M7-unknown", roles({"type": "prefill"}, {"type": "encode"}), "spec.roles[1].type", "'decode'"),
        refused("M8-prefill", both({"instanceType": A100}), "spec.roles[0].instanceType", "nodes are brought", byo()),
        refused("M8-decode", both(None, {"instanceType": A100}), "spec.roles[1].instanceType", "are brought", byo()),
        accepted("M8-local-takes-one", MACHINES, AdmissionFacts(provisioner="local")),
        refused("M9-prefill", both(None, {"instanceType": A100}), "spec.roles[0].instanceType", "is required", nap()),
        refused(
            "M9-karpenter",
            both({"instanceType": A100}),
            "spec.roles[1].instanceType",
            "is required",
            nap(provisioner="karpenter"),
        ),
        accepted("M9-both", MACHINES, nap()),
        refused("M10-zero", both({"replicas": 0}), "spec.roles[0].replicas", "greater than or equal to 1"),
        refused("M10-negative", both(None, {"replicas": -1}), "spec.roles[1].replicas", "greater than or equal to 1"),
        accepted("ODDITY-M10-absent-is-the-autoscaler's", both()),
        refused("M11-no-decode", roles(*[{"type": "prefill"}] * 2), "spec.roles[1].type", "make one of them decode"),
        refused("ODDITY-M-model", made(model={"name": "a/b/c"}), MODEL, "Hugging Face id"),
        refused("ODDITY-M-selector", selected(EXISTS), f"{SELECTOR}.matchExpressions[0].operator", "use In"),
        refused(
            "ODDITY-M-config", both({"runtimeConfig": "mine"}), "spec.roles[0].runtimeConfig", "is no ConfigMap", GONE
        ),
        refused(
            "ODDITY-M-machine",
            both({"instanceType": A100}, {"instanceType": "X"}),
            "spec.roles[1].instanceType",
            "no GPU machine type",
            nap(),
        ),
        refused("ODDITY-M-no-node", GOOD, SELECTOR, "", byo(gpu_node("n"))),
        refused(
            "ODDITY-M-annotation",
            deep(GOOD, {"metadata": {"annotations": {"kaito.sh/performance-mode": "fast"}}}),
            'metadata.annotations["kaito.sh/performance-mode"]',
            "'balanced'",
        ),
    ],
)
def test_a_new_one(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "case",
    [
        change_refused("M5-another-model", GOOD, made(model={"name": "phi-4"}), MODEL, "was 'kaito-demo' and cannot"),
        change_refused("M4-changed", GOOD, selected({}), SELECTOR, "is empty"),
        change_refused("M7-changed", GOOD, roles(*[{"type": "decode"}] * 2), "spec.roles[1].type", "is there twice"),
        change_refused(
            "M8-changed", GOOD, both({"instanceType": A100}), "spec.roles[0].instanceType", "brought", byo()
        ),
        change_refused(
            "M9-changed", MACHINES, both({"instanceType": A100}), "spec.roles[1].instanceType", "is required", nap()
        ),
        change_accepted(
            "M1-a-stored-name-is-not-judged", made("x" * 60), made("x" * 60, roles=both()["spec"]["roles"])
        ),
        change_accepted(
            "M8-unchanged", MACHINES, both({"instanceType": A100, "replicas": 3}, {"instanceType": A100}), byo()
        ),
        change_accepted("M9-unchanged", GOOD, both({"replicas": 3}), nap()),
        change_accepted("M10-handed-to-an-autoscaler", GOOD, both()),
        change_accepted("M7-another-order", GOOD, roles({"type": "decode"}, {"type": "prefill"})),
        change_accepted(
            "ODDITY-M-a-config-map-is-gone",
            both({"runtimeConfig": "mine"}),
            both({"runtimeConfig": "mine"}, {"replicas": 2}),
            GONE,
        ),
        change_refused(
            "ODDITY-M-config-changed",
            GOOD,
            both({"runtimeConfig": "mine"}),
            "spec.roles[0].runtimeConfig",
            "is no ConfigMap",
            GONE,
        ),
        change_accepted(
            "ODDITY-M-the-rest-of-a-broken-one-can-change",
            BROKEN,
            deep(BROKEN, {"spec": {"eppPluginsConfig": "x"}}),
            GONE,
        ),
    ],
)
def test_a_change(case: Write) -> None:
    check(case)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"subResource": "status"}, id="status"),
        pytest.param({"object": deep(BROKEN, {"metadata": {"finalizers": []}})}, id="finalizers"),
        pytest.param(
            {"object": deep(BROKEN, {"metadata": {"deletionTimestamp": "t"}, "spec": {"roles": []}})}, id="gone"
        ),
    ],
)
def test_oddity_m_other_writes_are_not_judged(more: Object) -> None:
    assert judge("MultiRoleInference", request(GOOD, BROKEN, **more), GONE).refusal is None


def test_oddity_roles_select_nodes_by_the_author_s_labels_alone() -> None:
    marks = {
        "kaito.sh/runtime": "vllm",
        "inference.kaito.sh/x": "y",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    owner = MultiRoleInference.decode(deep(GOOD, {"metadata": {"annotations": marks}}))
    prefill, decode = (role_set(owner, role).encode() for role in owner.spec.roles)
    assert prefill["metadata"]["name"] == "split-prefill"
    assert prefill["spec"]["labelSelector"] == {"matchLabels": {"apps": "split"}}
    template = prefill["spec"]["template"]["metadata"]
    assert template["annotations"] == {"kaito.sh/runtime": "vllm", "inference.kaito.sh/x": "y"}
    assert template["labels"] == {
        "apps": "split",
        "multiroleinference.kaito.sh/created-by": "split",
        "kaito.sh/inference-role": "prefill",
    }
    assert (prefill["spec"]["replicas"], decode["spec"]["replicas"]) == (1, 1)


def test_oddity_m1_the_longest_name_makes_names_that_can_be_served() -> None:
    owner = MultiRoleInference.decode(made("x" * 45))
    for role in owner.spec.roles:
        child = role_set(owner, role)
        assert judge("InferenceSet", request(child.encode())).refusal is None
        replica = replica_of(child, brought=False)
        named = {"metadata": {"name": f"{replica.metadata['generateName']}x7k2m"}}
        assert validate_create(replica.model_copy(update=named)) == []


def test_what_both_roles_have_in_common_is_said_once() -> None:
    said = judge("MultiRoleInference", request(made(model={"name": "a/b/c"}))).refusal or ""
    assert said.count("spec.model.name") == 1


def test_a_secret_and_a_picker_that_are_missing_are_warned_of() -> None:
    obj = made(model={"modelAccessSecret": "hf"}, eppPluginsConfig="mine")
    known = AdmissionFacts(config_maps={("team", "mine"): None}, secrets={("team", "hf"): None})
    assert judge("MultiRoleInference", request(obj), known).warnings == [
        "spec.model.modelAccessSecret: there is no Secret 'hf' in namespace team: create it",
        "spec.eppPluginsConfig: there is no ConfigMap 'mine' in namespace team: create it",
    ]
