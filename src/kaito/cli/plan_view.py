"""What `kaito plan` prints for people: the verdict first, the memory as a bar, the numbers, then what to mind."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from kaito.capacity.machines import Machine
from kaito.capacity.plan import GIB, Memory, Plan, Speed
from kaito.capacity.verdict import Answer, Change, Verdict
from kaito.cli.estimate import Estimate
from kaito.cli.screen import Part, bar, is_plain, page, size, table

STYLES: Final = {Verdict.FIT: "bold green", Verdict.CHANGES: "bold yellow", Verdict.NO: "bold red"}
MARKS: Final = {Verdict.FIT: "✓", Verdict.CHANGES: "!", Verdict.NO: "✗"}
LENGTHS: Final = (131072, 32768, 8192, 2048)
"""Tokens of a request for which the requests at once are counted, beside the plan's own context."""
WIDEST_BAR: Final = 60


def show(one: Estimate, ranked: Sequence[Estimate], *, compared: bool, explain: bool) -> None:
    """One machine's answer; then, where no machine was named, the known machine types."""
    with page() as to:
        _page(to, one, explain=explain)
    if compared:
        from kaito.cli import plan_table

        with page() as to:
            plan_table.comparison(to, ranked)


def mark(verdict: Verdict) -> Text:
    return Text(MARKS[verdict], style=STYLES[verdict])


def gpus(machine: Machine, *, short: bool = False) -> str:
    """2 × A100, 80 GiB; or, short, 2×A100 80G."""
    name = (machine.gpu_model or "GPU").removeprefix("NVIDIA ")
    memory = machine.gpu_memory / GIB
    return f"{machine.gpus}×{name} {memory:g}G" if short else f"{machine.gpus} × {name}, {memory:g} GiB"


def money(amount: float) -> str:
    """US dollars: $3.67, $0.042."""
    return f"${amount:,.2f}" if amount >= 0.1 else f"${amount:.2g}"


def tokens(count: float) -> str:
    """Tokens in a second, as exactly as they are known."""
    return f"{count:,.0f}" if count < 1000 else f"{float(f'{count:.2g}'):,.0f}"


def _page(to: Console, one: Estimate, *, explain: bool) -> None:
    answer = one.answer
    _head(to, one)
    if answer.reason:
        to.print(Padding(Text(answer.reason), (0, 0, 0, 2)))
    for change in answer.changes:
        to.print(Padding(_change(answer, change), (0, 0, 0, 2)))
    if answer.plan is not None:
        to.print()
        _memory(to, answer.plan)
        to.print()
        _numbers(to, one, answer.plan)
    if one.warnings:
        to.print()
    for warning in one.warnings:
        to.print(Padding(Text.assemble(("note: ", "yellow"), warning), (0, 0, 0, 2)))
    if explain:
        _steps(to, answer)


def _head(to: Console, one: Estimate) -> None:
    style, made = STYLES[one.verdict], one.plan
    to.print(Text.assemble(mark(one.verdict), " ", (one.verdict.value, style), "  ", (one.found.name, "bold")), end="")
    to.print(Text.assemble(" on ", (one.machine.name, "bold")))
    if made is None:
        return
    nodes = f"{made.nodes} node{'s' if made.nodes > 1 else ''}"
    cores = f"{one.machine.cpu_cores or 0:g} processors, no GPU"
    parts = [f"{nodes} with {gpus(one.machine)}" if made.gpus else f"{nodes}, {cores}"]
    if one.answer.replicas > 1:
        parts[0] = f"{one.answer.replicas} servers, each {parts[0]}"
    if made.max_model_len:
        parts.append(f"{made.max_model_len:,} tokens of context")
    to.print(Padding(Text(", ".join(parts), style="dim"), (0, 0, 0, 2)))


def _change(answer: Answer, change: Change) -> Text:
    verb = "change" if answer.verdict is Verdict.CHANGES else "instead"
    return Text.assemble((f"{verb}: ", "bold"), (f"{change.option} {change.value}", "bold cyan"), f"  {change.why}")


def _memory(to: Console, made: Plan) -> None:
    memory, plain = made.memory, is_plain(to)
    named = _parts(made, memory)
    title = "Memory of each GPU" if memory.per == "gpu" else "Memory"
    to.print(Text.assemble("  ", (title, "bold"), f"  {size(memory.total)}"))
    to.print(Text("  ") + bar([part for _, part, _ in named], min(WIDEST_BAR, to.width - 4), plain=plain))
    grid = table("", "", "", "", "", right=("",))
    grid.show_header = False
    for number, column in enumerate(grid.columns):
        column.justify = "right" if number in (2, 3) else "left"
        column.no_wrap = number != 4
    for name, part, note in named:
        if part.amount:
            share = 100 * part.amount / max(1, memory.total)
            percent = f"{share:.0f} %" if share >= 0.5 else "<1 %"
            sign = Text(part.mark(plain) * 2, style=part.style)
            grid.add_row(sign, name, size(part.amount), percent, Text(note, style="dim"))
    to.print(Padding(grid, (0, 0, 0, 2)))


