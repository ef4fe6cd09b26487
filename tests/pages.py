"""The commands that the README and docs/ tell people to run."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.S | re.M)


@dataclass(frozen=True)
class Block:
    """One ```bash block: where it is, and its text with the commands of this installation."""

    page: str
    number: int
    text: str

    @property
    def is_make(self) -> bool:
        """Whether it only calls make: what that does is tested where it is done."""
        return all(line.startswith("make ") for line in self.text.splitlines() if line.strip())

    @property
    def needs_hub(self) -> bool:
        """Whether it is a step of a page that asks a hub: tests/unit/docs/test_onboarding.py does them in order."""
        return self.page == "docs/preset-onboarding.md"

    @property
    def needs_cluster(self) -> bool:
        return bool(re.search(r"\bkaito up\b", self.text))

    @property
    def script(self) -> str:
        return f"set -euo pipefail\n{self.text.replace('.venv/bin/', f'{Path(sys.executable).parent}/')}"

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def blocks() -> list[Block]:
    """Every block, page by page."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [
        Block(page.relative_to(ROOT).as_posix(), number, match[1])
        for page in pages
        for number, match in enumerate(BLOCK.finditer(page.read_text()), 1)
    ]


def environment(home: Path) -> dict[str, str]:
    """A person's who has just installed KAITO: its commands are found, and nothing is set."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "XDG_STATE_HOME")}
    return kept | {"PATH": path, "HOME": str(home)}
