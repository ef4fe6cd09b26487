"""Getting, listing and watching, in each form that a client may want."""

import asyncio
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from kaito.local.apiserver import selectors, status
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import Request, Target, Wanted
from kaito.local.apiserver.store import Event, Expired, Store
from kaito.local.schema import table

Object = dict[str, Any]
BOOKMARK_SECONDS = 30.0
_SNAPSHOTS, _SNAPSHOT_SECONDS = 64, 300.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Selection:
    """Which objects of a collection are meant."""

    namespace: str
    labels: list[selectors.Requirement]
    fields: list[selectors.FieldTerm]

    @staticmethod
    def of(kind: Kind, target: Target, request: Request) -> "Selection":
        labels = selectors.parse_labels(request.option("labelSelector"))
        fields = selectors.parse_fields(kind.type, request.option("fieldSelector"))
        if target.name:
            fields = [*fields, *selectors.parse_fields(kind.type, f"metadata.name={target.name}")]
        return Selection(target.namespace, labels, fields)

    @property
    def everything(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, obj: Object) -> bool:
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        if self.labels and not selectors.labels_match(self.labels, obj):
            return False
        return all(term.matches(obj) for term in self.fields)


def number(request: Request, name: str) -> int:
    """A whole number among the options, 0 when absent. Raises StatusError (400)."""
    text = request.option(name)
    try:
        return int(text) if text else 0
    except ValueError:
        raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj.get("metadata", {})}


