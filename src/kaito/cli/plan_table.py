"""The known machine types side by side, as `kaito plan` without a machine prints them."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from kaito.capacity.verdict import Verdict
from kaito.cli.estimate import Estimate, same_hardware
from kaito.cli.plan_view import STYLES, gpus, mark, tokens
from kaito.cli.screen import table

WIDE: Final = 100
"""Columns from which there is room for the price of tokens and for the speed of one request."""


def comparison(to: Console, ranked: Sequence[Estimate]) -> None:
    """Those on which it runs, the best first; those on which it does not in one line."""
    to.print()
    runs = [one for one in ranked if one.plan is not None]
    if not runs:
        to.print(Text("No known machine type holds it.", style=STYLES[Verdict.NO]))
        return
    wide = to.width >= WIDE
    heads = [
        "",
        "MACHINE TYPE",
        "GPUS",
        "NODES",
        "CONTEXT",
        "AT ONCE",
        "TOKENS/S",
        *(["ALONE"] if wide else []),
        "$/HOUR",
    ]
    heads += ["$/M TOKENS"] if wide else []
    made = table(*heads, right=heads[3:])
    for one in runs:
        made.add_row(*_row(one, wide=wide))
    to.print(made)
    if refused := sorted(one.machine.name for one in ranked if one.plan is None):
        to.print(Text(f"Too small: {', '.join(refused)}", style="dim"))
    to.print(Text(" ".join(_legend(runs, wide=wide)), style="dim"))


def _row(one: Estimate, *, wide: bool) -> list[Text | str]:
    plan, answer = one.plan, one.answer
    assert plan is not None
    alike = len(same_hardware(one.machine)) - 1
    name = Text(one.machine.name) + (Text(f" +{alike}", style="dim") if alike else Text())
    at_once, window, fast, price = answer.requests(), answer.window, plan.speed, answer.price_per_hour
    nodes = str(plan.nodes) if answer.replicas == 1 else f"{answer.replicas} × {plan.nodes}"
    row = [mark(one.verdict), name, gpus(one.machine, short=True), nodes]
    row += [f"{window:,}" if window else "-", f"{at_once:,}" if at_once is not None else "-"]
    row.append(tokens(fast.decode * answer.replicas) if fast else "-")
    if wide:
        row.append(tokens(fast.decode_alone) if fast else "-")
    row.append(f"{price:,.2f}" if price is not None else "-")
    if wide:
        written = plan.price_per_million(fast.decode) if fast else None
        row.append(f"{written:.3g}" if written is not None else "-")
    return row


def _legend(runs: Sequence[Estimate], *, wide: bool) -> list[str]:
    said = ["AT ONCE: requests of that context."]
    fast = next((one.plan.speed for one in runs if one.plan is not None and one.plan.speed is not None), None)
    if fast is not None:
        alone = "; ALONE: for one" if wide else ""
        said.append(f"TOKENS/S: written at most, requests of {fast.context:,} tokens{alone}.")
    if any(one.verdict is Verdict.CHANGES for one in runs):
        said.append("!: after a change; name the type to see it.")
    if any(len(same_hardware(one.machine)) > 1 for one in runs):
        said.append("+N: so many more types have the same GPUs.")
    return said
