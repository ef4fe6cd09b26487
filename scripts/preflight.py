"""Say in one sentence what this machine lacks, before an install starts."""

import argparse
import importlib.util
import shutil
import sys


def problems(*, version: tuple[int, int], free_gib: float, need_gib: float, has_venv: bool) -> list[str]:
    """Every reason the install cannot work, each with its remedy."""
    found = []
    if version < (3, 11):
        found.append(f"Python {version[0]}.{version[1]} is too old: install Python 3.11 or newer, or set PYTHON=...")
    if not has_venv:
        found.append("Python's venv module is missing: install it (Debian: apt-get install python3-venv)")
    if free_gib < need_gib:
        found.append(f"{free_gib:.1f} GiB of disk is free here and {need_gib:.0f} GiB is needed: free some space")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disk-gib", type=float, default=1)
    args = parser.parse_args()
    found = problems(
        version=sys.version_info[:2],
        free_gib=shutil.disk_usage(".").free / 2**30,
        need_gib=args.disk_gib,
        has_venv=importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None,
    )
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
