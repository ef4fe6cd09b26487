"""References to container images, after the grammar of the OCI distribution project."""

import re
from dataclasses import dataclass
from typing import Final

DOCKER_HUB: Final = "docker.io"
MAX_NAME: Final = 255
DIGEST_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of a digest by its algorithm; others have at least 32."""
_MIN_DIGEST: Final = 32

_HOST_PART = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_REGISTRY = re.compile(rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):([0-9a-fA-F]+)")


class ImageError(ValueError):
    """A text that names no image; the message says which part is wrong and how to write it."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``registry/repository:tag@digest``; registry and repository as a client would ask for them."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None


def parse(text: str) -> ImageReference:
    """The parts of an image reference; one without a registry is on Docker Hub.

    Raises ImageError.
    """
    rest, at, digest = text.partition("@")
    if at:
        _check_digest(digest)
    name, tag = _split_tag(rest)
    if tag is not None and not _TAG.fullmatch(tag):
        raise ImageError(f"has the tag {tag!r}: use up to 128 letters, digits, '_', '.' and '-'")
    registry, repository = _split_registry(name)
    if not _REGISTRY.fullmatch(registry):
        raise ImageError(f"has the registry {registry!r}: write it as host or host:port")
    if not repository:
        raise ImageError("is not an image reference: write it as registry/name:tag")
    if not _REPOSITORY.fullmatch(repository):
        raise ImageError(f"has the name {repository!r}: write it as registry/name:tag, the name in lower case")
    if len(name) > MAX_NAME:
        raise ImageError(f"has a name of {len(name)} characters: use at most {MAX_NAME}")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return ImageReference(registry, repository, tag, digest if at else None)


def _split_tag(rest: str) -> tuple[str, str | None]:
    """The last colon begins a tag unless a slash follows it: then it is a registry's port."""
    name, colon, tag = rest.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (rest, None)


def _split_registry(name: str) -> tuple[str, str]:
    """The first part is a registry when it could be no name of Docker Hub's: a dot, a port, localhost, upper case."""
    first, slash, rest = name.partition("/")
    if slash and (any(mark in first for mark in ".:[") or first == "localhost" or first != first.lower()):
        return ("docker.io" if first == "index.docker.io" else first), rest
    return DOCKER_HUB, name


def _check_digest(digest: str) -> None:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise ImageError(f"has the digest {digest!r}: write it as sha256: and 64 hexadecimal digits")
    algorithm, digits = match.groups()
    wanted = DIGEST_LENGTHS.get(algorithm)
    if len(digits) < _MIN_DIGEST if wanted is None else len(digits) != wanted:
        raise ImageError(f"has a digest of {len(digits)} digits: {algorithm} has {wanted or f'{_MIN_DIGEST} or more'}")
