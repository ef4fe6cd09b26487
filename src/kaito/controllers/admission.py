"""The webhook server: wrong objects are refused before they are stored, and versions are converted, over TLS."""

import asyncio
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import orjson
from aiohttp import web

from kaito.api import conversion
from kaito.api.kinds import KINDS
from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts
from kaito.api.webhooks import CONVERT_PATH, validate_path
from kaito.controllers.judges import judge
from kaito.controllers.writes import is_judged

PATH = validate_path(KINDS["Workspace"])
MAX_BODY = 64 << 20  # a conversion asks for a whole list at once
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
    """The refusal for an AdmissionRequest about a Workspace, in words; None when it may pass."""
    return judge("Workspace", request, facts).refusal


def requested(body: bytes) -> Object:
    """The AdmissionRequest in ``body``. Raises ValueError when there is none."""
    asked = orjson.loads(body)
    request = asked.get("request") if isinstance(asked, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise ValueError("the body is no AdmissionReview of admission.k8s.io/v1 with a request")
    for field in ("object", "oldObject", "userInfo"):
        if not isinstance(request.get(field), dict | None):
            raise ValueError(f"the AdmissionReview's request.{field} is no object")
    return request


def review(kind: str, request: Object, facts: AdmissionFacts = NOTHING_KNOWN) -> dict[str, Any]:
    """The AdmissionReview that answers ``request`` about an object of ``kind``."""
    said = judge(kind, request, facts)
    response: dict[str, Any] = {"uid": request["uid"], "allowed": said.refusal is None}
    if said.refusal is not None:
        response["status"] = {"status": "Failure", "code": 400, "reason": "BadRequest", "message": said.refusal}
    if said.warnings:
        response["warnings"] = list(said.warnings)
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


async def known(source: FactsSource | None, request: Object, *, seconds: float = FACTS_SECONDS) -> AdmissionFacts:
    """What ``source`` knows, or nothing when it takes longer than ``seconds`` or fails."""
    if source is None or not is_judged(request):
        return NOTHING_KNOWN
    try:
        async with asyncio.timeout(seconds):
            return await source(request)
    except Exception as exc:  # A look at the cluster that fails must not keep its objects from being written.
        log.warning("nothing is known of the cluster for this object: %r", exc)
        return NOTHING_KNOWN


def app(facts: FactsSource | None = None, *, instance_type: str | None = None) -> web.Application:
    """The HTTP application; put it behind TLS with ``start``, as API servers demand.

    ``instance_type`` is the machine type of v1alpha1 objects that name none; None where nodes are brought.
    """

    async def answer(request: web.Request, *, kind: str) -> web.Response:
        try:
            asked = requested(await request.read())
        except ValueError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        reviewed = review(kind, asked, await known(facts, asked))
        return web.Response(body=orjson.dumps(reviewed), content_type="application/json")

    async def convert(request: web.Request) -> web.Response:
        try:
            converted = conversion.review(orjson.loads(await request.read()), instance_type=instance_type)
        except ValueError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from exc
        return web.Response(body=_json(converted), content_type="application/json")

    made = web.Application(client_max_size=MAX_BODY)
    for info in KINDS.values():
        made.router.add_post(validate_path(info), partial(answer, kind=info.kind))
    made.router.add_post(CONVERT_PATH, convert)
    return made


def _json(answer: Object) -> bytes:
    """``answer`` as JSON, also where objects of older releases are nested deeper than the fast writer goes."""
    try:
        return orjson.dumps(answer)
    except TypeError:
        return json.dumps(answer).encode()


async def listen(application: web.Application, host: str, port: int, context: ssl.SSLContext) -> web.AppRunner:
    """Listen until the returned runner's ``cleanup``. Raises OSError."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


async def start(where: Serve, facts: FactsSource | None = None) -> web.AppRunner:
    """Listen with a certificate that stays, until the returned runner's ``cleanup``. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(where.certificate, where.key)
    return await listen(app(facts), where.host, where.port, context)
