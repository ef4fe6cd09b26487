"""What `kaito plan` prints for people: the verdict first, the memory as a bar, the numbers, then what to mind."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from kaito.capacity.plan import GIB
from kaito.cli.estimate import Estimate, Memory, Verdict, extras, same_hardware
from kaito.cli.screen import Part, bar, is_plain, page, size, table

STYLES: Final = {Verdict.FIT: "bold green", Verdict.CHANGES: "bold yellow", Verdict.NO: "bold red"}
MARKS: Final = {Verdict.FIT: "✓", Verdict.CHANGES: "!", Verdict.NO: "✗"}
LENGTHS: Final = (131072, 32768, 8192, 2048)
"""Tokens of a request for which the requests at once are counted, beside the plan's own context."""
WIDEST_BAR: Final = 60
NARROW: Final = 96


def show(one: Estimate, *, explain: bool = False) -> None:
    """One machine's answer."""
    with page() as to:
        _page(to, one, explain=explain)


def _page(to: Console, one: Estimate, *, explain: bool) -> None:
    _head(to, one)
    if one.reason:
        to.print(Padding(Text(one.reason), (0, 0, 0, 2)))
    for change in one.changes:
        to.print(Padding(_change(one, change.option, change.value, change.why), (0, 0, 0, 2)))
    if one.made is not None and one.memory is not None:
        to.print()
        _memory(to, one, one.memory)
        to.print()
        _numbers(to, one)
    _warnings(to, one)
    if explain:
        _steps(to, one)


def show_comparison(ranked: Sequence[Estimate]) -> None:
    """The known machine types, the best first; those on which the model does not run in one line."""
    with page() as to:
        _comparison(to, ranked)


def _comparison(to: Console, ranked: Sequence[Estimate]) -> None:
    to.print()
    runs = [one for one in ranked if one.made is not None]
    if not runs:
        to.print(Text("No known machine type holds it.", style=STYLES[Verdict.NO]))
        return
    narrow = to.width < NARROW
    more = sorted({name for one in runs for name in extras(one)})
    columns = ["", "MACHINE TYPE", "GPUS", "NODES", "CONTEXT", "AT ONCE", *(name.upper() for name in more)]
    made = table(*columns, right=columns[3:])
    for one in runs:
        assert one.made is not None
        alike = len(same_hardware(one.machine)) - 1
        name = Text(one.machine.name) + (Text(f" +{alike}", style="dim") if alike else Text())
        context, at_once = one.window, one.requests()
        made.add_row(
            _mark(one.verdict),
            name,
            Text(_gpus(one, short=narrow)),
            str(one.made.nodes),
            f"{context:,}" if context else "-",
            f"{at_once:,}" if at_once is not None else "-",
            *(f"{extras(one)[name]:,.4g}" if name in extras(one) else "-" for name in more),
        )
    to.print(made)
    if refused := [one.machine.name for one in ranked if one.made is None]:
        to.print(Text(f"Too small: {', '.join(sorted(refused))}", style="dim"))
    if any(len(same_hardware(one.machine)) > 1 for one in runs):
        to.print(Text("+N: so many more types have the same GPUs. AT ONCE: requests of that context.", style="dim"))


def _mark(verdict: Verdict) -> Text:
    return Text(MARKS[verdict], style=STYLES[verdict])


def _head(to: Console, one: Estimate) -> None:
    mark = _mark(one.verdict)
    to.print(Text.assemble(mark, " ", (one.verdict.value, STYLES[one.verdict]), "  ", (one.found.name, "bold")), end="")
    to.print(Text.assemble(" on ", (one.machine.name, "bold")))
    made = one.made
    if made is None:
        return
    nodes = f"{made.nodes} node{'s' if made.nodes > 1 else ''}"
    where = f"{nodes} with {_gpus(one)}" if made.gpus else f"{nodes}, {one.machine.cpu_cores or 0:g} processors, no GPU"
    context = f", {made.max_model_len:,} tokens of context" if made.max_model_len else ""
    to.print(Padding(Text(f"{where}{context}", style="dim"), (0, 0, 0, 2)))


