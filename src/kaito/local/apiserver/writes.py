"""Creating, changing and deleting objects: every write takes this way, whoever asks and in whatever form."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from kaito.local.apiserver import address, jsonpatch, status, strategy
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import Target
from kaito.local.apiserver.store import Event, Key, Store
from kaito.local.apiserver.webhooks import Attributes, Webhooks
from kaito.local.schema import smp, ssa, typed
from kaito.local.schema.errors import FieldError, invalid_status
from kaito.local.schema.validation import Prepared, decode_message, prepare_create, prepare_update, validate

Object = dict[str, Any]
ATTEMPTS = 100
METADATA_LIMIT = 256 * 1024


class _Stale(Exception):
    """The object changed between reading it and writing it."""


@dataclass
class Options:
    """How a write is to be done. ``warnings`` collects what the client should be told."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    duplicates: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    raw: bytes = b""
    warnings: list[str] = field(default_factory=list)


class Writer:
    """All writes to one store."""

    def __init__(self, store: Store, webhooks: Webhooks, service_cidr: str) -> None:
        self._store = store
        self._webhooks = webhooks
        self._service_cidr = service_cidr
        self._reserved_ips: set[str] = set()
        self._reserved_ports: set[int] = set()

    def read(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object as this kind shows it. Raises StatusError (404)."""
        found = self._store.get(Key(kind.resource, namespace, name))
        if found is None:
            raise status.not_found(kind.type.group, kind.type.plural, name)
        return kind.out(found)

    # ------------------------------------------------------------------------------------------------------- create

    async def create(self, kind: Kind, target: Target, body: Any, options: Options) -> Object:
        """The new object. Raises StatusError."""
        obj = _own_copy(kind, body)
        meta = obj["metadata"]
        _match_namespace(kind, meta, target.namespace)
        if meta.get("resourceVersion"):
            raise status.refusal(500, "resourceVersion should not be set on objects to be created")
        generated = not meta.get("name") and bool(meta.get("generateName"))
        for attempt in range(8):
            if generated:
                meta["name"] = strategy.generated_name(meta["generateName"])
            try:
                return await self._create_once(kind, target, copy.deepcopy(obj) if generated else obj, options)
            except status.StatusError as refused:
                if not generated or refused.status.get("reason") != "AlreadyExists" or attempt == 7:
                    raise
        raise AssertionError("unreachable")

    async def _create_once(self, kind: Kind, target: Target, obj: Object, options: Options) -> Object:
        strategy.begin_create(kind, obj)
        name = obj["metadata"].get("name") or ""
        self._check_place(kind, target.namespace, name)
        prepared = prepare_create(kind.type, obj)
        self._check_decoding(kind, prepared, options)
        new = prepared.obj
        attributes = self._attributes(kind, target, "CREATE", new, None, options, name=name)
        if self._webhooks.active("MutatingWebhookConfiguration"):
            new = prepare_create(kind.type, await self._mutate(attributes, options)).obj
            attributes = attributes.with_object(new)
        if not (kind.type.custom and "managedFields" in new["metadata"] and _applied(new)):
            ssa.update_managed_fields(kind.type, None, new, options.manager)
        taken = self._allocate(kind, new, None)
        try:
            self._check_valid(kind, new, None)
            await self._validate(attributes, options)
            stored = kind.stored(new)
            if options.dry_run:
                if self._store.get(Key(kind.resource, target.namespace, new["metadata"]["name"])) is not None:
                    raise status.already_exists(kind.type.group, kind.type.plural, name)
                return new

            def change(current: Object | None) -> Object | None:
                if current is not None:
                    raise self._exists(kind, name, current)
                self._check_place(kind, target.namespace, name)
                return stored

            event = await self._store.write(Key(kind.resource, target.namespace, name), change)
        finally:
            taken()
        assert event is not None
        return kind.out(event.obj)

    # ------------------------------------------------------------------------------------------------------- update

    async def update(self, kind: Kind, target: Target, body: Any, options: Options) -> Object:
        """Replace an object, or its ``status`` or a namespace's ``finalize``. Raises StatusError."""
        obj = _own_copy(kind, body)
        meta = obj["metadata"]
        if meta.get("name", target.name) != target.name:
            text = f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
            raise status.bad_request(text)
        if not meta.get("name"):
            raise status.bad_request("name must be provided") if kind.type.custom else _unnamed(target.name)
        _match_namespace(kind, meta, target.namespace)

        def replaced(old: Object) -> Object:
            self._check_versions(kind, target.name, meta, old, required=True)
            return copy.deepcopy(obj)

        return await self.change(kind, target, replaced, options)

    async def patch(self, kind: Kind, target: Target, form: str, patch: Any, options: Options) -> tuple[Object, bool]:
        """(the object, True when an apply created it). Raises StatusError."""
        if form == "apply":
            return await self._apply(kind, target, patch, options)

        def patched(old: Object) -> Object:
            new = patch_object(kind, form, old, patch)
            meta = new.get("metadata")
            if not isinstance(meta, dict):
                raise status.bad_request("metadata: expected an object")
            _check_identity(kind, target, new, old)
            self._check_versions(kind, target.name, meta, old, required=False)
            return new

        return await self.change(kind, target, patched, options, patched=True), False

    async def _apply(self, kind: Kind, target: Target, body: Object, options: Options) -> tuple[Object, bool]:
        where = Key(kind.resource, target.namespace, target.name)
        body = _applied_body(kind, target, body)
        if self._store.get(where) is None:
            if target.subresource or (body.get("metadata") or {}).get("uid"):
                if target.subresource:
                    raise status.not_found(kind.type.group, kind.type.plural, target.name)
                uid = body["metadata"]["uid"]
                text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise status.conflict(kind.type.group, kind.type.plural, target.name, text)
            _check_typed(kind, body)
            new, _ = ssa.apply(kind.type, None, body, options.manager, options.force)
            new["metadata"]["name"] = target.name
            return await self._create_applied(kind, target, new, options), True

        def applied(old: Object) -> Object:
            meta = body.get("metadata") or {}
            if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
                raise self.uid_mismatch(kind, target.name, meta["uid"], old["metadata"]["uid"])
            self._check_versions(kind, target.name, meta, old, required=False)
            _check_typed(kind, body)
            new, conflicts = ssa.apply(
                kind.type, old, body, options.manager, options.force, subresource=target.subresource
            )
            if conflicts:
                causes = {"causes": [conflict.cause() for conflict in conflicts]}
                raise status.refusal(409, ssa.conflict_message(conflicts), causes)
            return new

        return await self.change(kind, target, applied, options, unknown_from=body, recorded=True), False

    async def _create_applied(self, kind: Kind, target: Target, new: Object, options: Options) -> Object:
        managed = new["metadata"].pop("managedFields", [])
        obj = _own_copy(kind, new)
        _match_namespace(kind, obj["metadata"], target.namespace)
        strategy.begin_create(kind, obj)
        self._check_place(kind, target.namespace, target.name)
        prepared = prepare_create(kind.type, obj)
        self._check_decoding(kind, prepared, options, applied=True)
        final = prepared.obj
        attributes = self._attributes(kind, target, "CREATE", final, None, options, name=target.name)
        if self._webhooks.active("MutatingWebhookConfiguration"):
            final = prepare_create(kind.type, await self._mutate(attributes, options)).obj
            attributes = attributes.with_object(final)
        final["metadata"]["managedFields"] = managed
        taken = self._allocate(kind, final, None)
        try:
            self._check_valid(kind, final, None)
            await self._validate(attributes, options)
            if options.dry_run:
                return final

            def change(current: Object | None) -> Object | None:
                if current is not None:
                    raise status.already_exists(kind.type.group, kind.type.plural, target.name)
                self._check_place(kind, target.namespace, target.name)
                return kind.stored(final)

            event = await self._store.write(Key(kind.resource, target.namespace, target.name), change)
        finally:
            taken()
        assert event is not None
        return kind.out(event.obj)

    async def change(
        self,
        kind: Kind,
        target: Target,
        make: Callable[[Object], Object],
        options: Options,
        *,
        unknown_from: Object | None = None,
        recorded: bool = False,
        patched: bool = False,
    ) -> Object:
        """Read, make the new object, write; again when somebody else was faster."""
        where = Key(kind.resource, target.namespace, target.name)
        for _ in range(ATTEMPTS):
            current = self._store.get(where)
            if current is None:
                raise status.not_found(kind.type.group, kind.type.plural, target.name)
            old = kind.out(current)
            options.warnings.clear()
            new = await self._changed(
                kind, target, old, make(old), options, unknown_from, recorded=recorded, patched=patched
            )
            if options.dry_run or new == old:
                return new
            try:
                return await self._put(kind, where, current, new)
            except _Stale:
                continue
        raise status.modified(kind.type.group, kind.type.plural, target.name)

    async def _put(self, kind: Kind, where: Key, current: Object, new: Object) -> Object:
        stored = kind.stored(new)
        taken = self._allocate(kind, stored, current)

        def change(found: Object | None) -> Object | None:
            if found is not current:
                raise _Stale
            return None if strategy.gone_after(stored) else stored

        try:
            event = await self._store.write(where, change)
        finally:
            taken()
        assert event is not None
        # What a removal answers with is the object as it was changed, not as it was before.
        return kind.out(event.obj) if event.kind != "DELETED" else new | {"metadata": new["metadata"]}

    async def _changed(
        self,
        kind: Kind,
        target: Target,
        old: Object,
        asked: Object,
        options: Options,
        unknown_from: Object | None,
        *,
        recorded: bool,
        patched: bool,
    ) -> Object:
        """The object to store: admitted, defaulted, validated."""
        managed = (asked.get("metadata") or {}).get("managedFields")
        prepared = prepare_update(kind.type, strategy.begin_update(kind, old, asked, target.subresource), old)
        self._check_decoding(
            kind, prepared, options, applied=unknown_from is not None, patched=asked if patched else None
        )
        new = prepared.obj
        attributes = self._attributes(kind, target, "UPDATE", new, old, options, name=target.name)
        if self._webhooks.active("MutatingWebhookConfiguration"):
            mutated = strategy.begin_update(kind, old, await self._mutate(attributes, options), target.subresource)
            new = prepare_update(kind.type, mutated, old).obj
        strategy.end_update(kind, old, new)
        if recorded:
            new["metadata"]["managedFields"] = managed
        else:
            if managed is not None:
                new["metadata"]["managedFields"] = managed
            ssa.update_managed_fields(kind.type, old, new, options.manager, subresource=target.subresource)
        attributes = attributes.with_object(new)
        self._check_valid(kind, new, old, target.subresource)
        await self._validate(attributes, options)
        return new

    # ------------------------------------------------------------------------------------------------------- delete

    async def delete(self, kind: Kind, target: Target, how: Object, options: Options) -> tuple[Object, bool]:
        """(the object as the request leaves it, True when it is gone). ``how`` are DeleteOptions."""
        where = Key(kind.resource, target.namespace, target.name)
        if kind.resource == "namespaces" and target.name in strategy.IMMORTAL:
            raise status.forbidden("", "namespaces", target.name, "this namespace may not be deleted")
        for _ in range(ATTEMPTS):
            current = self._store.get(where)
            if current is None:
                raise status.not_found(kind.type.group, kind.type.plural, target.name)
            self._check_preconditions(kind, target.name, how.get("preconditions") or {}, current)
            attributes = self._attributes(kind, target, "DELETE", None, kind.out(current), options, name=target.name)
            if self._webhooks.active("MutatingWebhookConfiguration"):
                await self._mutate(attributes, options)
            await self._validate(attributes, options)
            marked = strategy.deletion(
                kind, current, grace=how.get("gracePeriodSeconds"), propagation=how.get("propagationPolicy"),
                orphan=how.get("orphanDependents"),
            )  # fmt: skip
            gone = strategy.gone_after(marked | {"kind": kind.type.kind})
            if options.dry_run:
                return kind.out(marked), gone
            try:
                left = await self._remove(where, current, marked, gone=gone)
                if gone and kind.resource in strategy.RETURNED:
                    left = marked | {"metadata": marked["metadata"] | {"resourceVersion": _version(left)}}
                return kind.out(left), gone
            except _Stale:
                continue
        raise status.modified(kind.type.group, kind.type.plural, target.name)

    async def _remove(self, where: Key, current: Object, marked: Object, *, gone: bool) -> Object:
        def change(found: Object | None) -> Object | None:
            if found is not current:
                raise _Stale
            return None if gone else current if marked == current else marked

        event: Event | None = await self._store.write(where, change)
        return event.obj if event is not None else current

    # ------------------------------------------------------------------------------------------------------- checks

    def _check_place(self, kind: Kind, namespace: str, name: str) -> None:
        if kind.type.namespaced:
            strategy.check_namespace(self._store.get(Key("namespaces", "", namespace)), namespace, kind, name)
        if kind.terminating:
            text = "create not allowed while custom resource definition is terminating"
            raise status.forbidden(kind.type.group, kind.type.plural, name, text)

    def _check_decoding(
        self, kind: Kind, prepared: Prepared, options: Options, *, applied: bool = False, patched: Object | None = None
    ) -> None:
        if prepared.decode_errors and patched is not None:
            raise _bad_result(patched, prepared.decode_errors[0])
        if prepared.decode_errors:
            raise status.bad_request(decode_message(kind.type, prepared.decode_errors))
        problems = options.repeated + _in_order(options, prepared, sort=kind.type.custom)
        if not problems or options.validation == "Ignore":
            return
        if options.validation == "Strict":
            lines = ["yaml: unmarshal errors:\n  " + "\n  ".join(options.repeated)] if options.repeated else []
            text = "strict decoding error: " + ", ".join([*lines, *problems[len(options.repeated) :]])
            if patched is not None:
                raise _bad_result(patched, text)
            if not applied:
                head = f'{kind.type.kind} in version "{kind.type.version}" cannot be handled as a {kind.type.kind}'
                text = f"{head}: {text}"
            raise status.bad_request(text)
        options.warnings.extend(problem for problem in problems if problem not in options.warnings)

    def _check_valid(self, kind: Kind, new: Object, old: Object | None, subresource: str = "") -> None:
        errors = validate(kind.type, new, old, subresource=subresource)
        if errors:
            refuse(kind, new["metadata"].get("name") or "", errors)

    def _check_versions(self, kind: Kind, name: str, meta: Object, old: Object, *, required: bool) -> None:
        """The resourceVersion and uid that the client saw must be the current ones."""
        uid, version = meta.get("uid"), meta.get("resourceVersion")
        if required and not version and kind.type.custom:
            error = FieldError("metadata.resourceVersion", "FieldValueInvalid", "must be specified for an update", 0)
            raise status.StatusError(invalid_status(kind.type.group, kind.type.plural, name, [error]))
        if uid and uid != old["metadata"]["uid"]:
            raise self.uid_mismatch(kind, name, uid, old["metadata"]["uid"])
        if version and version != old["metadata"]["resourceVersion"]:
            raise status.modified(kind.type.group, kind.type.plural, name)

    def _exists(self, kind: Kind, name: str, current: Object) -> status.StatusError:
        refused = status.already_exists(kind.type.group, kind.type.plural, name)
        if "deletionTimestamp" in current["metadata"]:
            refused.status["message"] = f"object is being deleted: {refused.status['message']}"
        return refused

    def uid_mismatch(self, kind: Kind, name: str, sent: str, real: str) -> status.StatusError:
        text = f"Precondition failed: UID in precondition: {sent}, UID in object meta: {real}"
        return status.conflict(kind.type.group, kind.type.plural, name, text)

    def _check_preconditions(self, kind: Kind, name: str, wanted: Object, current: Object) -> None:
        meta = current["metadata"]
        if wanted.get("uid") not in (None, meta["uid"]):
            text = f"the UID in the precondition ({wanted['uid']}) does not match the UID in record ({meta['uid']}). "
            text += "The object might have been deleted and then recreated"
            raise status.conflict(kind.type.group, kind.type.kind, name, text)
        version = wanted.get("resourceVersion")
        if version not in (None, meta["resourceVersion"]):
            text = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            text += f"({meta['resourceVersion']}). The object might have been modified"
            raise status.conflict(kind.type.group, kind.type.kind, name, text)

    # ---------------------------------------------------------------------------------------------------- admission

    def _attributes(
        self,
        kind: Kind,
        target: Target,
        operation: str,
        obj: Object | None,
        old: Object | None,
        options: Options,
        *,
        name: str,
    ) -> Attributes:
        return Attributes(
            type=kind.type, namespace=target.namespace, name=name, subresource=target.subresource,
            operation=operation, obj=obj, old=old, dry_run=options.dry_run, manager=options.manager,
        )  # fmt: skip

    async def _mutate(self, attributes: Attributes, options: Options) -> Object:
        obj, warnings = await self._webhooks.mutate(attributes)
        options.warnings.extend(warnings)
        return obj or {}

    async def _validate(self, attributes: Attributes, options: Options) -> None:
        if self._webhooks.active("ValidatingWebhookConfiguration"):
            options.warnings.extend(await self._webhooks.validate(attributes))

    # ---------------------------------------------------------------------------------------------------- allocation

    def _allocate(self, kind: Kind, obj: Object, old: Object | None) -> Callable[[], None]:
        """Give a service its address and ports; the answer frees the reservation once the write has landed."""
        if kind.resource != "services":
            return _nothing
        spec = obj.setdefault("spec", {})
        before = (old or {}).get("spec") or {}
        ips, ports = set(self._reserved_ips), set(self._reserved_ports)
        for service in self._store.list("services"):
            if old is not None and service["metadata"]["uid"] == old["metadata"]["uid"]:
                continue
            ips.add(service["spec"].get("clusterIP"))
            ports.update(port.get("nodePort") for port in service["spec"].get("ports") or ())
        mine_ips: set[str] = set()
        mine_ports: set[int] = set()
        try:
            if spec.get("type") == "ExternalName":
                spec.pop("clusterIP", None), spec.pop("clusterIPs", None)
            elif (
                spec.get("clusterIP") != "None" and spec.get("clusterIP") != before.get("clusterIP", "")
            ) or not spec.get("clusterIP"):
                self._take_ip(spec, ips, mine_ips)
            if spec.get("clusterIP"):
                spec.setdefault("clusterIPs", [spec["clusterIP"]])
            if spec.get("type") in ("NodePort", "LoadBalancer"):
                for port in spec.get("ports") or ():
                    port["nodePort"] = address.node_port(ports | mine_ports, port.get("nodePort") or 0)
                    mine_ports.add(port["nodePort"])
        except ValueError as exc:
            where = "spec.clusterIPs" if mine_ips or "IP" in str(exc) else "spec.ports[0].nodePort"
            value: Any = [spec.get("clusterIP")] if where == "spec.clusterIPs" else 0
            detail = f"failed to allocate IP {spec.get('clusterIP')}: {exc}" if where == "spec.clusterIPs" else str(exc)
            refuse(kind, obj["metadata"].get("name", ""), [FieldError(where, "FieldValueInvalid", detail, value)])
        self._reserved_ips |= mine_ips
        self._reserved_ports |= mine_ports

        def free() -> None:
            self._reserved_ips -= mine_ips
            self._reserved_ports -= mine_ports

        return free

    def _take_ip(self, spec: Object, used: set[str], mine: set[str]) -> None:
        spec["clusterIP"] = address.service_ip(self._service_cidr, used, spec.get("clusterIP") or "")
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        mine.add(spec["clusterIP"])


_META_ORDER = ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
               "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
               "ownerReferences", "finalizers", "managedFields")  # fmt: skip


