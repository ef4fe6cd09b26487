"""plan: whether and how a model runs on a machine, before anything is created. Needs no cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaito.cli.errors import NOT_READY, CliError
from kaito.cli.options import Kubeconfig, Output, OutputOption, dump

if TYPE_CHECKING:
    from kaito.cli.machine import Chosen


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
    nodes: Annotated[int | None, typer.Option("--nodes", min=1, max=16, help="The most machines; default: 16.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show every number that was used.")] = False,
    output: OutputOption = Output.table,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Say whether and how a model runs on a machine: memory, parallelism, context, requests at once.

    Without a machine: on this host, and on the known machine types, the best first. Ends with 3 when it runs nowhere.
    """
    from kaito.cli import estimate, find

    given = [option for option in (instance_type, gpu, node_selector) if option is not None]
    if len(given) > 1:
        raise CliError("--instance-type, --gpu and --node-selector each name the machine: give one of them")
    found = find.model(model)
    ask = estimate.Ask(context=context_length, nodes=nodes)
    chosen, others = _machine(instance_type, gpu, node_selector, kubeconfig), estimate.known_machines()
    one = estimate.estimate(found, chosen, ask, others)
    ranked = [] if given else estimate.compare(found, others, ask)
    if output is not Output.table:
        value: dict[str, Any] = estimate.as_json(one)
        if explain:
            value["steps"] = [
                {"name": step.name, "value": step.value, "unit": step.unit, "why": step.why} for step in one.steps
            ]
        if not given:
            value["comparison"] = [estimate.as_json(other) for other in ranked]
        print(dump(value, output))
    else:
        from kaito.cli import plan_view

        plan_view.show(one, explain=explain)
        if not given:
            plan_view.show_comparison(ranked)
    if all(answer.verdict is estimate.Verdict.NO for answer in (one, *ranked)):
        raise typer.Exit(NOT_READY)


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
