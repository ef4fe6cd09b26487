"""What a Workspace looks like in a terminal: tables, a status page, a line of progress."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kaito.cli import screen
from kaito.cli.screen import page, table

Object = dict[str, Any]
SHOWN = ("NodesReady", "NodeClaimReady", "ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded")
GOOD, WAITING = "green", "yellow"
PENDING = "WorkspaceInferenceStatusPending"
TROUBLE = " (last reconcile error: "
"""What the contract appends to each condition's message while the operator fails."""


def condition(workspace: Object, kind: str) -> Object | None:
    """The condition of that type, or None."""
    return next((c for c in workspace.get("status", {}).get("conditions", []) if c["type"] == kind), None)


def is_ready(workspace: Object) -> bool:
    """True when the Workspace's own success condition holds for the spec as it is now."""
    found = condition(workspace, "WorkspaceSucceeded")
    if found is None or found["status"] != "True":
        return False
    return found.get("observedGeneration", 0) >= workspace["metadata"].get("generation", 0)


def why(workspace: Object) -> str:
    """The one sentence that says what a Workspace waits for: its end, or the first condition that is not True."""
    if workspace["metadata"].get("deletionTimestamp"):
        return deleting(workspace)
    for kind in SHOWN:
        found = condition(workspace, kind)
        if found is not None and found["status"] != "True" and kind != "WorkspaceSucceeded":
            # A step on the way needs no code; the reason of a trouble is what its author looks up.
            return found["message"] if found["reason"] == PENDING else f"{found['reason']}: {found['message']}"
    if is_ready(workspace):
        return "the model answers"
    return "the operator has not looked at it yet"


def deleting(workspace: Object) -> str:
    """What an object that is being deleted waits for."""
    held = ", ".join(workspace["metadata"].get("finalizers") or ())
    return f"it is being deleted; it waits for its finalizers: {held}" if held else "it is being deleted"


def age(timestamp: str, now: datetime) -> str:
    """Time since an RFC 3339 instant, the way kubectl writes it: 45s, 12m, 5h, 3d."""
    seconds = max(0, int((now - datetime.fromisoformat(timestamp)).total_seconds()))
    for size, unit, limit in ((86400, "d", 2), (3600, "h", 2), (60, "m", 2)):
        if seconds >= size * limit:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def model_of(workspace: Object) -> str:
    task = workspace.get("inference") or workspace.get("tuning") or {}
    return task.get("preset", {}).get("name", "custom template")


def print_workspaces(workspaces: list[Object]) -> None:
    """One line per Workspace, with the reason it waits in the last column."""
    console = screen.console()
    if not workspaces:
        console.print("No Workspace here. Create one: kaito run MODEL")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("NAME", "MODEL", "STATE", "NODES", "AGE"):
        table.add_column(column, no_wrap=True)
    table.add_column("WHY")
    now = datetime.now(UTC)
    for item in workspaces:
        state = item.get("status", {}).get("state", "Pending")
        ready = is_ready(item)
        table.add_row(
            item["metadata"]["name"],
            model_of(item),
            Text(state, style=GOOD if ready else WAITING),
            str(item.get("status", {}).get("targetNodeCount", "-")),
            age(item["metadata"]["creationTimestamp"], now),
            Text(why(item)),
        )
    console.print(table)


def print_status(workspace: Object) -> None:
    """The whole state of one Workspace: each condition, for how long, and what it says; then what to do next."""
    console = screen.console()
    state, ready = workspace.get("status", {}).get("state", "Pending"), is_ready(workspace)
    name = workspace["metadata"]["name"]
    console.print(Text.assemble((name, "bold"), "  ", (state, GOOD if ready else WAITING)))
    console.print(Text(f"model  {model_of(workspace)}", style="dim"))
    if nodes := workspace.get("status", {}).get("workerNodes"):
        console.print(Text(f"nodes  {', '.join(nodes)}", style="dim"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column()
    now = datetime.now(UTC)
    messages, troubles = [], []
    for kind in SHOWN:
        if (found := condition(workspace, kind)) is not None:
            good = found["status"] == "True"
            mark = Text("✓" if good else "•", style=GOOD if good else WAITING)
            message, _, trouble = found["message"].partition(TROUBLE)
            messages.append(message)
            troubles.append(trouble.removesuffix(")"))
            said = Text(message) if good else Text.assemble((found["reason"], WAITING), ": ", message)
            table.add_row(mark, kind, Text(age(found["lastTransitionTime"], now), style="dim"), said)
    console.print(table)
    if workspace["metadata"].get("deletionTimestamp"):
        console.print(Text(deleting(workspace), style=WAITING))
    # Each condition carries it; a person needs it once.
    for trouble in dict.fromkeys(one for one in troubles if one and not any(one in said for said in messages)):
        console.print(Text.assemble(("error", WAITING), "  ", trouble))
    for line in next_steps(name, ready=ready):
        console.print(Text(line, style="dim"), soft_wrap=True)


def next_steps(name: str, *, ready: bool) -> list[str]:
    """The commands that a person would want now."""
    if ready:
        return [f"next   kaito chat {name}"]
    return [f"next   kaito logs {name} -f", f"       kubectl get events --field-selector involvedObject.name={name}"]


def print_step(console: Console, elapsed: float, sentence: str) -> None:
    """One line of progress; in a terminal a long one goes on below itself, elsewhere it stays one line."""
    when = Text(f"{elapsed:6.1f} s", style="dim")
    if not console.is_terminal:
        console.print(Text.assemble(when, "  ", sentence), soft_wrap=True)
        return
    line = Table.grid(padding=(0, 2))
    line.add_row(when, Text(sentence))
    console.print(line)


def print_objects(objects: list[Object]) -> None:
    """Kind and name of each object, and what it is for."""
    with page() as to:
        made = table("KIND", "NAME", "WHAT")
        made.columns[2].no_wrap = False
        for one in objects:
            made.add_row(one["kind"], one["metadata"]["name"], Text(_what(one), style="dim"))
        to.print(made)


def _what(obj: Object) -> str:
    match obj["kind"]:
        case "StatefulSet":
            container = obj["spec"]["template"]["spec"]["containers"][0]
            return f"{obj['spec']['replicas']} × {container['image']}"
        case "Service":
            ports = [str(port["port"]) for port in obj["spec"].get("ports") or ()]
            return f"ports {', '.join(ports)}" if ports else "names for the pods"
        case "ControllerRevision":
            return f"revision {obj['revision']} of the Workspace"
    return ""


async def follow(session: Any, name: str, *, timeout: float | None) -> Object:
    """Print each new reason once, until the Workspace is ready or the time is over; return it as it was last seen."""
    from kaito.cli.connect import WORKSPACES

    started, said = time.monotonic(), ""
    tty = sys.stderr.isatty()
    console = screen.console(stderr=True)
    with console.status("") as spinner:
        while True:
            workspace = await session.client.get(WORKSPACES, name, session.namespace)
            elapsed = time.monotonic() - started
            reason = why(workspace)
            if reason != said:
                print_step(console, elapsed, reason)
                said = reason
            if is_ready(workspace) or (timeout is not None and elapsed >= timeout):
                return workspace
            if tty:
                spinner.update(Text(f"{name}: {reason} ({elapsed:.0f} s)"))
            await asyncio.sleep(0.5)
