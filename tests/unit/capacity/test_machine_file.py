"""The user's own file of machines: what it adds, and how a mistake in it is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaito.capacity import machine_source
from kaito.capacity.machine_file import BUILT_IN, load, parse
from kaito.capacity.machine_source import MachineFileError, user_files
from kaito.capacity.machines import GIB, by_instance_type, instance_types

OWN = """
gpus:
  Q1: {model: NVIDIA Q1, names: [NVIDIA Quick 1], gib: 64, bandwidth: 1000, compute: 9.0}
machines:
  cellar:
    two-quick-ones: {gpu: nvidia quick 1, count: 2, cores: 32, memory_gib: 256, nvme: true, price: 1.5}
  aws:
    g4dn.xlarge: {gpu: T4, count: 1, cores: 4, memory_gib: 16, nvme: true, price: {usd: 0.526, date: 2026-07-20}}
    G6.XLARGE: {gpu: L4, count: 1, price: 0.5}
prices:
  cellar: {source: our own sums, date: 2026}
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "machines.yaml"
    path.write_text(OWN)
    machine_source.use(path)
    yield path
    machine_source.use()


@pytest.mark.usefixtures("own")
def test_a_users_file_adds_clouds_gpus_and_types() -> None:
    machine = by_instance_type("Two-Quick-Ones", "cellar")
    assert (machine.gpus, machine.gpu_memory, machine.gpu_model) == (2, 64 * GIB, "NVIDIA Q1")
    assert (machine.gpu_bandwidth, machine.cpu_cores, machine.memory, machine.nvme) == (1e12, 32, 256 * GIB, True)
    assert (machine.price, machine.price_source, machine.price_date) == (1.5, "our own sums", "2026")
    assert machine.gpu_memory_driver == int(64 * GIB * 0.93)
    assert instance_types("cellar") == ("two-quick-ones",)
    t4 = by_instance_type("g4dn.xlarge")
    assert (t4.price, t4.price_source, t4.price_date) == (0.526, "AWS price list, us-east-1", "2026-07-20")


@pytest.mark.usefixtures("own")
def test_a_users_row_takes_the_place_of_the_built_in_one_in_any_case() -> None:
    assert (by_instance_type("g6.xlarge").name, by_instance_type("g6.xlarge").price) == ("G6.XLARGE", 0.5)
    assert "g6.xlarge" not in instance_types("aws")
    assert by_instance_type("g6.2xlarge").price == 0.9776


def test_without_the_file_all_is_as_built_in(own: Path) -> None:
    machine_source.use()
    assert "g4dn.xlarge" not in instance_types()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("gpus: {}\nmachines: ]", "my.yaml:2: is not YAML (", id="no YAML"),
        pytest.param(
            "- a", "my.yaml:1: the file is ['a'] and must be right: input should be a valid dict", id="a list"
        ),
        pytest.param("machine: {}", "my.yaml:1: machine is not a field of this record; see docs/machines.md", id="key"),
        pytest.param(
            "machines:\n  c:\n    m:\n      gpu: L4\n      count: two",
            "my.yaml:5: machines.c.m.count is 'two' and must be right: input should be a valid integer",
            id="text for a number",
        ),
        pytest.param(
            "machines:\n  c:\n    m: {gpu: L4, count: 0}",
            "my.yaml:3: machines.c.m.count is 0 and must be right: input should be greater than or equal to 1",
            id="no GPUs",
        ),
        pytest.param("machines:\n  c:\n    m: {gpu: L4}", "my.yaml:3: machines.c.m.count is missing", id="missing"),
        pytest.param(
            "machines:\n  c:\n    m: {gpu: L4, count: 1, price: -1}",
            "my.yaml:3: machines.c.m.price is -1 and must be right: input should be greater than 0",
            id="a price below zero",
        ),
        pytest.param(
            "machines:\n  c:\n    m: {gpu: L4, count: 1, price: {usd: free}}",
            "my.yaml:3: machines.c.m.price.usd is 'free' and must be right: input should be a valid number",
            id="a price that is no number",
        ),
        pytest.param(
            "machines:\n  c:\n    m: {gpu: L4, count: 1, price: .inf}",
            "my.yaml:3: machines.c.m.price is inf and must be right: input should be a finite number",
            id="a price without end",
        ),
        pytest.param(
            "machines:\n  c:\n    5: {gpu: L4, count: 1}",
            "my.yaml:3: machines.c.5 is 5 and must be right: input should be a valid string",
            id="a name that is a number",
        ),
        pytest.param("a: \x00", "my.yaml: is not YAML (unacceptable character #x0000", id="binary"),
        pytest.param(
            "gpus:\n  X:\n    model: X\n    gib: 8\n    names: [a, '']",
            "my.yaml:5: gpus.X.names.1 is '' and must be right: string should have at least 1 character",
            id="an empty name",
        ),
        pytest.param(
            "prices:\n  c: {source: s, date: yesterday}",
            "my.yaml:2: prices.c.date is 'yesterday' and must be right: string should match pattern",
            id="no date",
        ),
    ],
)
def test_a_mistake_names_file_line_field_value_and_remedy(text: str, says: str) -> None:
    with pytest.raises(MachineFileError) as caught:
        parse(text, "my.yaml")
    assert str(caught.value).startswith(says)


def test_a_gpu_that_is_nowhere_described_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("machines:\n  c:\n    m: {gpu: A100, count: 1}\n")
    with pytest.raises(MachineFileError) as caught:
        load(*BUILT_IN, path)
    assert f"{path}: machines.c.m.gpu is 'A100', and no such GPU is known; use one of A10, A100-PCIE" in str(
        caught.value
    )
    path.write_text("refused:\n  X: {model: X, vendor: acme}\n")
    with pytest.raises(MachineFileError, match=r"refused\.X.vendor is 'acme'; use amd, intel, aws, google"):
        load.__wrapped__(*BUILT_IN, path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineFileError, match=r"none.yaml: cannot be read .*; correct \$KAITO_MACHINES"):
        load(*BUILT_IN, tmp_path / "none.yaml")


def test_an_empty_file_adds_nothing() -> None:
    assert not parse("", "my.yaml").machines
    assert not parse("# nothing\n", "my.yaml").gpus


def test_where_the_users_file_is(tmp_path: Path) -> None:
    assert user_files({}, tmp_path) == []
    path = tmp_path / ".config" / "kaito" / "machines.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert user_files({}, tmp_path) == [path]
    assert user_files({"XDG_CONFIG_HOME": str(tmp_path / "other")}, tmp_path) == []
    assert user_files({"KAITO_MACHINES": "/a/b.yaml"}, tmp_path) == [Path("/a/b.yaml")]
    assert user_files({"KAITO_MACHINES": ""}, tmp_path) == []
