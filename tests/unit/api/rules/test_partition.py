"""P rules; ids carry the row of the v0.12 contract (section 10.2)."""

from typing import Any

import pytest

from kaito.api.errors import SpecErrors
from kaito.api.validation import ModelFacts
from kaito.api.validation.partition import MIG_PROFILES, slice_bytes
from kaito.capacity.machines import mig_slice
from tests.unit.api.rules.judged import judge_created
from tests.unit.api.rules.objects import (
    GIB,
    LABELS,
    Created,
    accepted,
    annotated,
    byo,
    cpu_node,
    gpu_node,
    preset,
    refused,
    tuning,
    workspace,
)

FIELD = "resource.partition"
ON = byo(gates={"enableMIG": True, "enableAccelerator": True})
TWENTY = ModelFacts(weight_bytes=20 * GIB)


def part(mode: str, **more: Any) -> dict[str, Any]:
    return {"resource": {"labelSelector": LABELS, "partition": {"mode": mode, **more}}}


SLICE = part("mig", profile="1g.10gb")
SHARE = part("accelerator", count=2)


@pytest.mark.parametrize(
    "case",
    [
        accepted("R6-mig", SLICE, ON),
        accepted("R6-accelerator", SHARE, ON),
        accepted(
            "R6-nodes-are-not-compared", part("accelerator", count=1), byo(gpu_node("a"), gpu_node("b", "H100"))
        ),
        refused("P1-gate", SLICE, f"{FIELD}.mode", "feature gate enableMIG", byo(gates={"enableMIG": False})),
        accepted("P1-gate-unknown", SLICE, byo()),
        refused("P2-count", part("mig", profile="1g.10gb", count=1), f"{FIELD}.count", "mode accelerator", ON),
        refused("P3-no-profile", part("mig"), f"{FIELD}.profile", "write it as 1g.10gb", ON),
        refused("P3-no-slices", part("mig", profile="0g.10gb"), f"{FIELD}.profile", "write it as 1g.10gb", ON),
        refused("P3-no-memory", part("mig", profile="1g.0gb"), f"{FIELD}.profile", "write it as 1g.10gb", ON),
        refused("P3-unit", part("mig", profile="1g.10GB"), f"{FIELD}.profile", "write it as 1g.10gb", ON),
        refused("P3-of-no-gpu", part("mig", profile="1g.11gb"), f"{FIELD}.profile", "did you mean", ON),
        refused(
            "P4-gate", SHARE, f"{FIELD}.mode", "feature gate enableAccelerator", byo(gates={"enableAccelerator": False})
        ),
        refused("P5-profile", part("accelerator", count=1, profile="1g.10gb"), f"{FIELD}.profile", "mode mig", ON),
        refused("P6-no-count", part("accelerator"), f"{FIELD}.count", "is required", ON),
        refused("P7-too-small", SLICE, f"{FIELD}.profile", "has 10 GiB and the model's weights need 20 GiB",
                byo(model=TWENTY)),
        accepted("P7-fits", part("mig", profile="1g.20gb"), byo(model=TWENTY)),
        accepted("P7-bypassed", SLICE | annotated(bypass_resource_checks="true"), byo(model=TWENTY)),
        accepted("P7-size-unknown", SLICE, byo(model=ModelFacts())),
        refused("P9-tuning", SLICE | tuning(), FIELD, "not supported for tuning", ON),
        refused("ODDITY-P-accelerator-more-than-a-node-has", SHARE, f"{FIELD}.count", "ask for at most 1",
                byo(gpu_node("a"), cpu_node("b"))),
        accepted("ODDITY-P-accelerator-fits-one-of-the-nodes", SHARE, byo(gpu_node("a"), gpu_node("b", count="4"))),
        refused("ODDITY-P-accelerator-no-node", SHARE, "resource.labelSelector", "selects no node",
                byo(gpu_node("a", apps="other"))),
        accepted("ODDITY-P-accelerator-nodes-unknown", SHARE, byo()),
        refused("P-with-instance-type", {"resource": {**SLICE["resource"], "instanceType": "g6.xlarge"}}, FIELD,
                "needs brought nodes"),
        accepted("R6-with-a-template", SLICE | {"inference": {"template": {}}}, ON),
        refused("P7-model-named-wrong", SLICE | preset("a/b/c"), "inference.preset.name", "org/model", ON),
    ],
)  # fmt: skip
def test_a_new_workspace(case: Created) -> None:
    judge_created(case)


@pytest.mark.parametrize("mode", [pytest.param("share", id="P8-unknown-mode")])
def test_an_unknown_mode_does_not_decode(mode: str) -> None:
    with pytest.raises(SpecErrors, match=r"resource\.partition\.mode: 'share' is not allowed: use 'mig' or 'acc"):
        workspace(**part(mode))


@pytest.mark.parametrize("profile", MIG_PROFILES, ids=lambda profile: f"P3-{profile}")
def test_the_planner_knows_every_profile(profile: str) -> None:
    assert slice_bytes(profile) == mig_slice(profile).gpu_memory