class Reader:
    """All reads from one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[str, tuple[float, list[Object], int]] = OrderedDict()
        self._tickets = 0
        # An event's line for the plain form, encoded once for all its watchers.
        self._lines: OrderedDict[tuple[int, str, str], bytes] = OrderedDict()

    # --------------------------------------------------------------------------------------------------------- shapes

    def shape_one(self, kind: Kind, obj: Object, wanted: Wanted, request: Request) -> Object:
        """One object in the form wanted."""
        if wanted.kind == "Table":
            return table.render(kind.type, [obj], include_object=_include(request), resource_version=_version(obj))
        if wanted.kind.startswith("Partial"):
            return partial(obj)
        return obj

    def shape_many(self, kind: Kind, objs: list[Object], meta: Object, wanted: Wanted, request: Request) -> Object:
        """A list in the form wanted."""
        if wanted.kind == "Table":
            result = table.render(kind.type, objs, include_object=_include(request))
            meta = {key: value for key, value in meta.items() if value}
            return result | {"metadata": meta}
        if wanted.kind.startswith("Partial"):
            meta = {key: value for key, value in meta.items() if value}
            return {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
                    "items": [partial(obj) for obj in objs]}  # fmt: skip
        if not kind.type.custom:
            objs = [{key: value for key, value in obj.items() if key not in ("apiVersion", "kind")} for obj in objs]
        head = {"kind": _list_kind(kind), "apiVersion": kind.type.api_version}
        return head | {"metadata": meta, "items": objs}

    # ---------------------------------------------------------------------------------------------------------- list

    async def list(self, kind: Kind, target: Target, request: Request) -> tuple[Any, Object]:
        """(objects, list metadata). Raises StatusError."""
        page, meta = await self.page(kind, target, request)
        return await kind.out_all(page), meta

    async def page(self, kind: Kind, target: Target, request: Request) -> tuple[Any, Object]:
        """(objects as they are stored, list metadata). Raises StatusError."""
        selection = Selection.of(kind, target, request)
        limit = number(request, "limit")
        number(request, "timeoutSeconds")  # refused when it is no number, though a list never takes long
        token = request.option("continue")
        start = 0
        if token:
            objs, version, start = self._continued(token, request)
        else:
            _check_match(request)
            version = self._checked_version(request)
            found = self._found(kind, target, version)
            objs = found if selection.everything else await self.chosen(kind, selection, found)
        meta: Object = {"resourceVersion": str(version)}
        page = objs[start:]
        at_zero = request.option("resourceVersion") == "0" and not token
        if limit and len(page) > limit and not at_zero:
            page = page[:limit]
            meta["continue"] = self._remember(objs, version, start + limit, token)
            if selection.everything:
                meta["remainingItemCount"] = len(objs) - start - limit
        elif kind.type.custom:
            meta["continue"] = ""
        return page, meta

    async def chosen(self, kind: Kind, selection: Selection, objs: Any) -> Any:
        """The stored objects that are meant: of what a webhook converts, its answer decides."""
        if kind.conversions is None:
            return [obj for obj in objs if selection.matches(obj)]
        shown = await kind.out_all(objs)
        return [obj for obj, seen in zip(objs, shown, strict=True) if selection.matches(seen)]

    def _checked_version(self, request: Request) -> int:
        """The version of what is there. Raises StatusError when the client asked for another that cannot be had."""
        asked = request.option("resourceVersion")
        if not asked or asked == "0":
            return self._store.version
        wanted = _parse_version(asked)
        if wanted > self._store.version:
            message = f"Too large resource version: {wanted}, current: {self._store.version}"
            details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                       "retryAfterSeconds": 1}  # fmt: skip
            raise status.StatusError.of(504, "Timeout", f"Timeout: {message}", details)
        return wanted if request.option("resourceVersionMatch") == "Exact" else self._store.version

    def _found(self, kind: Kind, target: Target, version: int) -> Any:
        """What is there now, or was at the version that was asked for. Raises StatusError (410)."""
        if version == self._store.version:
            return self._store.list(kind.resource, target.namespace or None)
        try:
            return self._store.list_at(kind.resource, version, target.namespace or None)
        except Expired:
            text = "The provided resource version is no longer kept. Please list again without it."
            raise status.expired(text) from None

    def _remember(self, objs: Any, version: int, start: int, token: str) -> str:
        ticket = _open_token(token)["ticket"] if token else self._new_ticket()
        self._snapshots[ticket] = (time.monotonic() + _SNAPSHOT_SECONDS, objs, version)
        self._snapshots.move_to_end(ticket)
        while len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        content = {"v": "meta.k8s.io/v1", "rv": version, "start": start, "ticket": ticket}
        return b64encode(orjson.dumps(content)).decode().rstrip("=")

    def _new_ticket(self) -> str:
        self._tickets += 1
        return f"{self._tickets}-{time.monotonic_ns()}"

    def _continued(self, token: str, request: Request) -> tuple[Any, int, int]:
        if request.option("resourceVersion") not in ("", "0"):
            raise status.bad_request("specifying resource version is not allowed when using continue")
        content = _open_token(token)
        kept = self._snapshots.get(content["ticket"])
        if kept is None or kept[0] < time.monotonic():
            self._snapshots.pop(content["ticket"], None)
            raise status.expired(
                "The provided continue parameter is too old to display a consistent list result. You must start a new "
                "list without the continue parameter."
            )
        return kept[1], kept[2], content["start"]

    # --------------------------------------------------------------------------------------------------------- watch

    def watch(self, kind: Kind, target: Target, request: Request, wanted: Wanted) -> AsyncIterator[bytes]:
        """Event lines until the time is over. Raises StatusError before the first when the request is wrong."""
        selection = Selection.of(kind, target, request)
        seconds = number(request, "timeoutSeconds")
        asked = request.option("resourceVersion")
        initial = request.option("sendInitialEvents")
        match = request.option("resourceVersionMatch")
        _check_streaming(initial, match)
        since = _parse_version(asked, watched=True) if asked else 0
        bookmarks = request.flag("allowWatchBookmarks")
        if initial == "true":
            since = 0
        elif initial == "false" and not since:
            since = self._store.version
        plan = _Watch(kind, selection, wanted, request, bookmarks, ending=initial == "true" and bookmarks)
        return self._stream(plan, since, float(seconds) if seconds else None)

    async def _stream(self, plan: "_Watch", since: int, seconds: float | None) -> AsyncIterator[bytes]:
        end = time.monotonic() + seconds if seconds else None
        kind, store = plan.kind, self._store
        if not since:
            since = store.version
            # No await between reading the version and the objects, so nothing is missed or told twice.
            found = store.list(kind.resource, plan.selection.namespace or None)
            try:
                shown = await kind.out_all(await self.chosen(kind, plan.selection, found))
            except status.StatusError as refused:
                yield _error_line(refused)
                return
            for obj in shown:
                yield plan.line("ADDED", obj)
            if plan.ending:
                yield plan.bookmark(since, initial_end=True)
        # Every half a minute, and shortly before the end: the client goes on from there.
        left = None if end is None else max(0.2, end - time.monotonic() - 2)
        idle = BOOKMARK_SECONDS if left is None else min(BOOKMARK_SECONDS, left)
        feed = store.watch(kind.resource, since, idle=idle)
        try:
            async with asyncio.timeout(None if end is None else max(0.0, end - time.monotonic())):
                async for event in feed:
                    if isinstance(event, int):
                        if plan.bookmarks:
                            yield plan.bookmark(event)
                    elif (line := await self._line(plan, event)) is not None:
                        yield line
        except TimeoutError:
            return
        except Expired:
            message = f"too old resource version: {since} ({store.version})"
            yield _error_line(status.expired(message))
        except status.StatusError as refused:
            yield _error_line(refused)
        finally:
            await feed.aclose()  # type: ignore[attr-defined]

    async def _line(self, plan: "_Watch", event: Event) -> bytes | None:
        """What a watcher is told of an event: an object that enters or leaves its selection is added or deleted."""
        selection, kind = plan.selection, event.kind
        if selection.namespace and event.key.namespace != selection.namespace:
            return None
        obj = event.obj
        if not selection.everything:
            is_in = kind != "DELETED" and bool(await self.chosen(plan.kind, selection, [obj]))
            was_in = event.old is not None and bool(await self.chosen(plan.kind, selection, [event.old]))
            if not is_in and not was_in:
                return None
            if not is_in and kind != "DELETED":
                # It left: shown as it was when it was last in, with the version of the change.
                assert event.old is not None
                version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
                last = event.old | {"metadata": event.old["metadata"] | version}
                return plan.line("DELETED", await plan.kind.out(last))
            kind = "DELETED" if kind == "DELETED" else "MODIFIED" if was_in else "ADDED"
        if plan.wanted.kind or plan.wanted.yaml:
            return plan.line(kind, await plan.kind.out(obj))
        name = (event.version, kind, plan.kind.type.api_version)
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = plan.line(kind, await plan.kind.out(obj))
            if len(self._lines) > 1024:
                self._lines.popitem(last=False)
        return line


class _Watch:
    """One watcher: what it wants, and how it is told."""

    def __init__(
        self, kind: Kind, selection: Selection, wanted: Wanted, request: Request, bookmarks: bool, *, ending: bool
    ) -> None:
        self.kind = kind
        self.selection = selection
        self.wanted = wanted
        self.bookmarks = bookmarks
        self.ending = ending
        self._include = _include(request)
        self._first = True

    def line(self, kind: str, obj: Object) -> bytes:
        return orjson.dumps({"type": kind, "object": self._shape(obj)}) + b"\n"

    def _shape(self, obj: Object) -> Object:
        if self.wanted.kind == "Table":
            result = table.render(self.kind.type, [obj], include_object=self._include, resource_version=_version(obj))
            if not self._first:
                result["columnDefinitions"] = None
            self._first = False
            return result
        return partial(obj) if self.wanted.kind.startswith("Partial") else obj

    def bookmark(self, version: int, *, initial_end: bool = False) -> bytes:
        meta: Object = {"resourceVersion": str(version)}
        if initial_end:
            meta["annotations"] = {INITIAL_EVENTS_END: "true"}
        if self.wanted.kind == "Table":
            obj: Object = table.render(self.kind.type, [], resource_version=str(version))
            if initial_end:
                # Where a table has no row, the mark still has to be somewhere.
                row = {"cells": [], "object": partial({"metadata": meta | {"creationTimestamp": None}})}
                obj["rows"] = [row]
        else:
            head = {"kind": self.kind.type.kind, "apiVersion": self.kind.type.api_version}
            if self.wanted.kind.startswith("Partial"):
                head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            obj = head | {"metadata": meta}
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"


def _error_line(refused: status.StatusError) -> bytes:
    return orjson.dumps({"type": "ERROR", "object": refused.status}) + b"\n"


def _version(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))


def _list_kind(kind: Kind) -> str:
    return kind.crd.list_kind if kind.crd is not None else kind.type.list_kind


def _include(request: Request) -> str:
    asked = request.option("includeObject") or "Metadata"
    if asked not in ("None", "Metadata", "Object"):
        why = f"Invalid value: \"{asked}\": must be 'Metadata', 'Object', 'None', or empty"
        raise status.bad_request(f"Unable to convert to Table as requested: includeObject: {why}")
    return asked


def _parse_version(text: str, *, watched: bool = False) -> int:
    if not text.isdigit():
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        if watched:
            raise status.StatusError.of(500, "", why)
        raise status.bad_request(f"invalid resource version: {why}")
    return int(text)


def _open_token(token: str) -> Object:
    try:
        raw = b64decode(token + "=" * (-len(token) % 4), validate=True)
        content = orjson.loads(raw.decode("latin-1"))
        return {"start": int(content["start"]), "ticket": str(content["ticket"])}
    except (ValueError, KeyError, TypeError):
        raise status.bad_request(f"invalid continue token: continue key is not valid: {_token_words(token)}") from None


def _token_words(token: str) -> str:
    """Why a token is none, in the words of Go's decoders."""
    try:
        text = b64decode(token + "=" * (-len(token) % 4), validate=True).decode("latin-1")
    except ValueError:
        return "it is not base64: use one that a list answered with"
    first = text[:1]
    if first and first != "{":
        return f"invalid character '{first}' looking for beginning of value"
    return "it is not one that a list answered with"


