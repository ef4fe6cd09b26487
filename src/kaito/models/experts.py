"""Which part of a model one token passes: all of a dense one, some experts of a mixture. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from kaito.models.profile import ModelProfile

_NAMED: Final = re.compile(r"(?:^|[-_.])(\d+(?:\.\d+)?)b[-_.]a(\d+(?:\.\d+)?)b(?![a-z0-9])")
PUBLISHED: Final[Mapping[str, tuple[float, float]]] = {
    "deepseek-v3": (37, 671),
    "deepseek-r1": (37, 671),
    "gpt-oss-20b": (3.6, 20.9),
    "gpt-oss-120b": (5.1, 116.8),
    "kimi-k2": (32, 1000),
    "minimax-m2": (10, 230),
    "mistral-large-3-675b": (41, 675),
    "mixtral-8x7b": (12.9, 46.7),
    "mixtral-8x22b": (39, 141),
}
"""What their authors publish, by the beginning of the name: billions of parameters of a token, and of all."""
MIXTURES: Final = (
    "Moe",
    "MoE",
    "Mixtral",
    "DeepseekV",
    "GptOss",
    "MiniMax",
    "KimiK",
    "MistralLarge3",
    "Dbrx",
    "Llama4",
)
"""Parts of the names of architectures that are mixtures of experts."""
MIXTURE_NAMES: Final = ("mistral-small-4",)
"""Mixtures whose architecture's name does not tell."""


def active_share(profile: ModelProfile) -> float | None:
    """Parameters that a token passes over all of them: 1 for a dense model, None where it is not known."""
    name = profile.name.rpartition("/")[2].lower()
    named = _NAMED.search(name)
    if named is not None:
        return float(named[2]) / float(named[1])
    if "distill" not in name:
        for prefix, (active, total) in PUBLISHED.items():
            if name.startswith(prefix):
                return active / total
    mixture = any(part in one for one in profile.architectures for part in MIXTURES)
    return None if mixture or name.startswith(MIXTURE_NAMES) else 1.0