def _bad_result(patched: Object, why: str) -> status.StatusError:
    """422 for a patch whose result is no object of the kind; the object is shown as a real server shows it."""
    meta = patched.get("metadata") or {}
    ordered = {key: meta[key] for key in _META_ORDER if key in meta} | meta
    shown = dict(sorted((patched | {"metadata": ordered}).items()))
    detail = f"{_quoted(orjson.dumps(shown).decode())}: {why}"
    cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {detail}", "field": "patch"}
    return status.refusal(422, f' "" is invalid: patch: Invalid value: {detail}', {"causes": [cause]})


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


def _in_order(options: Options, prepared: Prepared, *, sort: bool) -> list[str]:
    """Doubled and unknown fields in the order in which a decoder meets them; with `sort`, unknown ones by name."""

    def key(path: str) -> bytes:
        return f'"{path.rpartition(".")[2]}"'.encode()

    found = [(options.raw.rfind(key(path)), f'duplicate field "{path}"') for path in options.duplicates]
    if sort:
        doubled = [text for _, text in sorted(found, key=lambda item: item[0])]
        return [*doubled, *(f'unknown field "{path}"' for path in sorted(prepared.unknown))]
    found += [(options.raw.find(key(path)), f'unknown field "{path}"') for path in prepared.unknown]
    return [text for _, text in sorted(found, key=lambda item: item[0])]


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _nothing() -> None:
    return None


