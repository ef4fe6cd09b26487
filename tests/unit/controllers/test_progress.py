"""What a workload that comes up says it is doing."""

from typing import Any

import pytest

from kaito.controllers.progress import workload

SET = {"metadata": {"name": "demo"}}
RUNS = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
DONE = {"terminated": {"exitCode": 0}}


def pod(
    name: str = "demo-0",
    *,
    node: str | None = "n1",
    ready: bool = False,
    inits: tuple[dict[str, Any], ...] = (),
    containers: tuple[dict[str, Any], ...] = (),
    **meta: str,
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, **meta},
        "spec": {"nodeName": node} if node else {},
        "status": {
            "initContainerStatuses": [{"name": f"init-{n}", "state": one} for n, one in enumerate(inits, 1)],
            "containerStatuses": [{"name": "demo", "ready": ready, "state": one} for one in containers],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


@pytest.mark.parametrize(
    ("pods", "wanted", "sentence"),
    [
        ([], 1, "StatefulSet demo has 0 of 1 pods"),
        ([pod(node=None)], 1, "pod demo-0 waits for the scheduler to choose a node"),
        ([pod()], 1, "pod demo-0 is on node n1 and about to start"),
        ([pod(inits=(DONE, RUNS))], 1,
         "pod demo-0: container init-2 prepares, since 2026-01-02T03:04:05Z (preparation 2 of 2)"),
        ([pod(inits=({"waiting": {"reason": "PodInitializing"}},))], 1,
         "pod demo-0: container init-1 is not started yet: PodInitializing (preparation 1 of 1)"),
        ([pod(containers=({"waiting": {"reason": "ContainerCreating"}},))], 1,
         "pod demo-0: container demo is not started yet: ContainerCreating"),
        ([pod(containers=(RUNS,))], 1,
         "pod demo-0: container demo loads the model and produces a first token, since 2026-01-02T03:04:05Z"),
        ([pod(containers=(RUNS,), deletionTimestamp="t")], 1, "pod demo-0 is stopping; its successor follows"),
        ([pod("demo-1", node=None), pod("demo-0", ready=True)], 2,
         "pod demo-1 waits for the scheduler to choose a node (1 of 2 pods ready)"),
        ([pod(ready=True)], 2, "StatefulSet demo has 1 of 2 pods"),
        ([pod(ready=True)], 1, "StatefulSet demo is being rolled out"),
        ([], 0, "StatefulSet demo is scaled to 0, so nothing serves: kubectl scale statefulset demo --replicas=1"),
    ],
)  # fmt: skip
def test_the_step_is_that_of_the_first_pod_that_is_not_ready(
    pods: list[dict[str, Any]], wanted: int, sentence: str
) -> None:
    assert workload("demo", SET, pods, wanted=wanted) == sentence


def test_without_a_stateful_set_there_is_nothing_to_wait_for_yet() -> None:
    assert workload("demo", None, [], wanted=1) == "StatefulSet demo is not created yet"
