"""How many replicas each ReplicaSet of a Deployment may have next. Pure arithmetic.

A rollout never has more pods than ``replicas + surge`` and never fewer available ones than ``replicas - unavailable``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """One ReplicaSet: what its spec asks for, what of it is available, what it was allowed when last scaled."""

    name: str
    replicas: int
    available: int = 0
    allowed: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """A Deployment's limits in pods."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.replicas + self.surge if self.replicas else 0

    @property
    def least(self) -> int:
        return max(0, self.replicas - self.unavailable)


def room(replicas: int, *, surge: int | str, unavailable: int | str) -> Room:
    """Percentages of ``replicas``: surge rounded up, unavailable down; both nothing would never move, so one may go."""
    more, less = _share(surge, replicas, up=True), _share(unavailable, replicas, up=False)
    if more == 0 and less == 0:
        less = 1
    return Room(replicas, more, min(less, replicas))


def _share(value: int | str, total: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        return int(value)
    exact = int(value[:-1]) * total / 100
    return math.ceil(exact) if up else math.floor(exact)


def grown(limits: Room, new: Size, olds: Sequence[Size]) -> int:
    """The new ReplicaSet's next size: as much as the surge allows, at most all replicas."""
    if new.replicas >= limits.replicas:
        return limits.replicas
    total = new.replicas + sum(old.replicas for old in olds)
    return new.replicas + max(0, min(limits.most - total, limits.replicas - new.replicas))


def shrunk(limits: Room, new: Size, olds: Sequence[Size]) -> dict[str, int]:
    """The old ReplicaSets' next sizes, those that change; ``olds`` oldest first.

    Pods that are not available go first: they serve nobody. Then as many available ones as can be spared.
    """
    everyone = new.replicas + sum(old.replicas for old in olds)
    spare = everyone - limits.least - max(0, new.replicas - new.available)
    if spare <= 0:
        return {}
    sizes = {old.name: old.replicas for old in olds}
    left = spare
    for old in olds:
        gone = max(0, min(left, old.replicas - old.available))
        sizes[old.name] -= gone
        left -= gone
    available = new.available + sum(old.available for old in olds)
    left = min(left, max(0, available - limits.least))
    for old in olds:
        gone = min(left, sizes[old.name])
        sizes[old.name] -= gone
        left -= gone
    return {old.name: sizes[old.name] for old in olds if sizes[old.name] != old.replicas}


def proportional(limits: Room, sets: Sequence[Size]) -> dict[str, int]:
    """The sizes when a Deployment is scaled in mid-rollout: each ReplicaSet gets its share of the change."""
    total = sum(one.replicas for one in sets)
    change = limits.most - total
    # When scaling up the largest get the rest of the division, when scaling down they give it.
    ranked = sorted(sets, key=lambda one: (-one.replicas, one.name))
    sizes: dict[str, int] = {}
    given = 0
    for one in ranked:
        share = 0
        if one.replicas and change:
            share = round(one.replicas * limits.most / (one.allowed or limits.most)) - one.replicas
            left = change - given
            share = min(share, left) if change > 0 else max(share, left)
            share = max(share, 0) if change > 0 else min(share, 0)
        given += share
        sizes[one.name] = one.replicas + share
    if ranked and given != change:
        sizes[ranked[0].name] = max(0, sizes[ranked[0].name] + change - given)
    return {one.name: sizes[one.name] for one in sets if sizes[one.name] != one.replicas}
