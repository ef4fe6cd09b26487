"""What hubs told of models, kept on disk: nobody sees through another's token, and nothing lasts for ever.

One file an answer, 0600 in a folder of 0700, replaced wholly or not at all. Its name is a digest of the hub, the model,
the revision and the token; the token itself is nowhere.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FRESH_S: Final = 600
"""How long an answer for a branch or a tag holds: metadata changes seldom, but it does."""
PINNED_S: Final = 24 * 3600
"""The same for a commit, whose files do not change; who may read them does."""
STALE_S: Final = 7 * 24 * 3600
"""How old an answer may be that stands in for a hub that does not answer."""
FORMAT: Final = 1
"""Of the files; others are not read."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Key:
    """What was asked, of whom, and with which token."""

    endpoint: str
    model_id: str
    revision: str
    token: str = ""

    def digest(self) -> str:
        """The file's name. Without the token it cannot be computed, and from it the token cannot."""
        parts = [self.endpoint.lower(), self.model_id.lower(), self.revision]
        return hmac.new(self.token.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()

    @property
    def lasts(self) -> int:
        """Seconds."""
        return PINNED_S if _COMMIT.fullmatch(self.revision) else FRESH_S

    def __repr__(self) -> str:
        return f"Key({self.endpoint!r}, {self.model_id!r}, {self.revision!r})"


class HubCache:
    """Answers in ``folder``, which is made when the first is kept. ``clock`` gives seconds since 1970.

    A folder or file that cannot be read or written counts as empty: a cache never fails a plan.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock

    def get(self, key: Key, *, within: float | None = None) -> Mapping[str, Any] | None:
        """The answer, unless it is older than it lasts, or than ``within`` seconds where that is given."""
        try:
            held = json.loads((self._folder / f"{key.digest()}.json").read_text())
            age = self._clock() - float(held["at"])
            answer, form, said = held["answer"], held["format"], held["asked"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if form != FORMAT or said != _asked(key) or not isinstance(answer, dict):
            return None
        return answer if 0 <= age < (key.lasts if within is None else within) else None

    def put(self, key: Key, answer: Mapping[str, Any]) -> None:
        """Keep an answer, and drop those that nothing would read any more."""
        text = json.dumps({"format": FORMAT, "at": self._clock(), "asked": _asked(key), "answer": answer})
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")  # 0600 from the first byte on
            try:
                with os.fdopen(handle, "w") as file:
                    file.write(text)
                Path(name).replace(self._folder / f"{key.digest()}.json")
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._sweep()

    def drop(self, key: Key) -> None:
        """Forget an answer: the hub refuses it now."""
        with contextlib.suppress(OSError):
            (self._folder / f"{key.digest()}.json").unlink()

    def _sweep(self) -> None:
        for path in self._folder.iterdir():
            if path.suffix in (".json", ".part") and self._clock() - path.stat().st_mtime > STALE_S:
                path.unlink(missing_ok=True)


def _asked(key: Key) -> list[str]:
    return [key.endpoint, key.model_id.lower(), key.revision]
