"""Rules for where data comes from and where results go."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from kaito.api.errors import SpecError
from kaito.api.workspace import DataDestination, DataSource

_INTERNAL_HOSTS = ("localhost", "metadata.google.internal", "metadata.google", "instance-data.ec2.internal")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?$"
)


def source_errors(source: DataSource, field: str) -> Iterator[SpecError]:
    """Exactly one kind of source, and none that points inside the cluster's own network."""
    given = [name for name in ("urls", "volumeSource", "image") if getattr(source, _snake(name))]
    if len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        yield SpecError(field, None, f"needs exactly one of urls, volumeSource and image; {found}")
    for number, url in enumerate(source.urls or ()):
        if problem := url_problem(url):
            yield SpecError(f"{field}.urls[{number}]", url, problem)
    yield from _image_errors(source.image, f"{field}.image")


def destination_errors(output: DataDestination, field: str) -> Iterator[SpecError]:
    """Exactly one kind of destination; an image needs the secret that may push it."""
    if bool(output.volume_source) == bool(output.image):
        yield SpecError(field, None, "needs exactly one of volumeSource and image")
    if output.image and not output.image_push_secret:
        yield SpecError(f"{field}.imagePushSecret", None, "is required with image: name a Secret that may push it")
    yield from _image_errors(output.image, f"{field}.image")


def url_problem(url: str) -> str | None:
    """Why ``url`` may not be downloaded from, or None. Names are judged again after DNS, where the download is made."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return "is not a URL"
    if not host:
        return "must be an absolute URL with a host"
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if host in _INTERNAL_HOSTS or host.endswith(".localhost"):
        return "points at this machine or its cloud's metadata: use an address outside"
    address = _address(host)
    if address is not None and not address.is_global:
        return "points at an internal address: use an address outside"
    return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The literal address that a resolver would read in ``host``: also 2130706433, 0x7f000001, 127.1 and ::ffff:x."""
    try:
        found = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return _old_style(host)
    return getattr(found, "ipv4_mapped", None) or found


def _old_style(host: str) -> ipaddress.IPv4Address | None:
    try:
        numbers = [
            int(part, 0 if part.lower().startswith("0x") else 8 if part[0] == "0" and len(part) > 1 else 10)
            for part in host.split(".")
        ]
    except (ValueError, IndexError):
        return None
    if not 1 <= len(numbers) <= 4 or any(n > 255 for n in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    value = numbers[-1] + sum(n << (24 - 8 * i) for i, n in enumerate(numbers[:-1]))
    return ipaddress.IPv4Address(value)


def _image_errors(image: str | None, field: str) -> Iterator[SpecError]:
    if image and not _IMAGE.match(image):
        yield SpecError(field, image, "is not an image reference: write it as registry/name:tag")


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda m: "_" + m[1].lower(), name)
