"""What `kaito machines` prints for people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.padding import Padding
from rich.text import Text

from kaito.capacity.gpus import GIB
from kaito.cli.screen import page, size, table

Row = Mapping[str, Any]
WIDE: Final = 110
"""Columns from which there is room for NVLink and the machine's processors and memory."""


def show_list(rows: Sequence[Row]) -> None:
    """The machine types by cloud and GPU; what a narrow terminal has no room for is left to `describe`."""
    rows = sorted(
        rows, key=lambda row: (row["cloud"], row["gpu"], row["gpu_memory_bytes"], row["gpus"], row["cpu_cores"] or 0)
    )
    with page() as to:
        wide = to.width >= WIDE
        heads = ["NAME", "CLOUD", "GPUS", "EACH", "BANDWIDTH", "16 BITS"]
        heads += ["NVLINK", "CORES", "MEMORY"] if wide else []
        heads += ["$/HOUR"]
        made = table(*heads, right=("EACH", "BANDWIDTH", "16 BITS", "NVLINK", "CORES", "MEMORY", "$/HOUR"))
        for row in rows:
            cells: list[str | Text] = [
                Text(row["name"], style="bold"),
                row["cloud"] or "",
                _gpus(row),
                f"{row['gpu_memory_bytes'] // GIB} GiB",
                amount(row["gpu_bandwidth"], "B/s"),
                amount(row["gpu_flops"], "FLOPS"),
            ]
            if wide:
                memory = row["memory_bytes"]
                cells += [amount(row["nvlink"], "B/s")]
                cells += [f"{row['cpu_cores']:g}" if row["cpu_cores"] else "", size(memory) if memory else ""]
            made.add_row(*cells, f"{row['price_usd_per_hour']:.2f}" if row["price_usd_per_hour"] else "")
        to.print(made)
        to.print()
        lines = [
            "Bandwidth and 16 bits are of one GPU, dense.",
            "Prices are on demand; `kaito machines describe` says where and when each was read.",
        ]
        to.print(Text(" ".join(lines), style="dim"))


def show_one(row: Row) -> None:
    """All that is known, in three groups."""
    with page() as to:
        to.print(Text.assemble((row["name"], "bold"), f"  {row['cloud']}" if row["cloud"] else ""))
        price = row["price_usd_per_hour"]
        read = ", ".join(part for part in (row["price_source"], row["price_date"]) if part)
        groups = {
            "Machine": [
                ("GPUs", _gpus(row)),
                ("processors", f"{row['cpu_cores']:g}" if row["cpu_cores"] else None),
                ("memory", size(row["memory_bytes"]) if row["memory_bytes"] else None),
                ("local disk", "NVMe, for weights" if row["nvme"] else None),
                ("price", f"${price:.2f} an hour on demand ({read})" if price else "not known"),
            ],
            "Each GPU": [
                ("memory", f"{row['gpu_memory_bytes'] / GIB:g} GiB as advertised"),
                ("", f"{row['gpu_memory_driver_bytes'] / GIB:.1f} GiB by its driver"),
                ("bandwidth", amount(row["gpu_bandwidth"], "B/s")),
                ("16 bits", amount(row["gpu_flops"], "FLOPS") and f"{amount(row['gpu_flops'], 'FLOPS')}, dense"),
                (
                    "8 bits",
                    amount(row["gpu_flops_8bit"], "FLOPS") and f"{amount(row['gpu_flops_8bit'], 'FLOPS')}, dense",
                ),
                ("NVLink", amount(row["nvlink"], "B/s") or ("none: PCIe" if row["gpu_bandwidth"] else "")),
                ("compute capability", row["compute_capability"]),
            ],
        }
        for title, pairs in groups.items():
            to.print()
            to.print(Text(f"  {title}", style="bold"))
            grid = table("", "")
            grid.show_header, grid.columns[1].no_wrap = False, False
            for name, value in pairs:
                if value not in (None, ""):
                    grid.add_row(Text(name, style="dim"), Text(str(value)))
            to.print(Padding(grid, (0, 0, 0, 2)))


def amount(number: float | None, unit: str) -> str:
    """Of a second, with three digits: 3.35 TB/s, 989 TFLOPS; nothing where it is not known."""
    if number is None:
        return ""
    for power, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G")):
        if number >= power:
            return f"{number / power:.3g} {letter}{unit}"
    return f"{number:.0f} {unit}"


def _gpus(row: Row) -> str:
    return f"{row['gpus']} × {(row['gpu'] or 'GPU').removeprefix('NVIDIA ')}"
