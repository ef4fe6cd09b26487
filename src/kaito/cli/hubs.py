"""Which hub the environment names, and where its answers are kept."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kaito.models.hub_cache import HubCache
from kaito.models.hub_http import ENDPOINT

if TYPE_CHECKING:
    from kaito.controllers.resolver import HubSettings

YES: Final = ("1", "on", "yes", "true")


@dataclass(frozen=True)
class HubOptions:
    """HF_ENDPOINT, HF_HUB_OFFLINE, and the cache below XDG_CACHE_HOME; None where this user has no home."""

    endpoint: str
    offline: bool
    cache: HubCache | None


def options() -> HubOptions:
    """As the environment says now."""
    return HubOptions(
        endpoint=os.environ.get("HF_ENDPOINT") or ENDPOINT,
        offline=os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in YES,
        cache=_cache(),
    )


def settings() -> "HubSettings":
    """The same for the operator, whose tokens come from Secrets."""
    from kaito.controllers.resolver import HubSettings

    which = options()
    return HubSettings(which.endpoint, cache=which.cache, offline=which.offline)


def _cache() -> HubCache | None:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return HubCache((Path(base) if base else Path.home() / ".cache") / "kaito" / "hub")
    except RuntimeError:
        return None
