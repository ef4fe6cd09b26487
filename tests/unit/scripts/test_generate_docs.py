"""What is generated and committed is as it would be generated now, and staleness is named."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from kaito.api.crds import all_crds

ROOT = Path(__file__).parents[3]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


docs = load()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The generated files and their sources, somewhere else."""
    for name in ("docs", "config", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "demo_facts.yaml", tmp_path / "scripts")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_this_checkout_is_not_stale() -> None:
    assert docs.stale(ROOT) == []


def test_each_kind_of_drift_is_named(checkout: Path) -> None:
    changed = [checkout / "docs" / "cli.md", checkout / "config" / "crds" / "kaito.sh_workspaces.yaml"]
    for path in changed:
        path.write_text(path.read_text() + "more\n")
    page = checkout / "docs" / "planning.md"
    page.write_text(page.read_text().replace("186,912 tokens", "186,914 tokens"))
    (checkout / "docs" / "demo-model.md").unlink()
    (checkout / "config" / "crds" / "gone.yaml").write_text("")
    found = {path.relative_to(checkout).as_posix() for path in docs.stale(checkout)}
    assert found == {
        "docs/cli.md",
        "docs/planning.md",
        "docs/demo-model.md",
        "config/crds/kaito.sh_workspaces.yaml",
        "config/crds/gone.yaml",
    }


def test_the_committed_definitions_are_those_of_the_types() -> None:
    files = sorted((ROOT / "config" / "crds").glob("*.yaml"))
    made = sorted(all_crds(), key=lambda crd: str(crd["metadata"]["name"].split(".")[0]))
    assert [yaml.safe_load(file.read_text()) for file in files] == made


def test_every_command_has_its_section_with_all_options() -> None:
    page = docs.cli_page()
    names = [name for name, _ in docs.commands(docs.app)]
    assert {"kaito plan", "kaito models list", "kaito up", "kaito run"} <= set(names)
    for name in names:
        assert f"\n## `{name}`\n" in page
    for option in ("`--state-dir`", "`--filename`, `-f`", "`--context-length`", "`--output`, `-o`"):
        assert option in page


def test_a_console_block_gets_what_its_command_prints_and_a_failing_one_stops(tmp_path: Path) -> None:
    page = docs.with_output("a\n```console\n$ echo one\nold\n$ echo two\n```\nb\n", tmp_path)
    assert page == "a\n```console\n$ echo one\none\n\n$ echo two\ntwo\n```\nb\n"
    with pytest.raises(SystemExit, match="ended with 7"):
        docs.with_output("```console\n$ exit 7\n```\n", tmp_path)
