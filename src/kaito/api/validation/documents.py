"""YAML that users keep in ConfigMaps, read without trust."""

from typing import Any

import yaml


def load_yaml(text: str) -> Any:
    """The document in ``text``. Raises ValueError with the fault, whatever the text does to the parser."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(" ".join(str(exc).split())) from exc
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    except (ValueError, TypeError, AttributeError, OverflowError) as exc:
        # Scalars that look like a date or a number and are none.
        raise ValueError(f"a value in it cannot be read: {exc}") from exc
