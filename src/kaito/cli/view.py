"""What a Workspace looks like in a terminal: tables, a status page, a line of progress."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Object = dict[str, Any]
SHOWN = ("NodesReady", "NodeClaimReady", "ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded")
GOOD, WAITING = "green", "yellow"


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
    """The one sentence that says what a Workspace waits for: the first condition that is not True."""
    for kind in SHOWN:
        found = condition(workspace, kind)
        if found is not None and found["status"] != "True" and kind != "WorkspaceSucceeded":
            return f"{found['reason']}: {found['message']}"
    if is_ready(workspace):
        return "the model answers"
    return "the operator has not looked at it yet"


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
    console = Console()
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
    """The whole state of one Workspace: conditions with reason and message."""
    console = Console()
    state = workspace.get("status", {}).get("state", "Pending")
    head = Text.assemble(
        (workspace["metadata"]["name"], "bold"), "  ", (state, GOOD if is_ready(workspace) else WAITING)
    )
    console.print(head)
    console.print(Text(f"model  {model_of(workspace)}", style="dim"))
    if nodes := workspace.get("status", {}).get("workerNodes"):
        console.print(Text(f"nodes  {', '.join(nodes)}", style="dim"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for kind in SHOWN:
        if (found := condition(workspace, kind)) is not None:
            good = found["status"] == "True"
            mark = Text("✓" if good else "•", style=GOOD if good else WAITING)
            table.add_row(mark, kind, Text(found["reason"], style="dim"), Text(found["message"]))
    console.print(table)


async def follow(session: Any, name: str, *, timeout: float | None) -> Object:
    """Print each new reason once, until the Workspace is ready or the time is over; return it as it was last seen."""
    from kaito.cli.connect import WORKSPACES

    started, said = time.monotonic(), ""
    tty = sys.stderr.isatty()
    console = Console(stderr=True)
    with console.status("") as spinner:
        while True:
            workspace = await session.client.get(WORKSPACES, name, session.namespace)
            elapsed = time.monotonic() - started
            reason = why(workspace)
            if reason != said:
                console.print(Text.assemble((f"{elapsed:6.1f} s  ", "dim"), reason))
                said = reason
            if is_ready(workspace) or (timeout is not None and elapsed >= timeout):
                return workspace
            if tty:
                spinner.update(Text(f"{name}: {reason} ({elapsed:.0f} s)"))
            await asyncio.sleep(0.5)