def refuse(kind: Kind, name: str, errors: list[FieldError]) -> None:
    """Raises the 422 for these errors."""
    raise status.StatusError(invalid_status(kind.type.group, kind.type.kind, name, errors))


def patch_object(kind: Kind, form: str, old: Object, patch: Any) -> Object:
    """The old object with a patch of this form applied. Raises StatusError."""
    try:
        if form == "json":
            result = jsonpatch.apply(old, patch)
        elif form == "strategic":
            result = smp.apply(kind.type, old, patch)
        else:
            result = _merge(old, patch)
    except jsonpatch.PatchError as exc:
        if exc.code != 422:
            raise status.refusal(exc.code, exc.message) from exc
        raise status.refusal(422, "the server rejected our request due to an error in our request", {}) from exc
    except smp.PatchError as exc:
        raise status.bad_request(str(exc)) from exc
    if not isinstance(result, dict):
        raise status.bad_request("the patch leaves no object")
    return result


def _merge(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), item)
    return result


def _own_copy(kind: Kind, body: Any) -> Object:
    """The request's object with its kind filled in, ready to be changed. Raises StatusError (400)."""
    if not isinstance(body, dict):
        word = {list: "array", str: "string", bool: "bool", type(None): "null"}.get(type(body), "number")
        text = f"couldn't get version/kind; json parse error: json: cannot unmarshal {word} into Go value of type "
        raise status.bad_request(text + "struct { APIVersion string; Kind string }")
    check_kind(kind, body)
    obj = dict(body)
    obj["apiVersion"], obj["kind"] = kind.type.api_version, kind.type.kind
    meta = obj.get("metadata") or {}
    if not isinstance(meta, dict):
        raise status.bad_request("metadata: expected an object")
    obj["metadata"] = dict(meta)
    return obj


