"""What the README and docs/ say works: their blocks that need no cluster are run, their links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.pages import ROOT, Block, blocks, environment

PLAIN = [block for block in blocks() if not (block.needs_cluster or block.needs_hub or block.is_make)]


def test_the_pages_have_blocks_of_each_kind() -> None:
    found = blocks()
    assert len(PLAIN) >= 3
    assert {block.page for block in found if block.needs_cluster} >= {"README.md", "docs/local-cluster.md"}
    assert any(block.is_make for block in found)


@pytest.mark.parametrize("block", PLAIN, ids=str)
def test_a_block_runs_as_written(block: Block, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", block.script],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {word for page in pages for word in re.findall(r"\bmake ([a-z]+)[`\n]", page.read_text())}
    assert named >= {"demo", "test", "check", "generate"}
    assert named <= targets


def test_every_link_between_pages_leads_to_a_file() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert len(links) >= 5
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []
