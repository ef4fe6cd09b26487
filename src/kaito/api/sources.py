"""Rules for where data comes from and where results go."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from kaito.api import images
from kaito.api.errors import SpecError
from kaito.api.workspace import DataDestination, DataSource

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_INTERNAL_HOSTS: Final = ("localhost", "metadata.google.internal", "metadata.google", "instance-data.ec2.internal")
_OTHER_DOTS: Final = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
"""Full stops that names are split at, besides the one of ASCII (RFC 3490, 3.1)."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_OLD_PART: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
OUTSIDE: Final = "use an address outside"


def source_errors(source: DataSource, field: str) -> Iterator[SpecError]:
    """Exactly one kind of source, and none that points inside the cluster's own network."""
    kinds = {"urls": source.urls, "volumeSource": source.volume_source, "image": source.image}
    given = [name for name, value in kinds.items() if value]
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
    return address_problem(url) or host_problem(urlsplit(url).hostname or "")


def address_problem(url: str) -> str | None:
    """Why ``url`` is no address of a service, of this cluster or elsewhere, or None."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL: write it as https://host/path"
    if not host:
        return "must be an absolute URL with a host: write it as https://host/path"
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if re.search(r"[\s\\\x00-\x1f\x7f]", url) or ("%" in host and ":" not in host):
        return "holds characters that readers of URLs disagree on: write the host plainly and spaces as %20"
    return None


def host_problem(host: str) -> str | None:
    """Why nothing may be fetched from ``host``, a name or a literal address, or None."""
    host = unicodedata.normalize("NFKC", host).translate(_OTHER_DOTS).rstrip(".").lower()
    if host in _INTERNAL_HOSTS or host.endswith(".localhost"):
        return f"points at this machine or its cloud's metadata: {OUTSIDE}"
    address = _address(host)
    if address is not None and is_internal(address):
        return f"points at an internal address: {OUTSIDE}"
    return None


def is_internal(address: Address) -> bool:
    """Whether ``address`` is none of the public Internet's hosts, or an IPv6 spelling of such an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and (address in _NAT64 or address in _COMPATIBLE):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_internal(inner)
        if address.is_site_local:
            return True
    return not address.is_global or address.is_multicast


def _address(host: str) -> Address | None:
    """The literal address that a resolver would read in ``host``: also 2130706433, 0x7f000001, 127.1 and 0177.1."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return _old_style(host)


def _old_style(host: str) -> ipaddress.IPv4Address | None:
    """As inet_aton reads it: one to four numbers, the last of which fills what is left; octal with 0, hex with 0x."""
    parts = host.split(".")
    if not 1 <= len(parts) <= 4 or not all(_OLD_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(n > 255 for n in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    return ipaddress.IPv4Address(numbers[-1] + sum(n << (24 - 8 * i) for i, n in enumerate(numbers[:-1])))


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and part != "0" else int(part)


def _image_errors(image: str | None, field: str) -> Iterator[SpecError]:
    if not image:
        return
    try:
        images.parse(image)
    except images.ImageError as exc:
        yield SpecError(field, image, str(exc))