def check_kind(kind: Kind, body: Object) -> None:
    """The apiVersion and kind in a body, where they are given, must be those of the URL."""
    given, wanted = body.get("apiVersion"), kind.type.api_version
    name = body.get("kind")
    if given and given != wanted:
        text = f"the API version in the data ({given}) does not match the expected API version ({wanted})"
        raise status.bad_request(text)
    if name and name != kind.type.kind and kind.type.custom:
        error = FieldError("kind", "FieldValueInvalid", f"must be {kind.type.kind}", name)
        own = (body.get("metadata") or {}).get("name") or ""
        raise status.StatusError(invalid_status(kind.type.group, name, own, [error]))
    if name and name != kind.type.kind:
        text = f'{name} in version "{kind.type.version}" cannot be handled as a {kind.type.kind}: converting '
        raise status.bad_request(text + f"({wanted}.{name}) to ({wanted}.{kind.type.kind}): unknown conversion")


def _match_namespace(kind: Kind, meta: Object, namespace: str) -> None:
    if not kind.type.namespaced:
        return
    if meta.get("namespace") not in (None, "", namespace):
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    meta["namespace"] = namespace


def _unnamed(name: str) -> status.StatusError:
    return status.bad_request(f"the name of the object (empty) does not match the name on the URL ({name})")