def _options_invalid(field: str, message: str, reason: str = "FieldValueForbidden") -> status.StatusError:
    details = {"group": "meta.k8s.io", "kind": "ListOptions",
               "causes": [{"reason": reason, "message": message, "field": field}]}  # fmt: skip
    return status.refusal(422, f'ListOptions.meta.k8s.io "" is invalid: {field}: {message}', details)


def _check_match(request: Request) -> None:
    """Refuse a resourceVersionMatch that makes no sense for a list."""
    match = request.option("resourceVersionMatch")
    if not match:
        return
    field = "resourceVersionMatch"
    if not request.option("resourceVersion"):
        raise _options_invalid(field, "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
    if request.option("continue"):
        raise _options_invalid(field, "Forbidden: resourceVersionMatch is forbidden when continue is provided")
    if match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise _options_invalid(field, text, "FieldValueNotSupported")
    if match == "Exact" and request.option("resourceVersion") == "0":
        text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        raise _options_invalid(field, text)


def _check_streaming(initial: str, match: str) -> None:
    """Refuse a wrong mix of sendInitialEvents and resourceVersionMatch."""
    if initial and match != "NotOlderThan":
        if not match:
            text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise _options_invalid("resourceVersionMatch", text)
        text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
        raise _options_invalid("resourceVersionMatch", text, "FieldValueNotSupported")
    if match and not initial:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise _options_invalid("resourceVersionMatch", text)


Encoder = Callable[[Any], bytes]
