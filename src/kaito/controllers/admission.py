"""The validating webhook: a Workspace is refused before it is stored, over TLS, as API servers ask."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson
from aiohttp import web

from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts
from kaito.controllers.workspace_admission import is_judged, judge

PATH = "/validate/workspace.kaito.sh"
MAX_BODY = 4 << 20
FACTS_SECONDS = 2.0
Object = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serve:
    """Where the webhook listens, and with which certificate."""

    host: str
    port: int
    certificate: Path
    key: Path


class FactsSource(Protocol):
    """What is known of the cluster for one AdmissionRequest; it asks no hub, and answers within ``FACTS_SECONDS``."""

    async def __call__(self, request: Object) -> AdmissionFacts: ...


def check(request: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> str | None:
    """The refusal for an AdmissionRequest, in words; None when it may pass."""
    return judge(request, facts).refusal


def requested(body: bytes) -> Object:
    """The AdmissionRequest in ``body``. Raises ValueError when there is none."""
    asked = orjson.loads(body)
    request = asked.get("request") if isinstance(asked, dict) else None
    if not isinstance(request, dict) or "uid" not in request:
        raise ValueError("the body is no AdmissionReview of admission.k8s.io/v1 with a request")
    return request


def review(request: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> dict[str, Any]:
    """The AdmissionReview that answers ``request``."""
    said = judge(request, facts)
    response: dict[str, Any] = {"uid": request["uid"], "allowed": said.refusal is None}
    if said.refusal is not None:
        response["status"] = {"status": "Failure", "code": 400, "reason": "BadRequest", "message": said.refusal}
    if said.warnings:
        response["warnings"] = list(said.warnings)
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


async def known(source: FactsSource | None, request: Object) -> AdmissionFacts:
    """What ``source`` knows, or nothing when it takes longer than ``FACTS_SECONDS`` or fails."""
    if source is None or not is_judged(request):
        return NOTHING_KNOWN
    try:
        async with asyncio.timeout(FACTS_SECONDS):
            return await source(request)
    except Exception as exc:  # A look at the cluster that fails must not keep its Workspaces from being written.
        log.warning("nothing is known of the cluster for this Workspace: %r", exc)
        return NOTHING_KNOWN


def app(facts: FactsSource | None = None) -> web.Application:
    """The HTTP application; put it behind TLS with ``start``, as API servers demand."""

    async def answer(request: web.Request) -> web.Response:
        try:
            asked = requested(await request.read())
        except ValueError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        reviewed = review(asked, await known(facts, asked))
        return web.Response(body=orjson.dumps(reviewed), content_type="application/json")

    made = web.Application(client_max_size=MAX_BODY)
    made.router.add_post(PATH, answer)
    return made


async def start(where: Serve, facts: FactsSource | None = None) -> web.AppRunner:
    """Listen until the returned runner's ``cleanup``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(where.certificate, where.key)
    runner = web.AppRunner(app(facts), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, where.host, where.port, ssl_context=context).start()
    return runner
