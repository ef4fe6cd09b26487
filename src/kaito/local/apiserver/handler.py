"""From a request to an answer: who asks, what for, and which room does it. Knows no HTTP library."""

import logging
from dataclasses import replace
from typing import Any

import orjson

from kaito.local.apiserver import documents, status
from kaito.local.apiserver.bodies import patch_object
from kaito.local.apiserver.documents import Documents
from kaito.local.apiserver.kinds import Kind, Kinds
from kaito.local.apiserver.reads import Reader
from kaito.local.apiserver.request import (
    JSON,
    YAML,
    Request,
    Response,
    Target,
    Wanted,
    answerable,
    encode,
    negotiate,
    parse_target,
    read_body,
)
from kaito.local.apiserver.store import Key, Store, StoreError
from kaito.local.apiserver.strategy import CREATED_BY_PUT, RETURNED
from kaito.local.apiserver.subresources import Subresources
from kaito.local.apiserver.write_options import Options, read_delete, read_object, read_options, read_patch
from kaito.local.apiserver.writes import Writer

log = logging.getLogger(__name__)
Object = dict[str, Any]
_HEALTH = ("/healthz", "/livez", "/readyz")
_OPEN = (*_HEALTH, "/version")
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Handler:
    """Answers requests. ``authenticated`` is True, False for wrong credentials, None for none."""

    def __init__(self, store: Store, kinds: Kinds, writer: Writer, subresources: Subresources, address: str) -> None:
        self._store = store
        self._kinds = kinds
        self._writer = writer
        self._subresources = subresources
        self._reader = Reader(store)
        self._documents = Documents(kinds, address)
        self.is_admin = lambda token: False

    async def handle(self, request: Request, *, authenticated: bool | None = True) -> Response:
        """The answer; a refusal is one too."""
        try:
            if authenticated is False:
                raise status.unauthorized()
            path = request.path.split("?")[0]
            if authenticated is None and not path.startswith(_OPEN):
                raise _anonymous(request)
            return await self._route(request, path)
        except status.StatusError as refused:
            headers = {}
            seconds = (refused.status.get("details") or {}).get("retryAfterSeconds")
            if seconds:
                headers["Retry-After"] = str(seconds)
            wanted = answerable(request.headers.get("accept", ""))
            warnings = refused.warnings if request.option("fieldValidation") in ("", "Warn") else []
            return Response(refused.code, encode(refused.status, wanted), wanted.content_type, warnings, headers)
        except Exception as exc:
            if isinstance(exc, StoreError):
                return Response(500, orjson.dumps(status.internal(str(exc)).status))
            if isinstance(exc, RecursionError):
                return Response(400, orjson.dumps(status.bad_request("the object is nested too deeply").status))
            # The last guard: whatever went wrong is an answer to this request and a trace in the log, no more.
            log.exception("%s %s", request.method, request.path)
            return Response(500, orjson.dumps(status.internal(f"{type(exc).__name__}: {exc}").status))

    async def _route(self, request: Request, path: str) -> Response:
        if path.startswith(_HEALTH):
            return documents.health(request, path)
        target = parse_target(path)
        if target is None:
            return self._documents.answer(request, path)
        kind = self._kinds.find(target.group, target.version, target.plural)
        if kind is None:
            if not self._kinds.has_group_version(target.group, target.version):
                return documents.plain_404()
            raise status.path_not_found()
        if kind.type.namespaced and not target.namespace and target.name:
            raise status.path_not_found()
        if target.subresource:
            return await self._below(kind, target, request)
        if not kind.type.stored:
            return self._review(kind, request)
        if target.name:
            return await self._item(kind, target, request)
        return await self._collection(kind, target, request)

    # ------------------------------------------------------------------------------------------------------- objects

    async def _collection(self, kind: Kind, target: Target, request: Request) -> Response:
        method = request.method
        wanted = _wanted(request, kind)
        if method in ("GET", "HEAD"):
            if request.flag("watch"):
                return self._watch(kind, target, request, wanted)
            objs, meta = await self._reader.list(kind, target, request)
            document = self._reader.shape_many(kind, objs, meta, wanted, request)
            return Response(200, encode(document, wanted), wanted.content_type, _deprecation(kind))
        if kind.type.namespaced and not target.namespace and not (method == "DELETE"):
            raise status.method_not_allowed()
        if method == "POST":
            options = read_options(request, request.body)
            body = read_object(kind, request, options)
            new = await self._writer.create(kind, target, body, options)
            return self._answer(201, kind, new, wanted, request, options)
        if method == "DELETE":
            return await self._delete_collection(kind, target, request, wanted)
        if method in ("PUT", "PATCH") and kind.type.custom:
            raise status.bad_request("name must be provided")
        if kind.type.custom and method not in _VERBS:
            raise _unsupported(kind, "")
        raise status.method_not_allowed()

    async def _item(self, kind: Kind, target: Target, request: Request) -> Response:
        method = request.method
        wanted = _wanted(request, kind)
        if method == "HEAD" and not kind.type.custom:
            raise status.method_not_allowed()
        if method in ("GET", "HEAD"):
            if request.flag("watch"):
                return self._watch(kind, target, request, wanted)
            obj = await self._writer.read(kind, target.namespace, target.name)
            return self._answer(200, kind, obj, wanted, request, None)
        if method == "PUT":
            options = read_options(request, request.body)
            body = read_object(kind, request, options)
            exists = self._store.get(Key(kind.resource, target.namespace, target.name)) is not None
            if not exists and kind.resource in CREATED_BY_PUT and isinstance(body, dict):
                named = body | {"metadata": (body.get("metadata") or {}) | {"name": target.name}}
                created = await self._writer.create(kind, target, named, options)
                return self._answer(201, kind, created, wanted, request, options)
            new = await self._writer.update(kind, target, body, options)
            return self._answer(200, kind, new, wanted, request, options)
        if method == "PATCH":
            return await self._patch(kind, target, request, wanted)
        if method == "DELETE":
            return await self._delete(kind, target, request, wanted)
        if method == "POST" and kind.type.custom:
            return await self._collection(kind, replace(target, name=""), request)
        raise status.method_not_allowed()

    async def _patch(self, kind: Kind, target: Target, request: Request, wanted: Wanted) -> Response:
        form, patch, options = read_patch(kind, request)
        obj, created = await self._writer.patch(kind, target, form, patch, options)
        return self._answer(201 if created else 200, kind, obj, wanted, request, options)

    async def _delete(self, kind: Kind, target: Target, request: Request, wanted: Wanted) -> Response:
        how, options = read_delete(request)
        obj, gone = await self._writer.delete(kind, target, how, options)
        if gone and kind.resource not in RETURNED:
            type, meta = kind.type, obj["metadata"]
            details = {"name": meta["name"]} | ({"group": type.group} if type.group else {})
            details |= {"kind": type.plural, "uid": meta["uid"]}
            done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
            return Response(200, encode(done, wanted), wanted.content_type, options.warnings)
        return self._answer(200, kind, obj, wanted, request, options)

    async def _delete_collection(self, kind: Kind, target: Target, request: Request, wanted: Wanted) -> Response:
        if "deletecollection" not in kind.type.verbs:
            raise status.method_not_allowed()
        how, options = read_delete(request)
        found, meta = await self._reader.page(kind, target, request)
        deleted: list[Object] = []  # as they were found
        for obj in found:
            own = obj["metadata"]
            one = Target(target.group, target.version, own.get("namespace", ""), target.plural, own["name"], "")
            try:
                await self._writer.delete(kind, one, how, options)
            except status.StatusError as refused:
                if refused.code != 404:
                    raise
                continue
            deleted.append(obj)
        document = self._reader.shape_many(kind, await kind.out_all(deleted), meta, wanted, request)
        return Response(200, encode(document, wanted), wanted.content_type, options.warnings)

    def _watch(self, kind: Kind, target: Target, request: Request, wanted: Wanted) -> Response:
        if wanted.protobuf:
            raise status.not_acceptable([JSON, YAML])
        lines = self._reader.watch(kind, target, request, wanted)
        return Response(200, lines, wanted.content_type)

    def _answer(
        self, code: int, kind: Kind, obj: Object, wanted: Wanted, request: Request, options: Options | None
    ) -> Response:
        document = self._reader.shape_one(kind, obj, wanted, request)
        warnings = list(options.warnings) if options else []
        warnings += _deprecation(kind)
        return Response(code, encode(document, wanted), wanted.content_type, warnings)

    # ---------------------------------------------------------------------------------------------------- below them

    async def _below(self, kind: Kind, target: Target, request: Request) -> Response:
        sub, method = target.subresource, request.method
        if sub not in kind.type.subresources:
            if kind.type.custom:
                raise status.not_found(kind.type.group, kind.type.plural, target.name)
            raise status.path_not_found()
        wanted = negotiate(request.headers.get("accept", ""), forms=("Table", "PartialObjectMetadata"))
        if sub == "scale":
            return await self._scale(kind, target, request, wanted)
        if sub == "log" and method == "GET":
            lines = await self._subresources.log(kind, target, request)
            return Response(204, b"", "") if lines is None else Response(200, lines, "text/plain")
        if sub in ("binding", "eviction", "token") and method == "POST":
            body, options = read_body(request), read_options(request, request.body)
            if not isinstance(body, dict):
                raise status.bad_request("the body must be an object")
            if sub == "binding":
                answer = await self._subresources.bind(kind, target, body, options)
            elif sub == "eviction":
                answer = await self._subresources.evict(kind, target, body, options)
            else:
                answer = await self._subresources.issue(kind, target, body)
            return Response(201, encode(answer, wanted), wanted.content_type)
        if sub in ("exec", "attach", "portforward"):
            text = f"{sub} is not offered by this cluster: pods are processes of this machine, use its own tools"
            raise status.refusal(403, text)
        if sub in ("status", "finalize", "approval", "resize", "ephemeralcontainers"):
            if method in ("GET", "HEAD"):
                obj = await self._writer.read(kind, target.namespace, target.name)
                return self._answer(200, kind, obj, wanted, request, None)
            if method == "PUT":
                options = read_options(request, request.body)
                new = await self._writer.update(kind, target, read_body(request, custom=kind.type.custom), options)
                return self._answer(200, kind, new, wanted, request, options)
            if method == "PATCH":
                return await self._patch(kind, target, request, wanted)
        if kind.type.custom:
            raise _unsupported(kind, _VERBS.get(method, method.lower()))
        raise status.method_not_allowed()

    async def _scale(self, kind: Kind, target: Target, request: Request, wanted: Wanted) -> Response:
        options = read_options(request, request.body)
        if request.method in ("GET", "HEAD"):
            found = await self._subresources.scale(kind, target, None, options)
        elif request.method == "PUT":
            body = read_body(request)
            if not isinstance(body, dict):
                raise status.bad_request("the body must be a Scale")
            found = await self._subresources.scale(kind, target, lambda _: body, options)
        elif request.method == "PATCH":
            form, patch, options = read_patch(kind, request)
            plain = "merge" if form in ("strategic", "apply") else form
            found = await self._subresources.scale(
                kind, target, lambda old: patch_object(kind, plain, old, patch), options
            )
        elif kind.type.custom:
            raise _unsupported(kind, _VERBS.get(request.method, request.method.lower()))
        else:
            raise status.method_not_allowed()
        return Response(200, encode(found, wanted), wanted.content_type, options.warnings)

    def _review(self, kind: Kind, request: Request) -> Response:
        wanted = negotiate(request.headers.get("accept", ""))
        if request.method != "POST" or kind.type.kind == "Binding":
            raise status.method_not_allowed()
        body = read_body(request)
        if not isinstance(body, dict):
            raise status.bad_request("the body must be an object")
        answer = self._subresources.review(kind, body, self.is_admin)
        return Response(201, encode(answer, wanted), wanted.content_type)


