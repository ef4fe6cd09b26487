"""Pure text work on a container: $(VAR) references, and mount paths rewritten to folders on the host."""

import re
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")


def variables(text: str, env: Mapping[str, str]) -> str:
    """Kubernetes expansion: $(NAME) is replaced when known and left as it is otherwise; $$ is a plain $."""

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else env.get(name, match.group(0))

    return _REFERENCE.sub(one, text)


class PathMap:
    """Container paths to host paths, applied to text at path boundaries, longest path first."""

    def __init__(self, mounts: Mapping[str, Path]) -> None:
        self._mounts = {path.rstrip("/"): host for path, host in mounts.items() if path.rstrip("/")}
        ordered = sorted(self._mounts, key=len, reverse=True)
        # Before: not the middle of another path or word (file:///x is a path start). After: the path ends or goes on.
        names = "|".join(map(re.escape, ordered))
        before, after = r"(?:(?<![\w./~})-])|(?<=://))", r"(?![\w-]|\.\w)"
        self._pattern = re.compile(f"{before}({names}){after}") if ordered else None

    def text(self, value: str) -> str:
        """The value with every mount path in it replaced by its host folder."""
        if self._pattern is None:
            return value
        return self._pattern.sub(lambda match: str(self._mounts[match.group(1)]), value)

    def all(self, values: list[str]) -> list[str]:
        """Each value rewritten."""
        return [self.text(value) for value in values]
