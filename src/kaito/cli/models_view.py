"""What `kaito models` prints for people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.padding import Padding
from rich.text import Text

from kaito.capacity.plan import GIB
from kaito.cli.screen import page, size, table

Row = Mapping[str, Any]
NARROW: Final = 100
WIDE: Final = 134
"""Columns from which there is room for the licence."""


def count(row: Row) -> str:
    """14.7B; with a ~ where the number is an estimate from the weights' size."""
    number = row["parameters"]
    text = f"{number / 1e9:.3g}B" if number >= 1e9 else f"{number / 1e6:.3g}M"
    if number >= 999.5e9:
        text = f"{number / 1e12:.3g}T"
    return text if row["parameters_exact"] else f"~{text}"


def tokens(number: int) -> str:
    """131072 as 128K."""
    return f"{number // 1024}K" if number % 1024 == 0 else f"{number:,}"


def show_list(rows: Sequence[Row]) -> None:
    """The catalogue as a table; what a narrow terminal has no room for is left to `describe`."""
    with page() as to:
        wide, widest = to.width >= NARROW, to.width >= WIDE
        heads = ["NAME", "PARAMS", *(["CONTEXT"] if wide else []), "WEIGHTS", "KIND"]
        heads += ["TYPE", "ACCESS"] if wide else []
        heads += ["LICENCE"] if widest else []
        made = table(*heads, right=("PARAMS", "CONTEXT", "WEIGHTS"))
        for row in rows:
            kind = row["kind"]
            cells: list[str | Text] = [Text(row["name"], style="bold"), count(row)]
            cells += [tokens(row["context_length"])] if wide else []
            cells.append(_weights(row))
            cells.append(kind if wide or not row["gated"] else f"{kind}*")
            if wide:
                access = Text("gated", style="yellow") if row["gated"] else Text("open", style="green")
                cells += [_type(row), access]
            made.add_row(*cells, *([Text(row["license"], style="dim")] if widest else []))
        to.print(made)
        mark = "Gated" if wide else "* gated"
        lines = [
            "~ an estimate, from the weights.",
            f"{mark}: needs a token of someone who accepted the licence.",
            "A base model does not chat.",
            "Any Hugging Face id works too: kaito plan org/model",
        ]
        to.print()
        to.print(Text(" ".join(lines), style="dim"))


def _meaning(row: Row) -> str:
    if row["source"] == "catalogue":
        return str(row["meaning"])
    return f"{row['meaning']} (it has {'a' if row['chat'] else 'no'} chat template)"


def _cache(row: Row) -> str:
    if not row["kv_bytes_per_token"]:
        return ""
    said = f"{size(row['kv_bytes_per_token'])} for each token"
    return said if row["layers_known"] else f"{said} at most: which layers keep one is not recorded"


def _weights(row: Row) -> str:
    number = row["weight_bytes"] / GIB
    return f"{number:.0f} GiB" if number >= 99.5 else size(row["weight_bytes"])


def _type(row: Row) -> str:
    method = row["quantization"] or "16-bit"
    short = {"float-quantized": "fp8", "pack-quantized": "int4", "nvfp4-pack-quantized": "nvfp4"}
    return short.get(method, method.lower().partition("_")[0])


def show_one(row: Row) -> None:
    """All that is known, in three groups."""
    with page() as to:
        access = ("gated", "yellow") if row["gated"] else ("open", "green")
        to.print(Text.assemble((row["name"], "bold"), f"  {row['kind']}, ", access))
        quantization = row["quantization"] or "none"
        bits = f", {row['quantization_bits']} bits" if row["quantization_bits"] else ""
        groups = {
            "": [
                ("what it is", _meaning(row)),
                ("id", row["id"]),
                ("family", row["family"]),
                ("licence", row["license"]),
                ("revision", row["revision"]),
                ("task", row["task"]),
                ("tuned from", ", ".join(row["base_model"])),
                ("known from", {"catalogue": "the catalogue", "hub": "the hub", "folder": "its folder"}[row["source"]]),
            ],
            "In numbers": [
                ("parameters", count(row)),
                ("weights", f"{size(row['weight_bytes'])} on disk, {row['weight_format']} format"),
                ("type", row["dtype"]),
                ("quantisation", f"{quantization}{bits}"),
                ("context", f"{row['context_length']:,} tokens"),
                ("architecture", ", ".join(row["architectures"])),
                ("layers", row["layers"]),
                ("attention", f"{row['attention']}, {row['heads']} heads, {row['kv_heads']} for keys and values"),
                ("KV cache", _cache(row)),
            ],
            "Engine options": _flags(row["engine"]),
        }
        for title, pairs in groups.items():
            if title:
                to.print()
                to.print(Text(f"  {title}", style="bold"))
            grid = table("", "")
            grid.show_header, grid.columns[1].no_wrap = False, False
            for name, value in pairs:
                if value not in (None, "", 0):
                    grid.add_row(Text(name, style="dim"), Text(str(value)))
            to.print(Padding(grid, (0, 0, 0, 2)))


def _flags(engine: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    gpu, cpu = engine["gpu"], engine["cpu"]
    if not gpu:
        return [("none", "the engine's own defaults are right")]
    rows = []
    for name, value in sorted(gpu.items()):
        only = "" if name in cpu else "  (on GPUs only)"
        rows.append((f"--{name}", (value or "on") + only))
    return rows
