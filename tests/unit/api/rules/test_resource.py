"""R rules; ids carry the row of the v0.12 contract (sections 10.2 and 10.3)."""

from typing import Any

import pytest

from kaito.api.validation import AdmissionFacts, ModelFacts, validate_create
from kaito.api.validation.facts import ModelAbsent
from kaito.api.workspace import Workspace
from tests.unit.api.rules.judged import judge_changed, judge_created
from tests.unit.api.rules.objects import (
    A100,
    GIB,
    LABELS,
    V100,
    Changed,
    Created,
    Machine,
    accepted,
    annotated,
    byo,
    change_accepted,
    change_refused,
    cpu_node,
    gpu_node,
    nap,
    on,
    preset,
    refused,
    tuning,
    workspace,
)

SELECTOR = "resource.labelSelector"
TYPE = "resource.instanceType"
RUNTIME = 'metadata.annotations["kaito.sh/runtime"]'
TRANSFORMERS = annotated(runtime="transformers")
BYPASSED = annotated(runtime="transformers", bypass_resource_checks="true")
BIG = ModelFacts(weight_bytes=100 * GIB)
SPREAD = ModelFacts(weight_bytes=100 * GIB, multi_node=True)
ABSENT = ModelAbsent("did you mean phi-4?")


def selecting(**selector: Any) -> dict[str, Any]:
    return {"resource": {"labelSelector": selector}}


