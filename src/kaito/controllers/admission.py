"""The validating webhook: a Workspace is refused before it is stored, with every reason at once.

Status writes and objects that are being deleted are never refused: neither can be repaired by its author, and a refusal
would keep the truth out of the status or the object from going.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from kaito.api.errors import SpecError, SpecErrors
from kaito.api.validation import validate_create, validate_update
from kaito.api.workspace import Workspace

PATH = "/validate/workspace.kaito.sh"
MAX_BODY = 4 << 20
Object = Mapping[str, Any]


@dataclass(frozen=True)
class Serve:
    """Where the webhook listens, and with which certificate."""

    host: str
    port: int
    certificate: Path
    key: Path


def check(request: Object) -> str | None:
    """The refusal for an AdmissionRequest, in words; None when it may pass."""
    obj, old = request.get("object"), request.get("oldObject")
    if request.get("operation") not in ("CREATE", "UPDATE") or request.get("subResource") == "status" or not obj:
        return None
    if obj.get("metadata", {}).get("deletionTimestamp"):
        return None
    try:
        new = Workspace.decode(_beta(obj))
    except SpecErrors as exc:
        return f"decoding request failed: {exc}"
    try:
        found = _found(new, old)
    except SpecErrors as exc:
        found = exc.errors
    return f"validation failed: {SpecErrors(found)}" if found else None


def _found(new: Workspace, old: Object | None) -> Sequence[SpecError]:
    if old is None:
        return validate_create(new)
    # What an older release stored may have fields of its own; that is no fault of this change.
    return validate_update(Workspace.decode(_beta(old), strict=False), new)


def review(body: bytes) -> dict[str, Any]:
    """The AdmissionReview that answers ``body``. Raises ValueError when it is none."""
    asked = orjson.loads(body)
    request = asked.get("request") if isinstance(asked, dict) else None
    if not isinstance(request, dict) or "uid" not in request:
        raise ValueError("the body is no AdmissionReview of admission.k8s.io/v1 with a request")
    why = check(request)
    response: dict[str, Any] = {"uid": request["uid"], "allowed": why is None}
    if why is not None:
        response["status"] = {"status": "Failure", "code": 400, "reason": "BadRequest", "message": why}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def app() -> web.Application:
    """The HTTP application; put it behind TLS with ``start``, as API servers demand."""

    async def answer(request: web.Request) -> web.Response:
        try:
            reviewed = review(await request.read())
        except ValueError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        return web.Response(body=orjson.dumps(reviewed), content_type="application/json")

    made = web.Application(client_max_size=MAX_BODY)
    made.router.add_post(PATH, answer)
    return made


async def start(where: Serve) -> web.AppRunner:
    """Listen until the returned runner's ``cleanup``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(where.certificate, where.key)
    runner = web.AppRunner(app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, where.host, where.port, ssl_context=context).start()
    return runner


def _beta(obj: Object) -> dict[str, Any]:
    """v1alpha1 is a subset of v1beta1 under another name."""
    version = obj.get("apiVersion")
    return {**obj, "apiVersion": "kaito.sh/v1beta1" if version == "kaito.sh/v1alpha1" else version}