def _parts(made: Plan, memory: Memory) -> list[tuple[str, Part, str]]:
    engine = "CUDA and the engine's libraries" if memory.per == "gpu" else "the engine's libraries"
    return [
        ("weights", Part(memory.weights, "blue", "█", "#"), "as loaded"),
        ("KV cache", Part(memory.kv_cache, "green", "▒", "+"), _cache(made)),
        ("activations", Part(memory.activations, "magenta", "▓", "="), "of the largest step"),
        ("CUDA graphs", Part(memory.cuda_graphs, "cyan", "▞", "/"), "recorded steps"),
        ("framework", Part(memory.framework, "bright_magenta", "▚", "%"), engine),
        ("driver", Part(memory.driver_reserve, "red", "▄", "-"), "advertised, and kept by the driver"),
        ("in use", Part(memory.in_use, "yellow", "▀", "x"), "by other programs, now"),
        ("free", Part(memory.unused, "bright_black", "░", "."), "left alone"),
    ]


def _cache(made: Plan) -> str:
    if made.kv_tokens is None:
        return "its tokens are not known"
    copies = made.data_parallel
    return f"{made.kv_tokens:,} tokens" + (f" over {copies} copies" if copies > 1 else "")


def _numbers(to: Console, one: Estimate, made: Plan) -> None:
    rows = []
    if made.gpus:
        split = f"tensor {made.tensor_parallel}, pipeline {made.pipeline_parallel}, data {made.data_parallel}"
        rows.append(("parallel", split))
    if (at_once := at_once_text(one.answer)) is not None:
        rows.append(("requests at once", at_once))
    if made.speed is not None:
        rows += _speed_rows(made.speed)
    rows += _price_rows(one, made)
    rows.append(
        ("computes in", made.dtype if made.kv_cache_dtype is None else f"{made.dtype}, cache {made.kv_cache_dtype}")
    )
    rows.append(("disk", f"{size(made.disk_bytes)}{' on each node' if made.nodes > 1 else ''}"))
    rows.append(
        ("starts in about", f"{duration(made.startup_estimate)}, given up after {duration(made.startup_seconds)}")
    )
    grid = table("", "")
    grid.show_header = False
    grid.columns[1].no_wrap = False
    for name, value in rows:
        grid.add_row(Text(name, style="bold"), Text(value))
    to.print(Padding(grid, (0, 0, 0, 2)))


def _speed_rows(fast: Speed) -> list[tuple[str, str]]:
    load = f"{fast.requests:,} requests of {fast.context:,}"
    return [
        ("reads at most", f"{tokens(fast.prefill)} tokens/s"),
        ("writes at most", f"{tokens(fast.decode)} tokens/s for {load}, {tokens(fast.decode_alone)} for one"),
    ]


def _price_rows(one: Estimate, made: Plan) -> list[tuple[str, str]]:
    hour = one.answer.price_per_hour
    if hour is None:
        return []
    text = f"{money(hour)} an hour"
    if made.speed is not None:
        read, wrote = (made.price_per_million(speed) or 0.0 for speed in (made.speed.prefill, made.speed.decode))
        text += f"; at full load {money(read)} for a million tokens read, {money(wrote)} written"
    return [("price", text)]


def duration(seconds: int) -> str:
    """Half a minute, or whole minutes."""
    if seconds < 60:
        return "a minute" if seconds > 30 else "half a minute"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def at_once_text(answer: Answer) -> str | None:
    """Requests at once for the plan's own context and for shorter, usual ones."""
    window = answer.window
    if window is None or answer.requests() is None:
        return None
    lengths = [window, *(length for length in LENGTHS if length < window)]
    first, *rest = (f"{answer.requests(length):,} of {length:,}" for length in lengths)
    return ", or ".join([f"{first} tokens", *rest])


def _steps(to: Console, answer: Answer) -> None:
    to.print()
    made = table("NUMBER", "VALUE", "WHY", right=("VALUE",))
    made.columns[2].no_wrap = False
    for step in answer.steps:
        made.add_row(step.name, step.shown(), Text(step.why, style="dim"))
    to.print(Padding(made, (0, 0, 0, 2)))
