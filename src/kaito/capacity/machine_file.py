"""The data files of machines, KAITO's and the user's own, of one schema, merged into a catalogue.

A user's file ($KAITO_MACHINES, else ~/.config/kaito/machines.yaml) adds to the built-in tables, row by row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from kaito.capacity.gpus import GpuModel, Refused, Row, Text, plain
from kaito.capacity.machine_source import VARIABLE, MachineFileError, used

BUILT_IN: Final = (Path(__file__).parent / "gpus.yaml", Path(__file__).parent / "machines.yaml")
Record = TypeVar("Record", bound=Row)
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DATE: Final = r"^\d{4}(-\d{2}(-\d{2})?)?$"
Date = Annotated[str, BeforeValidator(str), Field(pattern=_DATE)]
"""A day, a month or a year; YAML's own dates and bare years are taken too."""
_WORDS: Final = {
    "extra_forbidden": "is not a field of this record",
    "missing": "is missing",
}


class PriceList(Row):
    """Where and when the prices of one cloud were read."""

    source: Text
    region: str | None = None
    date: Date | None = None


class Price(Row):
    """The price of a machine; what it does not say is the cloud's price list's."""

    usd: Annotated[float, Field(gt=0)]
    region: str | None = None
    date: Date | None = None
    source: str | None = None


class MachineType(Row):
    """One machine type: ``gpu`` is a key or a name of a GPU model, ``cores`` and ``memory_gib`` the whole machine's."""

    gpu: Text
    count: Annotated[int, Field(ge=1, le=64)]
    cores: Annotated[float, Field(gt=0)] | None = None
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    nvme: bool = False
    price: Annotated[float, Field(gt=0)] | Price | None = None


