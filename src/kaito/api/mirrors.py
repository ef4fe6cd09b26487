"""The names of ModelMirrors that are made for a model, and how those of KAITO v0.12 are still found."""

import hashlib
import re
from typing import Final

_DIGITS: Final = 12
_OLD_DIGITS: Final = 6
_SLUG: Final = 40
"""Characters; with the digits and a dash the name has room in a label, also with a suffix of ten."""


def mirror_name(model_id: str) -> str:
    """The name for a model: readable, and the same in any case of its letters, as Hugging Face treats ids.

    48 bits of the hash: v0.12's 24 let two of some thousand models collide, unnoticed where a mirror is Static.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", model_id.lower()).strip("-")[:_SLUG].rstrip("-")
    return f"{slug or 'model'}-{_digest(model_id.lower(), _DIGITS)}"


def mirror_names(model_id: str) -> tuple[str, ...]:
    """Every name under which a mirror of the model may stand, ours first; then v0.12's, which depended on the case."""
    old = (_digest(model_id, _OLD_DIGITS), _digest(model_id.lower(), _OLD_DIGITS))
    return tuple(dict.fromkeys((mirror_name(model_id), *old)))


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
