"""Every manifest in examples/ decodes strictly and passes admission."""

from pathlib import Path

import pytest
import yaml

from kaito.api.validation import validate_create
from kaito.api.workspace import Workspace

FOUND = sorted((Path(__file__).parents[3] / "examples").rglob("*.yaml"))


def test_there_are_examples() -> None:
    assert len(FOUND) >= 1


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.stem)
def test_an_example_is_accepted(path: Path) -> None:
    for obj in yaml.safe_load_all(path.read_text()):
        assert validate_create(Workspace.decode(obj)) == []
