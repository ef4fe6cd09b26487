"""What a model is for: to write text, to turn it into a vector, or to judge it. Pure."""

from enum import StrEnum
from typing import Final

from kaito.models.config import Config, family_of, section, texts

ENCODERS: Final = frozenset(
    {
        "bert", "roberta", "xlmroberta", "camembert", "distilbert", "electra", "deberta", "debertav2", "mpnet",
        "albert", "modernbert", "nomicbert", "new", "gte", "ernie", "eurobert", "neobert", "jinabert",
        "xlmrobertaflash",
    }
)  # fmt: skip
"""Families that read a whole text at once, so that no token waits for the next one's keys and values."""
_VISION_KEYS: Final = ("vision_config", "vision_tower", "mm_vision_tower", "visual", "vit_config", "img_processor")
_VISION_WORDS: Final = ("VL", "Vision", "Llava", "PaliGemma", "Pixtral", "Image")


class Task(StrEnum):
    """What a model answers with."""

    GENERATE = "generate"  # Text.
    EMBED = "embed"  # A vector of the text.
    RERANK = "rerank"  # One number: how well a passage answers a question.
    CLASSIFY = "classify"  # The likelihood of each of several labels.


def task_of(config: Config, *, sentence_transformers: bool = False) -> Task:
    """What the model is for, by its architectures.

    ``sentence_transformers``: whether its files include that library's modules.json, which makes a model that would
    write text one that embeds.
    """
    names = texts(config, "architectures")
    if any(name.endswith(("ForSequenceClassification", "ForRanking", "ForRewardModel")) for name in names):
        return Task.RERANK if _labels(config) == 1 else Task.CLASSIFY
    if any(name.endswith(("ForTokenClassification", "ForProcessRewardModel")) for name in names):
        return Task.CLASSIFY
    if names and all(_embeds(name) for name in names):
        return Task.EMBED
    return Task.EMBED if sentence_transformers or is_encoder(config) else Task.GENERATE


def _embeds(name: str) -> bool:
    return name.endswith(("Model", "ForMaskedLM", "ForRetrieval")) and not name.endswith("LMHeadModel")


def _labels(config: Config) -> int:
    listed = section(config, "id2label")
    count = config.get("num_labels")
    if isinstance(count, int) and not isinstance(count, bool):
        return count
    return len(listed) or 2


def is_encoder(config: Config) -> bool:
    """Whether every layer reads the whole text at once: the engine keeps no cache for such a model."""
    if config.get("is_causal") is False or config.get("use_bidirectional_attention") is True:
        return True
    if any("Bidirectional" in name for name in texts(config, "architectures")):
        return True
    return family_of(config) in ENCODERS and config.get("is_decoder") is not True


def has_vision(config: Config) -> bool:
    """Whether the model reads images too: its vision part is weights alone, and keeps nothing between tokens."""
    if any(config.get(key) for key in _VISION_KEYS):
        return True
    return any(word in name for name in texts(config, "architectures") for word in _VISION_WORDS)