class MachineFile(Row):
    """One file. ``machines`` is cloud to name to machine type; every part may be left out."""

    gpus: dict[str, GpuModel] = Field(default_factory=dict)
    refused: dict[str, Refused] = Field(default_factory=dict)
    vendors: dict[str, Text] = Field(default_factory=dict)
    mig_profiles: dict[str, list[str]] = Field(default_factory=dict)
    prices: dict[str, PriceList] = Field(default_factory=dict)
    machines: dict[str, dict[str, MachineType]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """All that is known of GPUs and machine types."""

    gpus: Mapping[str, GpuModel]
    refused: Mapping[str, Refused]
    vendors: Mapping[str, str]
    mig_profiles: Mapping[str, list[str]]
    prices: Mapping[str, PriceList]
    machines: Mapping[str, Mapping[str, MachineType]]

    def gpu(self, name: str) -> GpuModel | None:
        """The one model of that key or name, or None. A family of several is no name."""
        return self.gpus.get(name) or self._names.get(plain(name))

    def refusal(self, name: str) -> str | None:
        """Why a GPU of that name cannot be used, as a sentence without its end; None where it is not refused."""
        one = self._refused_names.get(plain(name))
        return f"{one.model} cannot be used: {self.vendors[one.vendor]}" if one else None

    @cached_property
    def types(self) -> dict[str, list[tuple[str, str, MachineType]]]:
        """Cloud, name and row of each machine type, by its name in lower case."""
        found: dict[str, list[tuple[str, str, MachineType]]] = {}
        for cloud, table in self.machines.items():
            for name, row in table.items():
                found.setdefault(name.lower(), []).append((cloud, name, row))
        return found

    @cached_property
    def _names(self) -> dict[str, GpuModel]:
        return {plain(name): one for key, one in self.gpus.items() for name in (key, *one.names)}

    @cached_property
    def _refused_names(self) -> dict[str, Refused]:
        return {plain(name): one for key, one in self.refused.items() for name in (key, one.model, *one.names)}


EMPTY: Final = Catalogue({}, {}, {}, {}, {}, {})


def catalogue() -> Catalogue:
    """The built-in tables with the user's file of this process on top. Raises MachineFileError."""
    return load(*BUILT_IN, *used())


@cache
def load(*paths: Path) -> Catalogue:
    """The files merged in their order: a later row takes the place of an earlier one of its name, in any case.

    Raises MachineFileError for a file that cannot be read, and for a row whose GPU is in none of them.
    """
    made = EMPTY
    for path in paths:
        made = _merged(made, parse(_read(path), str(path)), str(path))
    return made


def parse(text: str, source: str) -> MachineFile:
    """One file's text. Raises MachineFileError; ``source`` is what it calls the file."""
    try:
        data = yaml.load(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as exc:
        line = f":{exc.problem_mark.line + 1}" if exc.problem_mark else ""
        raise MachineFileError(f"{source}{line}: is not YAML ({exc.problem}); correct the line") from exc
    except yaml.YAMLError as exc:
        raise MachineFileError(f"{source}: is not YAML ({' '.join(str(exc).split())}); correct the file") from exc
    try:
        return MachineFile.model_validate({} if data is None else data)
    except ValidationError as exc:
        raise MachineFileError(_explain(exc, text, source)) from exc


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise MachineFileError(
            f"{path}: cannot be read ({exc}); correct ${VARIABLE}, or set it to nothing to do without"
        ) from exc


def _merged(below: Catalogue, above: MachineFile, source: str) -> Catalogue:
    gpus = _over(below.gpus, above.gpus)
    refused = _over(below.refused, above.refused)
    machines = {cloud: dict(rows) for cloud, rows in below.machines.items()}
    for cloud, rows in above.machines.items():
        machines[cloud] = _over(machines.get(cloud, {}), rows)
    made = replace(
        below,
        gpus=gpus,
        refused=refused,
        vendors={**below.vendors, **above.vendors},
        mig_profiles={**below.mig_profiles, **above.mig_profiles},
        prices={**below.prices, **above.prices},
        machines=machines,
    )
    for cloud, rows in above.machines.items():
        for name, row in rows.items():
            if made.gpu(row.gpu) is None and made.refusal(row.gpu) is None:
                raise MachineFileError(
                    f"{source}: machines.{cloud}.{name}.gpu is {row.gpu!r}, and no such GPU is known; use one of "
                    f"{', '.join(sorted(gpus))}, or describe it under gpus"
                )
    for key, one in above.refused.items():
        if one.vendor not in made.vendors:
            raise MachineFileError(f"{source}: refused.{key}.vendor is {one.vendor!r}; use {', '.join(made.vendors)}")
    return made


def _over(below: Mapping[str, Record], above: Mapping[str, Record]) -> dict[str, Record]:
    taken = {name.lower() for name in above}
    return {name: row for name, row in below.items() if name.lower() not in taken} | dict(above)


def _explain(exc: ValidationError, text: str, source: str) -> str:
    """The first mistake, as file, line, field, value and what is wanted."""
    found = [(_path(one["loc"]), one) for one in exc.errors(include_url=False)]
    of_first = [one for one in found if one[0][: len(found[0][0])] == found[0][0]]
    path, first = max(of_first, key=lambda one: len(one[0]))
    field = ".".join(str(part) for part in path) or "the file"
    where = f"{source}:{_line(text, path)}: {field}"
    if first["type"] in _WORDS:
        return f"{where} {_WORDS[first['type']]}; see docs/machines.md for the fields"
    wanted = first["msg"][0].lower() + first["msg"][1:]
    return f"{where} is {first['input']!r} and must be right: {wanted}"


def _path(loc: tuple[int | str, ...]) -> list[int | str]:
    """The keys that lead to a mistake, without pydantic's own words for the branch of a union or for a key."""
    return [part for part in loc if part not in ("Price", "float", "constrained-float", "[key]")]


def _line(text: str, path: list[Any]) -> int:
    """The line, from 1, of the deepest part of a path that the text has."""
    node = yaml.compose(text, Loader=_LOADER)
    line = node.start_mark.line if node else 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = (node.value[part], node.value[part])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return int(line) + 1