def _check_identity(kind: Kind, target: Target, new: Object, old: Object) -> None:
    """A patch may not rename, move or retype an object."""
    meta = new["metadata"]
    if meta.get("name") != target.name:
        text = f"the name of the object ({meta.get('name')}) does not match the name on the URL ({target.name})"
        raise status.bad_request(text)
    _match_namespace(kind, meta, target.namespace)
    check_kind(kind, new)


def _applied(obj: Object) -> bool:
    return any(entry.get("operation") == "Apply" for entry in obj["metadata"].get("managedFields") or ())


def _check_typed(kind: Kind, body: Object) -> None:
    """What an apply is refused for before it is merged."""
    if body.get("metadata", {}).get("managedFields"):
        raise status.bad_request("metadata.managedFields must be nil")
    problems = typed.problems(kind.type, body)
    if problems:
        meta = body.get("metadata") or {}
        where = (
            f"{meta.get('namespace') or ''}/{meta.get('name') or ''}; {kind.type.api_version}, Kind={kind.type.kind}"
        )
        if not kind.type.group:
            where = where.replace("; ", "; /", 1)
        text = f"failed to create typed patch object ({where}): {typed.message(problems)}"
        raise status.StatusError.of(500, "", text)


def _applied_body(kind: Kind, target: Target, body: Object) -> Object:
    """An applied configuration without what this path may not set. Raises StatusError (400)."""
    if not body.get("kind") or not body.get("apiVersion"):
        version = body.get("apiVersion") or ""
        shown = version if "/" in version else f"/{version}"
        raise status.bad_request(f"invalid object type: {shown}, Kind={body.get('kind') or ''}")
    check_kind(kind, body)
    meta = body.get("metadata") or {}
    if not isinstance(meta, dict):
        raise status.bad_request("metadata: expected an object")
    if meta.get("name", target.name) != target.name:
        text = f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        raise status.bad_request(text)
    if target.subresource == "status":
        return {key: value for key, value in body.items() if key in ("apiVersion", "kind", "metadata", "status")}
    if kind.has_status:
        return {key: value for key, value in body.items() if key != "status"}
    return body


async def gather(*jobs: Any) -> list[Any]:
    """All results; the first failure is raised once all have ended."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
