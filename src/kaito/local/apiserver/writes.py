"""Creating, changing and deleting objects: every write takes this way, whoever asks and in whatever form."""

import copy
from collections.abc import Callable
from typing import Any

from kaito.local.apiserver import checks, status, strategy
from kaito.local.apiserver.allocation import Allocator
from kaito.local.apiserver.bodies import (
    applied_body,
    check_identity,
    check_typed,
    is_applied,
    match_namespace,
    own_copy,
    patch_object,
    refuse,
    unnamed,
)
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import Target
from kaito.local.apiserver.store import Event, Key, Store
from kaito.local.apiserver.webhooks import Attributes, Webhooks
from kaito.local.apiserver.write_options import Options
from kaito.local.schema import ssa
from kaito.local.schema.errors import invalid
from kaito.local.schema.validate_meta import finalizer_warnings
from kaito.local.schema.validation import prepare_create, prepare_update

Object = dict[str, Any]
ATTEMPTS = 100
METADATA_LIMIT = 256 * 1024


class _Stale(Exception):
    """The object changed between reading it and writing it."""


class Writer:
    """All writes to one store."""

    def __init__(self, store: Store, webhooks: Webhooks, service_cidr: str) -> None:
        self._store = store
        self._webhooks = webhooks
        self._allocator = Allocator(store, service_cidr)

    async def read(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object as this kind shows it. Raises StatusError (404)."""
        found = self._store.get(Key(kind.resource, namespace, name))
        if found is None:
            raise status.not_found(kind.type.group, kind.type.plural, name)
        return await kind.out(found)

    # ------------------------------------------------------------------------------------------------------- create

    async def create(self, kind: Kind, target: Target, body: Any, options: Options) -> Object:
        """The new object. Raises StatusError."""
        obj = own_copy(kind, body)
        meta = obj["metadata"]
        match_namespace(kind, meta, target.namespace)
        if meta.get("resourceVersion"):
            raise status.StatusError.of(500, "", "resourceVersion should not be set on objects to be created")
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
        checks.check_decoding(kind, prepared, options)
        new = prepared.obj
        attributes = self._attributes(kind, target, "CREATE", new, None, options, name=name)
        if self._webhooks.active("MutatingWebhookConfiguration"):
            new = prepare_create(kind.type, await self._mutate(attributes, options)).obj
            attributes = attributes.with_object(new)
        if not (kind.type.custom and "managedFields" in new["metadata"] and is_applied(new)):
            ssa.update_managed_fields(kind.type, None, new, options.manager)
        options.warnings.extend(finalizer_warnings(kind.type, new, None))
        taken = self._allocator.allocate(kind, new, None)
        try:
            checks.check_valid(kind, new, None)
            await self._validate(attributes, options)
            stored = await kind.stored(new)
            if options.dry_run:
                if self._store.get(Key(kind.resource, target.namespace, new["metadata"]["name"])) is not None:
                    raise status.already_exists(kind.type.group, kind.type.plural, name)
                return new

            def change(current: Object | None) -> Object | None:
                if current is not None:
                    raise checks.exists(kind, name, current)
                self._check_place(kind, target.namespace, name)
                return stored

            event = await self._store.write(Key(kind.resource, target.namespace, name), change)
        finally:
            taken()
        assert event is not None
        return await kind.out(event.obj)

    # ------------------------------------------------------------------------------------------------------- update

    async def update(self, kind: Kind, target: Target, body: Any, options: Options) -> Object:
        """Replace an object, or its ``status`` or a namespace's ``finalize``. Raises StatusError."""
        obj = own_copy(kind, body)
        meta = obj["metadata"]
        if meta.get("name", target.name) != target.name:
            text = f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
            raise status.bad_request(text)
        if not meta.get("name"):
            raise status.bad_request("name must be provided") if kind.type.custom else unnamed(target.name)
        match_namespace(kind, meta, target.namespace)

        def replaced(old: Object) -> Object:
            checks.check_versions(kind, target, meta, old, required=True)
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
            check_identity(kind, target, new, old)
            if meta.get("uid") not in (None, old["metadata"]["uid"]):
                # A real server looks at it twice, and says it twice.
                refuse(kind, target.name, [invalid("metadata.uid", meta["uid"], "field is immutable")] * 2)
            checks.check_versions(kind, target, meta, old, required=False)
            return new

        return await self.change(kind, target, patched, options, patched=True), False

    async def _apply(self, kind: Kind, target: Target, body: Object, options: Options) -> tuple[Object, bool]:
        where = Key(kind.resource, target.namespace, target.name)
        body = applied_body(kind, target, body)
        if self._store.get(where) is None:
            if target.subresource or (body.get("metadata") or {}).get("uid"):
                if target.subresource:
                    raise status.not_found(kind.type.group, kind.type.plural, target.name)
                uid = body["metadata"]["uid"]
                text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise status.conflict(kind.type.group, kind.type.plural, target.name, text)
            check_typed(kind, body)
            if not (body.get("metadata") or {}).get("name"):
                text = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
                raise status.bad_request(text)
            new, _ = ssa.apply(kind.type, None, body, options.manager, options.force)
            return await self._create_applied(kind, target, new, options), True

        def applied(old: Object) -> Object:
            meta = body.get("metadata") or {}
            if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
                raise checks.uid_mismatch(kind, target.name, meta["uid"], old["metadata"]["uid"])
            checks.check_versions(kind, target, meta, old, required=False)
            check_typed(kind, body)
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
        obj = own_copy(kind, new)
        match_namespace(kind, obj["metadata"], target.namespace)
        strategy.begin_create(kind, obj)
        self._check_place(kind, target.namespace, target.name)
        prepared = prepare_create(kind.type, obj)
        checks.check_decoding(kind, prepared, options, applied=True)
        final = prepared.obj
        attributes = self._attributes(kind, target, "CREATE", final, None, options, name=target.name)
        if self._webhooks.active("MutatingWebhookConfiguration"):
            final = prepare_create(kind.type, await self._mutate(attributes, options)).obj
            attributes = attributes.with_object(final)
        final["metadata"]["managedFields"] = managed
        taken = self._allocator.allocate(kind, final, None)
        try:
            checks.check_valid(kind, final, None)
            await self._validate(attributes, options)
            stored = await kind.stored(final)
            if options.dry_run:
                return final

            def change(current: Object | None) -> Object | None:
                if current is not None:
                    raise status.already_exists(kind.type.group, kind.type.plural, target.name)
                self._check_place(kind, target.namespace, target.name)
                return stored

            event = await self._store.write(Key(kind.resource, target.namespace, target.name), change)
        finally:
            taken()
        assert event is not None
        return await kind.out(event.obj)

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
            old = await kind.out(current)
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
        stored = await kind.stored(new)
        taken = self._allocator.allocate(kind, stored, current)

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
        return await kind.out(event.obj) if event.kind != "DELETED" else new | {"metadata": new["metadata"]}

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
        checks.check_decoding(
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
        options.warnings.extend(finalizer_warnings(kind.type, new, old))
        checks.check_valid(kind, new, old, target.subresource)
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
            checks.check_preconditions(kind, target.name, how.get("preconditions") or {}, current)
            old = await kind.out(current)
            attributes = self._attributes(kind, target, "DELETE", None, old, options, name=target.name)
            if self._webhooks.active("MutatingWebhookConfiguration"):
                await self._mutate(attributes, options)
            await self._validate(attributes, options)
            marked = strategy.deletion(
                kind, current, grace=how.get("gracePeriodSeconds"), propagation=how.get("propagationPolicy"),
                orphan=how.get("orphanDependents"),
            )  # fmt: skip
            gone = strategy.gone_after(marked | {"kind": kind.type.kind})
            if options.dry_run:
                return await kind.out(marked), gone
            try:
                left = await self._remove(where, current, marked, gone=gone)
                if gone and kind.resource in strategy.RETURNED:
                    left = marked | {"metadata": marked["metadata"] | {"resourceVersion": _version(left)}}
                return await kind.out(left), gone
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

    def _check_place(self, kind: Kind, namespace: str, name: str) -> None:
        if kind.type.namespaced:
            strategy.check_namespace(self._store.get(Key("namespaces", "", namespace)), namespace, kind, name)
        if kind.terminating:
            text = "create not allowed while custom resource definition is terminating"
            raise status.forbidden(kind.type.group, kind.type.plural, name, text)

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
            kind=kind, namespace=target.namespace, name=name, subresource=target.subresource,
            operation=operation, obj=obj, old=old, dry_run=options.dry_run, options=options.sent,
        )  # fmt: skip

    async def _mutate(self, attributes: Attributes, options: Options) -> Object:
        obj, warnings = await self._webhooks.mutate(attributes)
        options.warnings.extend(warnings)
        return obj or {}

    async def _validate(self, attributes: Attributes, options: Options) -> None:
        if self._webhooks.active("ValidatingWebhookConfiguration"):
            options.warnings.extend(await self._webhooks.validate(attributes))


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])
