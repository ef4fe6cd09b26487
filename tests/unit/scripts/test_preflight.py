"""The install says what is missing before it starts."""

import importlib.util
from pathlib import Path

SPEC = importlib.util.spec_from_file_location("preflight", Path(__file__).parents[3] / "scripts" / "preflight.py")
assert SPEC is not None
assert SPEC.loader is not None
preflight = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(preflight)


def test_a_fit_machine_has_no_problem() -> None:
    assert preflight.problems(version=(3, 11), free_gib=2, need_gib=1, has_venv=True) == []


def test_every_lack_is_named_with_its_remedy() -> None:
    found = preflight.problems(version=(3, 9), free_gib=0.5, need_gib=8, has_venv=False)
    assert len(found) == 3
    assert "Python 3.9 is too old: install Python 3.11" in found[0]
    assert "apt-get install python3-venv" in found[1]
    assert "0.5 GiB of disk is free here and 8 GiB is needed" in found[2]
