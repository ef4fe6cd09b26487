"""What all tests share: the programs that they start keep their caches out of the home of whoever runs them."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

CACHES = {"KUBECACHEDIR": "kubectl", "VLLM_CACHE_ROOT": "vllm"}
_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    folder = config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="kaito-tests-"))
    for variable, name in CACHES.items():
        os.environ.setdefault(variable, str(folder / name))


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)
