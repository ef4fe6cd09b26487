"""YAML that users keep in ConfigMaps, read without trust."""

from typing import Any, Final

import yaml

MAX_CHARACTERS: Final = 64 << 10
MAX_SIZE: Final = 1 << 20
"""Characters and values together once each reference is written out: references to references grow without bound."""
MAX_DEPTH: Final = 50
_DEEP: Final = "it is nested too deeply, or holds itself"
_PARSER_SAYS: Final = "maximum nesting depth"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:
    """The document in ``text``. Raises ValueError with the fault, whatever the text does to the parser."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters, and at most {MAX_CHARACTERS} are read")
    try:
        loader = _LOADER(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, 0, {})
    except yaml.YAMLError as exc:
        said = " ".join(str(exc).split())
        raise ValueError(_DEEP if _PARSER_SAYS in said else said) from exc
    except RecursionError as exc:
        raise ValueError(_DEEP) from exc
    return _made(loader, node)


def _made(loader: Any, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except yaml.YAMLError as exc:
        raise ValueError(" ".join(str(exc).split())) from exc
    except (ValueError, TypeError, AttributeError, OverflowError) as exc:
        # Scalars that look like a date or a number and are none.
        raise ValueError(f"a value in it cannot be read: {exc}") from exc


def _size(node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """The size of ``node`` with each reference written out, in characters and values.

    Raises ValueError for one that holds itself, is too deep or too large.
    """
    if depth > MAX_DEPTH:
        raise ValueError(_DEEP)
    if id(node) in known:
        return known[id(node)]
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    own = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
    size = 1 + own + sum(_size(one, depth + 1, known) for one in children)
    if size > MAX_SIZE:
        raise ValueError("it is too large once its references are written out")
    known[id(node)] = size
    return size
