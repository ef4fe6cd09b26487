"""Which kinds the API serves, as the API itself tells."""

from kaito.kube import errors
from kaito.kube.client import Client, Resource

NEEDED = {"delete", "get", "list", "watch"}
ALIASES = {"events.k8s.io"}
"""Groups that show objects of another group a second time."""


async def resources(client: Client) -> list[Resource]:
    """Every kind that can be listed, watched and deleted, each once in its group's preferred version."""
    groups = (await client.request_json("GET", "/apis")).get("groups") or []
    versions = [("", "v1")]
    versions += [(group["name"], group["preferredVersion"]["version"]) for group in groups]
    found: list[Resource] = []
    for group, version in versions:
        if group in ALIASES:
            continue
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            listing = await client.request_json("GET", path)
        except errors.NotFound:
            # Removed between the two requests.
            continue
        for entry in listing.get("resources") or ():
            if "/" not in entry["name"] and set(entry["verbs"]) >= NEEDED:
                found.append(Resource(group, version, entry["name"], entry["kind"], entry["namespaced"]))
    return found
