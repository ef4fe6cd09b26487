"""How many cases each property saw, and which was the slowest; how many it is to see."""

import gc
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings

FACTOR = int(os.environ.get("KAITO_FUZZ_FACTOR", "1"))
"""How many times as many cases as in the quick run; `make fuzz` sets it."""
SECONDS = 1.0
_SHOWN = 300


def cases(quick: int) -> settings:
    """``quick`` cases of a property, the same in each run; many more, and others, in the long run."""
    return settings(
        max_examples=quick * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        print_blob=True,
    )


@dataclass
class Tally:
    """Cases by property, and the slowest of each: seconds and what it was."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, tuple[float, str]] = field(default_factory=dict)

    @contextmanager
    def case(self, name: str, what: Any) -> Iterator[None]:
        """Count what is done inside; it may take ``SECONDS`` of this process's own time."""
        # Hypothesis keeps much: a collection of its garbage would count as the case's.
        gc.disable()
        before = time.process_time()
        try:
            yield
        finally:
            took = time.process_time() - before
            gc.enable()
        self.counts[name] += 1
        if took > self.slowest.get(name, (0.0, ""))[0]:
            self.slowest[name] = (took, repr(what)[:_SHOWN])
        assert took < SECONDS, f"{name} took {took:.2f} s"

    def lines(self) -> list[str]:
        """For a person: one line a property, and the slowest case of all."""
        lines = [f"{self.counts[name]:7} {name}, at most {1000 * self.slowest[name][0]:.0f} ms" for name in self.counts]
        if self.slowest:
            name, (took, what) = max(self.slowest.items(), key=lambda item: item[1][0])
            lines += [f"{self.counts.total():7} cases in all", f"slowest, {1000 * took:.0f} ms, {name}: {what}"]
        return lines


TALLY = Tally()
