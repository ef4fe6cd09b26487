"""URLs as a Kubernetes API server reads them."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, unquote, urlsplit


def parse_url(text: str) -> SplitResult | None:
    """An absolute URL, or an absolute path."""
    try:
        found = urlsplit(text)
        _ = found.port
    except ValueError:
        return None
    broken = any(char < " " or char == "\x7f" for char in text) or " " in found.netloc
    broken = broken or bool(re.search(r"%(?![0-9A-Fa-f]{2})", found.path))
    absolute = bool(found.scheme) or text.startswith("/")
    return found if absolute and not broken else None


def escaped_path(text: str) -> str:
    """The path of a URL with what a path cannot hold escaped."""
    path = urlsplit(text).path
    plain = re.fullmatch(r"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/%]*", path)
    return path if plain else quote(unquote(path), safe="/$&+,:;=@~")
