"""plan: whether and how a model runs on a machine, before anything is created. Needs no cluster."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaito.cli.errors import NOT_READY, CliError
from kaito.cli.options import Kubeconfig, Output, OutputOption, dump

if TYPE_CHECKING:
    from kaito.capacity.plan import Wishes
    from kaito.cli.estimate import Estimate
    from kaito.cli.machine import Chosen


class Sort(StrEnum):
    """What the best machine is best in."""

    price = "price"
    speed = "speed"
    tokens = "tokens"


def plan(
    model: Annotated[str, typer.Argument(help="A catalogue name, a Hugging Face id, or a folder.")],
    instance_type: Annotated[str | None, typer.Option("--instance-type", help="A cloud's machine type.")] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="GPUs of one machine: H100, H100:2, A100-40GB:4, RTX4090-24GB.")
    ] = None,
    node_selector: Annotated[
        str | None, typer.Option("--node-selector", help="Nodes of the cluster by their labels: key=value,...")
    ] = None,
    context_length: Annotated[
        int | None, typer.Option("--context-length", min=1, help="Tokens that a request may have; default: what fits.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="Requests of that length at once; default: what fits.")
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", min=1, max=16, help="The most machines; default: 16.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the engine, as in inference.config: tensor-parallel-size=2; repeat."),
    ] = None,
    sort: Annotated[
        Sort, typer.Option("--sort", help="The best machine first: by price an hour, speed, or price of tokens.")
    ] = Sort.price,
    explain: Annotated[bool, typer.Option("--explain", help="Show every number that was used.")] = False,
    output: OutputOption = Output.table,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Say whether and how a model runs on a machine: memory, parallelism, context, requests at once, speed, price.

    Without a machine: on this host, and on the known machine types, the best first. Ends with 3 when it runs nowhere.
    """
    from kaito.cli import estimate, find

    given = [one for one in (instance_type, gpu, node_selector) if one is not None]
    if len(given) > 1:
        raise CliError("--instance-type, --gpu and --node-selector each name the machine: give one of them")
    ask = estimate.Ask(_wishes(context_length, concurrency, option or []), nodes)
    found = find.model(model)
    chosen, others = _machine(instance_type, gpu, node_selector, kubeconfig), estimate.known_machines()
    one = estimate.estimate(found, chosen, ask, others)
    ranked = [] if given else estimate.compare(found, others, ask, by=sort.value)
    if output is Output.table:
        from kaito.cli import plan_view

        plan_view.show(one, ranked, compared=not given, explain=explain)
    else:
        print(dump(_value(one, ranked, compared=not given, explain=explain), output))
    if all(answer.verdict is estimate.Verdict.NO for answer in (one, *ranked)):
        raise typer.Exit(NOT_READY)


def _value(one: "Estimate", ranked: "list[Estimate]", *, compared: bool, explain: bool) -> dict[str, Any]:
    from kaito.cli import estimate

    value: dict[str, Any] = estimate.as_json(one)
    if explain:
        value["steps"] = [
            {"name": step.name, "value": step.value, "unit": step.unit, "why": step.why} for step in one.answer.steps
        ]
    if compared:
        value["comparison"] = [estimate.as_json(other) for other in ranked]
    return value


def _wishes(context: int | None, concurrency: int | None, options: list[str]) -> "Wishes":
    """What the options ask for. Raises CliError for an engine's option that no plan depends on, or a wrong value."""
    import dataclasses

    from kaito.api.errors import SpecError
    from kaito.capacity import wishes

    words = [option.partition("=") for option in options]
    given = {name.strip().lstrip("-").replace("_", "-"): value.strip() for name, _, value in words}
    known = {*wishes.OPTIONS, *wishes.SHORT}
    for name, equals, _ in words:
        if not equals or name.strip().lstrip("-").replace("_", "-") not in known:
            names = ", ".join(wishes.OPTIONS)
            raise CliError(f"--set: {name + equals!r} is no option that a plan depends on; write NAME=VALUE: {names}")
    try:
        asked = wishes.of_options(given, "--set ")
    except SpecError as exc:
        raise CliError(str(exc)) from exc
    if context and asked.context:
        raise CliError("--context-length and --set max-model-len say the same: give one of them")
    return dataclasses.replace(asked, context=context or asked.context, concurrency=concurrency)


def _machine(instance_type: str | None, gpu: str | None, selector: str | None, kubeconfig: Path | None) -> "Chosen":
    from kaito.cli import machine

    if instance_type is not None:
        return machine.by_type(instance_type)
    if gpu is not None:
        return machine.by_gpu(gpu)
    if selector is not None:
        return machine.by_selector(selector, kubeconfig)
    from kaito.capacity.host import this_host

    return machine.Chosen(this_host())


def register(app: typer.Typer) -> None:
    app.command()(plan)
