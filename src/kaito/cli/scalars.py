"""What a scalar of a manifest means, as kubectl has it: YAML 1.1 without dates, and no more than JSON can say."""

import math
import re
from typing import Any, Final

import yaml

_STR: Final = "tag:yaml.org,2002:str"
_KNOWN_TAGS: Final = {
    f"tag:yaml.org,2002:{name}": words
    for name, words in {"null": "null", "bool": "true or false", "int": "number", "float": "number"}.items()
}
_FLOAT: Final = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+", re.A)
"""Those that YAML 1.1 takes for text, and JSON does not."""
_INT64: Final = range(-(2**63), 2**63)


class Scalars(yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """What a scalar without quotes means: YAML 1.1 as kubectl has it, where dates and 12:30 are text."""

    def __init__(self) -> None:
        yaml.constructor.SafeConstructor.__init__(self)
        yaml.resolver.Resolver.__init__(self)

    def value(self, event: Any) -> Any:
        """Raises ValueError for a tag or number that no manifest may have."""
        text: str = event.value
        if event.tag is None or event.tag == "!":
            if not event.implicit[0] or text[:1] not in self.yaml_implicit_resolvers:
                return _joined(text)
            tag: str = self.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call]
            if tag not in _KNOWN_TAGS or ":" in text:
                return _as_json(float(text)) if _FLOAT.fullmatch(text) else _joined(text)
        elif event.tag == _STR:
            return text
        else:
            tag = event.tag
            if tag not in _KNOWN_TAGS:
                raise ValueError(f"has the tag {tag}, which no manifest may: remove it")
        try:
            return _as_json(self.construct_object(yaml.ScalarNode(tag, text)))
        except (ValueError, KeyError, IndexError, OverflowError, yaml.YAMLError) as exc:
            raise ValueError(f"{text[:40]!r} is no {_KNOWN_TAGS[tag]} that can be read: put it in quotes") from exc
        finally:
            self.constructed_objects.clear()


def _joined(text: str) -> str:
    """JSON writes signs beyond the first plane as two halves."""
    if text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _as_json(value: Any) -> Any:
    """Whole numbers beyond 64 bits are inexact, as in an API server. Raises ValueError for those that JSON lacks."""
    if isinstance(value, int) and value not in _INT64:
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    return value
