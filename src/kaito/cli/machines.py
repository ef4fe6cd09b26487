"""machines list, machines describe: the machine types and GPUs that KAITO knows. Needs no cluster."""

from typing import Annotated, Any

import typer

from kaito.cli.errors import NOT_FOUND, CliError
from kaito.cli.options import Output, OutputOption, dump

app = typer.Typer(help="The machine types and GPUs that KAITO knows.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_machines(
    cloud: Annotated[
        str | None, typer.Option("--cloud", help="Only one cloud: azure, aws, gcp, arc or your own.")
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """List the machine types: GPUs, their memory and speed, processors, the price on demand."""
    from kaito.capacity import machines

    try:
        names = machines.instance_types(cloud)
    except machines.MachineError as exc:
        raise CliError(f"--cloud: {exc}", NOT_FOUND) from exc
    rows = [as_json(machines.by_instance_type(name, cloud)) for name in names]
    if output is not Output.table:
        print(dump(rows, output))
        return
    from kaito.cli import machines_view

    machines_view.show_list(rows)


@app.command("describe")
def describe(
    name: Annotated[str, typer.Argument(help="A machine type, or GPUs as in kaito plan --gpu: H100:2, A100-80GB.")],
    output: OutputOption = Output.table,
) -> None:
    """Say all that is known of a machine type, or of GPUs in one machine."""
    from kaito.capacity import gpu_spec, machines

    try:
        found = machines.by_instance_type(name)
    except machines.UnknownError as unknown:
        try:
            found = gpu_spec.gpu(name)
        except machines.UnknownError:
            raise CliError(str(unknown), NOT_FOUND) from unknown
        except machines.MachineError as exc:
            raise CliError(str(exc), NOT_FOUND) from exc
    except machines.MachineError as exc:
        raise CliError(str(exc), NOT_FOUND) from exc
    row = as_json(found)
    if output is not Output.table:
        print(dump(row, output))
        return
    from kaito.cli import machines_view

    machines_view.show_one(row)


def as_json(machine: Any) -> dict[str, Any]:
    """A Machine with every key, null where nothing is known: bytes, and bytes and operations in a second."""
    return {
        "name": machine.name,
        "cloud": machine.cloud,
        "gpu": machine.gpu_model,
        "gpus": machine.gpus,
        "gpu_memory_bytes": machine.gpu_memory,
        "gpu_memory_driver_bytes": machine.gpu_memory_driver,
        "gpu_bandwidth": machine.gpu_bandwidth,
        "gpu_flops": machine.gpu_flops,
        "gpu_flops_8bit": machine.gpu_flops_8bit,
        "compute_capability": machine.compute_capability,
        "nvlink": machine.nvlink,
        "cpu_cores": machine.cpu_cores,
        "memory_bytes": machine.memory,
        "nvme": machine.nvme,
        "price_usd_per_hour": machine.price,
        "price_source": machine.price_source,
        "price_date": machine.price_date,
    }


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="machines")
