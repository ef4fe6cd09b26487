"""The kaito command in a process of its own, with a home of its own."""

import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-c", "from kaito.cli.main import main; main()")


def environment(home: Path, **env: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **env}


def kaito(*args: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args], capture_output=True, text=True, env=environment(home, **env), timeout=60, check=False
    )