def expression(key: str, *values: str, operator: str = "In") -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    "case",
    [
        refused("R1-deprecated-preset", preset("phi-2"), "inference.preset.name", "use phi-4-mini-instruct"),
        refused("R2-invalid-name-is-said-once", preset("a/") | A100, "inference.preset.name", "org/model", nap()),
        refused(
            "R3-operator",
            selecting(matchExpressions=[expression("a", operator="Exists")]),
            f"{SELECTOR}.matchExpressions[0].operator",
            "In with one value",
        ),
        refused(
            "R3-two-values",
            selecting(matchExpressions=[expression("a", "1", "2")]),
            f"{SELECTOR}.matchExpressions[0].values",
            "exactly one value",
        ),
        refused(
            "R3-contradiction",
            selecting(matchLabels={"a": "1"}, matchExpressions=[expression("a", "2")]),
            f"{SELECTOR}.matchExpressions[0].values",
            "contradicts '1'",
        ),
        accepted("R4-reserved-key-beside-another", selecting(matchLabels={"kaito.sh/workspace": "x", "a": "b"})),
        refused(
            "R5-only-reserved-keys",
            selecting(matchLabels={"kaito.sh/workspace": "x"}),
            f"{SELECTOR}.matchLabels",
            "KAITO sets itself",
        ),
        refused("ODDITY-R3-empty-selector-on-brought-nodes", selecting(), SELECTOR, "every node", byo()),
        refused("ODDITY-R3-no-resource-on-brought-nodes", {"resource": None}, SELECTOR, "every node", byo()),
        accepted("ODDITY-R3-empty-selector-elsewhere", on("Standard_NC6s_v3", labelSelector={}), nap()),
        accepted(
            "ODDITY-R3-an-expression-is-a-label",
            selecting(matchExpressions=[expression("apps", "demo")]),
            byo(gpu_node("a")),
        ),
        refused(
            "ODDITY-R3-an-expression-selects",
            selecting(matchExpressions=[expression("apps", "other")]),
            SELECTOR,
            "selects no node: kubectl label node NAME apps=other",
            byo(gpu_node("a")),
        ),
        accepted("R7-nodes-unknown", {}, byo()),
        refused("R8-no-node", selecting(matchLabels={"apps": "x"}), SELECTOR, "selects no node", byo(gpu_node("a"))),
        refused("R9-no-product", {}, SELECTOR, "node b, which has no label", byo(gpu_node("b", product=""))),
        refused("R9-no-count", {}, SELECTOR, "no label nvidia.com/gpu.count", byo(gpu_node("b", count=""))),
        refused("R9-no-memory", {}, SELECTOR, "no label nvidia.com/gpu.memory", byo(gpu_node("b", memory=""))),
        refused("R9-count-no-number", {}, SELECTOR, "has nvidia.com/gpu.count=two", byo(gpu_node("b", count="two"))),
        refused("R9-gpus-without-labels", {}, SELECTOR, "no label", byo(gpu_node("b", "", "", ""))),
        accepted("ODDITY-R9-a-node-without-gpus-is-ignored", {}, byo(gpu_node("a"), cpu_node("b"))),
        accepted("ODDITY-R9-processors-serve-too", {}, byo(cpu_node("b"), model=BIG)),
        accepted(
            "R9-known-by-its-instance-type",
            {},
            byo(
                gpu_node("a", "", "", "", **{"node.kubernetes.io/instance-type": "g6.xlarge"}),
                machine_types={"g6.xlarge": Machine(1, 24 * GIB)},
            ),
        ),
        refused("R10-product", {}, SELECTOR, "a has A100 and b has H100", byo(gpu_node("a"), gpu_node("b", "H100"))),
        refused(
            "R10-count", {}, SELECTOR, "a has 1 GPUs and b has 2", byo(gpu_node("a"), gpu_node("b", count="2"))
        ),
        refused(
            "R10-memory",
            {},
            SELECTOR,
            "a has 80 GiB of GPU memory and b has 40 GiB",
            byo(gpu_node("a"), gpu_node("b", memory="40960")),
        ),
        accepted("R10-rounded-alike", {}, byo(gpu_node("a", memory="81559"), gpu_node("b", memory="81920"))),
        accepted("R10-nodes-that-are-not-selected", {}, byo(gpu_node("a"), gpu_node("b", "H100", apps="other"))),
        refused("R11-partition", A100 | on(
            "Standard_NC6s_v3", partition={"mode": "mig", "profile": "1g.10gb"}
        ), "resource.partition", "nodes that their owner brings", nap()),
        refused("R12-no-cloud", A100, TYPE, "the operator's cloud is ''", nap(cloud="")),
        refused("R12-unknown-cloud", A100, TYPE, "must be one of azure, aws, arc", nap(cloud="gcp")),
        accepted("R12-cloud-not-known", A100, nap(cloud=None)),
        refused("R13-unknown-type", on("p9.large"), TYPE, "no GPU machine type of aws", nap(cloud="aws")),
        refused("R13-close", on("tandard_NC6s_v3"), TYPE, "did you mean Standard_NC6s_v3", nap()),
        accepted("R13-in-any-case", on("standard_nc6S_V3"), nap()),
        accepted("R13-azure-N-series", on("standard_ND999"), nap()),
        accepted("R13-azure-D-series", on("Standard_D8s_v5"), nap()),
        refused("R13-azure-prefix-elsewhere", on("Standard_ND999"), TYPE, "of aws", nap(cloud="aws")),
        accepted("R13-types-unknown", on("p9.large"), nap(cloud="aws", machine_types=None)),
        accepted("R13-not-for-tuning", on("p9.large") | tuning(), nap(cloud="aws")),
        accepted("R13-not-on-a-laptop", on("p9.large"), AdmissionFacts(provisioner="local", machine_types={})),
        refused("R14-no-such-model", preset("phi4") | A100, "inference.preset.name", "did you mean", nap(model=ABSENT)),
        accepted("R15-size-unknown", TRANSFORMERS | V100, nap(model=ModelFacts())),
        refused("R16-made-nodes", TRANSFORMERS | A100, TYPE, "1 node with 80 GiB each", nap(model=BIG)),
        refused("R16-weights", TRANSFORMERS | A100, TYPE, "weights need 100 GiB", nap(model=BIG)),
        accepted("R16-count", TRANSFORMERS | on("Standard_NC24ads_A100_v4", count=2), nap(model=BIG)),
        accepted("R16-vllm-is-left-to-the-planner", A100, nap(model=BIG)),
        refused("R16-vllm-gate-off", A100, TYPE, "weights need", nap(model=BIG, gates={"vLLM": False})),
        accepted("R16-bypassed", BYPASSED | A100, nap(model=BIG)),
        accepted("R16-unknown-azure-type", TRANSFORMERS | on("Standard_ND999"), nap(model=BIG)),
        refused("R16-brought-node", {}, SELECTOR, "1 node with 80 GiB each", byo(gpu_node("a"), model=BIG)),
        accepted("R16-two-brought-nodes", {}, byo(gpu_node("a"), gpu_node("b"), model=BIG)),
        accepted("R16-two-gpus", {}, byo(gpu_node("a", count="2"), model=BIG)),
        refused("R17-one-node-only", TRANSFORMERS | on("Standard_NC24ads_A100_v4", count=2), RUNTIME, "one node only",
                nap(model=SPREAD)),
        refused("R17-not-bypassable", BYPASSED | A100, RUNTIME, "one node only", nap(model=SPREAD)),
        accepted("R17-vllm-spreads", {}, byo(gpu_node("a"), gpu_node("b"), model=SPREAD)),
        refused("R20-count-of-tuning", on("", count=2) | tuning(), "resource.count", "must be 1"),
        accepted("ODDITY-R20-null-counts-as-one", on("", count=None) | tuning()),
        accepted("ODDITY-R20-no-resource", {"resource": None} | tuning()),
    ],
)  # fmt: skip
def test_a_new_workspace(case: Created) -> None:
    judge_created(case)


