"""What a person reads about a Workspace is the truth of its conditions."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from kaito.cli import view


def workspace(*conditions: tuple[str, str, str, str], generation: int = 1, observed: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": "demo", "generation": generation},
        "inference": {"preset": {"name": "kaito-demo"}},
        "status": {
            "conditions": [
                {"type": t, "status": s, "reason": r, "message": m, "observedGeneration": observed}
                for t, s, r, m in conditions
            ]
        },
    }


READY = (
    ("ResourceReady", "True", "workspaceResourceStatusSuccess", "workspace resource is ready"),
    ("InferenceReady", "True", "WorkspaceInferenceStatusSuccess", "Inference has been deployed successfully"),
    ("WorkspaceSucceeded", "True", "workspaceSucceeded", "workspace succeeds"),
)


def test_ready_only_when_success_was_observed_for_the_present_spec() -> None:
    assert view.is_ready(workspace(*READY))
    assert not view.is_ready(workspace(*READY, generation=2, observed=1))
    assert not view.is_ready(workspace())


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        pytest.param((), "the operator has not looked at it yet", id="no condition yet"),
        pytest.param(
            (
                ("ResourceReady", "True", "ok", "fine"),
                ("InferenceReady", "False", "ContainerOOMKilled", "demo-0 was killed: 3 GiB of 2 GiB"),
                ("WorkspaceSucceeded", "False", "workspacePending", "waiting"),
            ),
            "ContainerOOMKilled: demo-0 was killed: 3 GiB of 2 GiB",
            id="the cause, not the summary",
        ),
        pytest.param(
            (("InferenceReady", "False", "WorkspaceInferenceStatusPending", "pod demo-0 waits for the scheduler"),),
            "pod demo-0 waits for the scheduler",
            id="a step on the way has no code",
        ),
        pytest.param(READY, "the model answers", id="ready"),
    ],
)
def test_why_names_the_first_cause(conditions: tuple[tuple[str, str, str, str], ...], sentence: str) -> None:
    assert view.why(workspace(*conditions)) == sentence


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("2026-01-02T03:04:00Z", "5s"),
        ("2026-01-02T03:02:05Z", "2m"),
        ("2026-01-02T03:02:06Z", "119s"),
        ("2026-01-01T03:04:05Z", "24h"),
        ("2025-12-30T03:04:05Z", "3d"),
        ("2026-01-02T03:05:00Z", "0s"),
    ],
)
def test_age_is_written_as_kubectl_does(then: str, text: str) -> None:
    assert view.age(then, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == text


def test_the_list_shows_the_reason_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    item = workspace(("InferenceReady", "False", "ImagePullError", "no such image"))
    item["metadata"]["creationTimestamp"] = "2026-01-02T03:04:00Z"
    view.print_workspaces([item])
    out = capsys.readouterr().out
    assert "NAME" in out
    assert "kaito-demo" in out
    assert "ImagePullError" in out


def test_the_status_page_ends_with_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    shown = workspace(*READY)
    for one in shown["status"]["conditions"]:
        one["lastTransitionTime"] = datetime.now(UTC).isoformat()
    view.print_status(shown)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert "✓  InferenceReady      0s  Inference has been deployed successfully" in lines
    assert lines[-1] == "next   kaito chat demo"
    found = shown["status"]["conditions"][1]
    found.update(status="False", reason="ContainerOOMKilled", message="demo-0 was killed")
    shown["status"]["conditions"][2]["status"] = "False"
    view.print_status(shown)
    out = capsys.readouterr().out
    assert "ContainerOOMKilled: demo-0 was killed" in out
    assert "next   kaito logs demo -f" in out


def test_an_error_that_every_condition_carries_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    suffix = " (last reconcile error: no hub)"
    shown = workspace(
        ("ResourceReady", "True", "Ok", f"resource is ready{suffix}"),
        ("InferenceReady", "False", "PlanFailed", "no hub"),
        ("WorkspaceSucceeded", "False", "Waiting", f"waits{suffix}"),
    )
    for one in shown["status"]["conditions"]:
        one["lastTransitionTime"] = datetime.now(UTC).isoformat()
    view.print_status(shown)
    out = capsys.readouterr().out
    assert out.count("no hub") == 1
    assert "last reconcile error" not in out
    shown["status"]["conditions"][1].update(status="True", message=f"it serves{suffix}")
    view.print_status(shown)
    assert "error  no hub" in capsys.readouterr().out


def test_a_long_step_stays_one_line_outside_a_terminal() -> None:
    told = StringIO()
    view.print_step(Console(file=told, width=40), 1.25, "a sentence " * 9)
    assert told.getvalue().count("\n") == 1
    shown = StringIO()
    view.print_step(Console(file=shown, width=40, force_terminal=True, color_system=None), 1.25, "a sentence " * 9)
    lines = shown.getvalue().splitlines()
    assert lines[0].startswith("   1.2 s  a sentence")
    assert all(line.startswith(("          a sentence", "          sentence")) for line in lines[1:])


def test_a_workspace_that_is_being_deleted_says_what_holds_it(capsys: pytest.CaptureFixture[str]) -> None:
    one = workspace()
    one["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/mine"]}
    sentence = "it is being deleted; it waits for its finalizers: example.com/mine"
    assert view.why(one) == sentence
    view.print_status(one)
    assert sentence in capsys.readouterr().out
