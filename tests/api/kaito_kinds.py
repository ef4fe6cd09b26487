"""Paths of KAITO's kinds, and the moment from which an API server serves them."""

from kaito.api.kinds import KINDS
from tests.api.client import Api


def path(kind: str, version: str, ns: str, name: str = "") -> str:
    """Of the collection, or of the object called ``name``."""
    info = KINDS[kind]
    where = f"/namespaces/{ns}" if info.namespaced else ""
    return f"/apis/kaito.sh/{version}{where}/{info.plural}" + (f"/{name}" if name else "")


def until_served(api: Api, collection: str) -> None:
    """A real server follows definitions, and needs a moment."""
    for _ in range(500):
        if api.request("GET", collection).status_code == 200:
            return
    raise AssertionError(f"{collection} is not served")
