"""The known machine types side by side, as `kaito plan` without a machine prints them."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from rich.console import Console
from rich.text import Text

from kaito.capacity.plan import SERVED_NODES
from kaito.capacity.verdict import Verdict
from kaito.cli.estimate import Estimate, same_hardware
from kaito.cli.plan_view import STYLES, gpus, mark, tokens
from kaito.cli.screen import table

Row: TypeAlias = dict[str, Text]
"""Cells by their heads."""
DROPPED: Final = ("$/M TOKENS", "ALONE", "AT ONCE")
"""What a narrow terminal has no room for, in the order in which it is left out."""
LEAST_GPUS: Final = 12
"""Columns that the GPUs' name keeps of its own."""
NAMED: Final = 6
"""Machine types that are named of those that are no answer."""


def comparison(to: Console, ranked: Sequence[Estimate]) -> None:
    """Those on which it runs, the best first; of those on which it does not, the best by name."""
    to.print()
    runs = [one for one in ranked if one.plan is not None and one.plan.nodes <= SERVED_NODES]
    if runs:
        _table(to, runs)
    else:
        to.print(Text("No known machine type holds it.", style=STYLES[Verdict.NO]))
    wide = [(one.machine.name, one.plan.nodes) for one in ranked if one.plan and one.plan.nodes > SERVED_NODES]
    if wide:
        names = _named([f"{name} ({nodes})" for name, nodes in wide])
        to.print(Text(f"Only on several such machines, which this release does not serve: {names}.", style="dim"))
    if small := sorted(one.machine.name for one in ranked if one.plan is None):
        to.print(Text(f"Too small: {_named(small)}.", style="dim"))


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _table(to: Console, runs: Sequence[Estimate]) -> None:
    rows = [_row(one) for one in runs]
    shown = _shown(rows, to.width)
    room = max(LEAST_GPUS, to.width - _width([head for head in shown if head != "GPUS"], rows) - 2)
    made = table(*shown, right=shown[3:])
    for row in rows:
        row["GPUS"].truncate(room, overflow="ellipsis")
        made.add_row(*(row[head] for head in shown))
    to.print(made)
    to.print(Text(" ".join(_legend(runs, shown)), style="dim"))


def _shown(rows: Sequence[Row], width: int) -> list[str]:
    """The heads for which there is room; one context, or one server, for all needs no column."""
    same = {head for head in ("CONTEXT", "SERVERS") if len({row[head].plain for row in rows}) == 1}
    if rows[0]["SERVERS"].plain != "1":
        same.discard("SERVERS")
    shown = [head for head in rows[0] if head not in same]
    for head in DROPPED:
        others = [other for other in shown if other != "GPUS"]
        if _width(others, rows) + LEAST_GPUS + 2 > width:
            shown = [other for other in shown if other != head]
    return shown


def _width(heads: Sequence[str], rows: Sequence[Row]) -> int:
    """Columns that these take, with the space behind each."""
    return sum(2 + max(len(head), *(row[head].cell_len for row in rows)) for head in heads)


def _row(one: Estimate) -> Row:
    plan, answer = one.plan, one.answer
    assert plan is not None
    alike = len(same_hardware(one.machine)) - 1
    at_once, window, fast, price = answer.requests(), answer.window, plan.speed, answer.price_per_hour
    written = plan.price_per_million(fast.decode) if fast else None
    words = {
        "GPUS": gpus(one.machine, short=True),
        "SERVERS": str(answer.replicas),
        "CONTEXT": f"{window:,}" if window else "-",
        "AT ONCE": f"{at_once:,}" if at_once is not None else "-",
        "TOKENS/S": tokens(fast.decode * answer.replicas) if fast else "-",
        "ALONE": tokens(fast.decode_alone) if fast else "-",
        "$/HOUR": f"{price:,.2f}" if price is not None else "-",
        "$/M TOKENS": f"{written:,.2f}" if written is not None else "-",
    }
    name = Text(one.machine.name) + (Text(f" +{alike}", style="dim") if alike else Text())
    return {"": mark(one.verdict), "MACHINE TYPE": name} | {head: Text(word) for head, word in words.items()}


def _legend(runs: Sequence[Estimate], shown: Sequence[str]) -> list[str]:
    window = runs[0].answer.window
    length = "that context" if "CONTEXT" in shown or not window else f"{window:,} tokens"
    said = [f"AT ONCE: requests of {length}."] if "AT ONCE" in shown else []
    fast = next((one.plan.speed for one in runs if one.plan is not None and one.plan.speed is not None), None)
    if fast is not None:
        alone = "; ALONE: to one of them" if "ALONE" in shown else ""
        said.append(f"TOKENS/S: written at most, to requests of {fast.context:,} tokens{alone}.")
    if any(one.verdict is Verdict.CHANGES for one in runs):
        said.append("!: after a change; name the type to see it.")
    if any(len(same_hardware(one.machine)) > 1 for one in runs):
        said.append("+N: so many more types of that cloud have the same GPUs.")
    return said