def test_r20_null_count_is_accepted_as_it_is_stored() -> None:
    stored = {"metadata": {"name": "t"}, "resource": {"labelSelector": LABELS, "count": None}, **tuning()}
    assert validate_create(Workspace.decode({k: v for k, v in stored.items() if v is not None})) == []


NO_TYPE: dict[str, Any] = on("")
OTHER = selecting(matchLabels={"apps": "other"})
UNREADABLE = selecting(matchExpressions=[expression("a", operator="Exists")])


@pytest.mark.parametrize(
    "case",
    [
        change_refused("R21-count", on("", count=1), on("", count=2), "resource.count", "cannot be changed"),
        change_accepted("R21-count-added", on("", count=None), on("", count=2)),
        change_refused(
            "R22-partition-added",
            {},
            on("", partition={"mode": "accelerator", "count": 1}),
            "resource.partition",
            "cannot be changed",
        ),
        change_refused(
            "R22-partition-removed",
            on("", partition={"mode": "accelerator", "count": 1}),
            {},
            "resource.partition",
            "cannot be changed",
        ),
        change_accepted(
            "R22-partition-the-same",
            on("", partition={"mode": "accelerator", "count": 1}),
            on("", partition={"mode": "accelerator", "count": 1, "profile": None}),
        ),
        change_refused("R23-type-added-on-brought-nodes", NO_TYPE, A100, TYPE, "cannot be added", byo()),
        change_refused("R24-type-changed-on-brought-nodes", V100, A100, TYPE, "cannot be changed", byo()),
        change_accepted("R24-type-cleared-on-brought-nodes", A100, NO_TYPE, byo()),
        change_refused("R25-type-cleared", A100, NO_TYPE, TYPE, "put back Standard_NC24ads_A100_v4", nap()),
        change_accepted("ODDITY-R25-a-missing-type-that-was-missing", NO_TYPE, NO_TYPE | annotated(a="b"), nap()),
        change_accepted("R25-type-added", NO_TYPE, A100, nap()),
        change_refused("R26-type-changed", V100, A100, TYPE, "cannot be changed", nap()),
        change_refused("R26-type-changed-anywhere", V100, A100, TYPE, "cannot be changed"),
        change_accepted("R26-type-changed-on-a-laptop", V100, A100, AdmissionFacts(provisioner="local")),
        change_refused("R27-unreadable", {}, UNREADABLE, f"{SELECTOR}.matchExpressions[0].operator", "In with one"),
        change_accepted("R27-unreadable-before", UNREADABLE, {}),
        change_accepted("R27-unreadable-and-unchanged", UNREADABLE, UNREADABLE | annotated(a="b")),
        change_refused("R28-labels", {}, OTHER, SELECTOR, "cannot be changed"),
        change_refused("R28-resource-removed", {}, {"resource": None}, SELECTOR, "cannot be changed"),
        change_accepted("R28-other-spelling", {}, selecting(matchExpressions=[expression("apps", "demo")])),
        change_accepted("R28-preferred-nodes", {}, on("", preferredNodes=["a"])),
    ],
)
def test_a_change(case: Changed) -> None:
    judge_changed(case)


def test_the_environment_is_not_judged_on_update() -> None:
    """ODDITY of section 9: nodes that are gone kept the status from being written."""
    from kaito.api.validation import validate_update

    facts = byo(gpu_node("a", apps="other"), model=BIG)
    assert validate_create(workspace(), facts)
    assert validate_update(workspace(), workspace(**annotated(runtime="transformers")), facts) == []