def _wanted(request: Request, kind: Kind) -> Wanted:
    wanted = negotiate(request.headers.get("accept", ""), custom=kind.type.custom)
    return replace(wanted, pretty=True) if request.flag("pretty") else wanted


def _unsupported(kind: Kind, verb: str) -> status.StatusError:
    text = f'{verb} is not supported on resources of kind "{kind.type.group_resource}"'
    return status.refusal(405, text, {"group": kind.type.group, "kind": kind.type.plural})


def _deprecation(kind: Kind) -> list[str]:
    found = kind.compiled.deprecation_warning if kind.compiled is not None else ""
    return [found] if found else []


def _anonymous(request: Request) -> status.StatusError:
    """403 for a request without credentials."""
    target = parse_target(request.path)
    user = 'User "system:anonymous"'
    verb = _VERBS.get(request.method, request.method.lower())
    if target is None:
        return status.refusal(403, f'forbidden: {user} cannot {verb} path "{request.path}"', {})
    if verb == "get" and not target.name:
        verb = "watch" if request.flag("watch") else "list"
    where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
    plural = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    text = f'{user} cannot {verb} resource "{plural}" in API group "{target.group}"{where}'
    qualified = f"{target.plural}.{target.group}" if target.group else target.plural
    head = f'{qualified} "{target.name}" is forbidden' if target.name else f"{qualified} is forbidden"
    details = {"name": target.name} if target.name else {}
    details |= {"group": target.group} if target.group else {}
    return status.refusal(403, f"{head}: {text}", details | {"kind": target.plural})