def _gpus(one: Estimate, *, short: bool = False) -> str:
    machine = one.machine
    name = (machine.gpu_model or "GPU").removeprefix("NVIDIA ")
    return (
        f"{machine.gpus} × {name} {machine.gpu_memory / GIB:g}G"
        if short
        else f"{machine.gpus} × {name}, {machine.gpu_memory / GIB:g} GiB"
    )


def _change(one: Estimate, option: str, value: str, why: str) -> Text:
    verb = "change" if one.verdict is Verdict.CHANGES else "instead"
    return Text.assemble((f"{verb}: ", "bold"), (f"{option} {value}", "bold cyan"), f"  {why}")


def _memory(to: Console, one: Estimate, memory: Memory) -> None:
    named = [
        ("weights", Part(memory.weights, "blue", "█", "#"), "as loaded"),
        ("overhead", Part(memory.overhead, "magenta", "▓", "="), "activations, graphs and the engine itself"),
        ("KV cache", Part(memory.kv_cache, "green", "▒", "+"), _cache(one)),
        ("in use", Part(memory.in_use, "yellow", "▚", "x"), "by other programs, now"),
        ("free", Part(memory.free, "bright_black", "░", "."), "left alone"),
    ]
    plain = is_plain(to)
    title = "Memory of each GPU" if memory.per == "gpu" else "Memory"
    to.print(Text.assemble("  ", (title, "bold"), f"  {size(memory.total)}"))
    to.print(Text("  ") + bar([part for _, part, _ in named], min(WIDEST_BAR, to.width - 4), plain=plain))
    made = table("", "", "", "", "", right=("",))
    made.show_header = False
    for number, column in enumerate(made.columns):
        column.justify = "right" if number in (2, 3) else "left"
        column.no_wrap = number != 4
    for name, part, note in named:
        if part.amount:
            percent = f"{100 * part.amount / max(1, memory.total):.0f} %"
            sign = Text(part.mark(plain) * 2, style=part.style)
            made.add_row(sign, name, size(part.amount), percent, Text(note, style="dim"))
    to.print(Padding(made, (0, 0, 0, 2)))


def _cache(one: Estimate) -> str:
    if one.kv_tokens is None or one.made is None:
        return "its tokens are not known"
    copies = one.made.data_parallel
    return f"{one.kv_tokens:,} tokens" + (f" over {copies} copies" if copies > 1 else "")


def _numbers(to: Console, one: Estimate) -> None:
    made = one.made
    assert made is not None
    rows = []
    if made.gpus:
        split = f"tensor {made.tensor_parallel}, pipeline {made.pipeline_parallel}, data {made.data_parallel}"
        rows.append(("parallel", split))
    if (at_once := at_once_text(one)) is not None:
        rows.append(("requests at once", at_once))
    rows.append(("computes in", made.dtype))
    rows.append(("starts within", f"{made.startup_seconds // 60} minutes, download and load"))
    rows += [(name.replace("_", " "), f"{value:,.4g}") for name, value in extras(one).items()]
    grid = table("", "")
    grid.show_header = False
    grid.columns[1].no_wrap = False
    for name, value in rows:
        grid.add_row(Text(name, style="bold"), Text(value))
    to.print(Padding(grid, (0, 0, 0, 2)))


def at_once_text(one: Estimate) -> str | None:
    """Requests at once for the plan's own context and for shorter, usual ones."""
    window = one.window
    if window is None or one.requests() is None:
        return None
    lengths = [window, *(length for length in LENGTHS if length < window)]
    first, *rest = (f"{one.requests(length):,} of {length:,}" for length in lengths)
    return ", or ".join([f"{first} tokens", *rest])


def _warnings(to: Console, one: Estimate) -> None:
    if one.warnings:
        to.print()
    for warning in one.warnings:
        to.print(Padding(Text.assemble(("note: ", "yellow"), warning), (0, 0, 0, 2)))


def _steps(to: Console, one: Estimate) -> None:
    to.print()
    made = table("NUMBER", "VALUE", "WHY", right=("VALUE",))
    made.columns[2].no_wrap = False
    for step in one.steps:
        made.add_row(step.name, step.shown(), Text(step.why, style="dim"))
    to.print(Padding(made, (0, 0, 0, 2)))
