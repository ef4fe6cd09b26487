"""Admission webhooks: which of them a request concerns, what they are asked, and what their answers do to it."""

import asyncio
import uuid
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from kaito.local.apiserver import jsonpatch, status
from kaito.local.apiserver.hook_client import CallError, HookClient
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.selectors import Requirement
from kaito.local.schema.registry import Type

Object = dict[str, Any]
USER = {"username": "kubernetes-admin", "uid": "", "groups": ["system:masters", "system:authenticated"]}
_OWN = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})


@dataclass(frozen=True)
class Attributes:
    """One write, as admission sees it. ``obj`` is None for a DELETE, ``old`` for a CREATE; ``options`` as sent."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    operation: str
    obj: Object | None
    old: Object | None
    dry_run: bool = False
    options: Object = field(default_factory=dict)

    @property
    def type(self) -> Type:
        return self.kind.type

    @property
    def equivalents(self) -> list[Type]:
        """The same kind in its other versions."""
        return [type for type in self.kind.crd.types if type != self.type] if self.kind.crd is not None else []

    def with_object(self, obj: Object) -> "Attributes":
        return replace(self, obj=obj)


def selector_matches(selector: Object | None, labels: Object) -> bool:
    """Whether a metav1.LabelSelector selects these labels; an empty one selects all."""
    for key, value in ((selector or {}).get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in (selector or {}).get("matchExpressions") or ():
        op = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}[term["operator"]]
        if not Requirement(term["key"], op, tuple(term.get("values") or ())).matches(labels):
            return False
    return True


def rule_matches(rule: Object, attributes: Attributes, type: Type) -> bool:
    """Whether one of a webhook's rules covers the request, taken as one for the given version of its kind."""
    resource = f"{type.plural}/{attributes.subresource}" if attributes.subresource else type.plural
    scope = "Namespaced" if type.namespaced else "Cluster"

    def named(wanted: list[str], name: str) -> bool:
        return "*" in wanted or name in wanted

    def covers(pattern: str) -> bool:
        if pattern == "*":
            return not attributes.subresource
        plural, _, sub = pattern.partition("/")
        mine, _, my_sub = resource.partition("/")
        return plural in ("*", mine) and (sub in ("*", my_sub) if sub else not my_sub)

    return (
        named(rule.get("operations") or [], attributes.operation)
        and named(rule.get("apiGroups") or [], type.group)
        and named(rule.get("apiVersions") or [], type.version)
        and any(pattern == "*/*" or covers(pattern) for pattern in rule.get("resources") or ())
        and rule.get("scope", "*") in ("*", scope)
    )


def asked_version(hook: Object, attributes: Attributes) -> Type | None:
    """The version in which a webhook's rules cover a request: its own, or for want of it an equivalent one."""
    rules = hook.get("rules") or ()
    if any(rule_matches(rule, attributes, attributes.type) for rule in rules):
        return attributes.type
    if hook.get("matchPolicy", "Equivalent") != "Equivalent":
        return None
    fitting = (type for rule in rules for type in attributes.equivalents if rule_matches(rule, attributes, type))
    return next(fitting, None)


def selected(hook: Object, attributes: Attributes, namespace_labels: Object) -> bool:
    """Whether a webhook's selectors choose the request's object."""
    is_namespace = attributes.type.kind == "Namespace" and not attributes.type.group
    subject = attributes.obj or attributes.old or {}
    labels = (subject.get("metadata") or {}).get("labels") or {} if is_namespace else namespace_labels
    if (attributes.type.namespaced or is_namespace) and not selector_matches(hook.get("namespaceSelector"), labels):
        return False
    sides = [side for side in (attributes.obj, attributes.old) if side is not None]
    own = [(side.get("metadata") or {}).get("labels") or {} for side in sides]
    return any(selector_matches(hook.get("objectSelector"), labels) for labels in own)


def review(attributes: Attributes, shown: Type, uid: str) -> Object:
    """The AdmissionReview to send; the objects in ``attributes`` are of the version ``shown``."""
    type = attributes.type
    options = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}[attributes.operation]
    request: Object = {
        "uid": uid, "kind": _kind(shown), "resource": _resource(shown), "requestKind": _kind(type),
        "requestResource": _resource(type),
        "name": attributes.name, "namespace": attributes.namespace, "operation": attributes.operation,
        "userInfo": USER, "object": attributes.obj, "oldObject": attributes.old, "dryRun": attributes.dry_run,
        "options": {"kind": options, "apiVersion": "meta.k8s.io/v1"} | attributes.options,
    }  # fmt: skip
    if attributes.subresource:
        request["subResource"] = request["requestSubResource"] = attributes.subresource
    if not attributes.namespace:
        del request["namespace"]
    if attributes.type.kind == "Namespace" and not type.group:
        request["namespace"] = attributes.name
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _kind(type: Type) -> Object:
    return {"group": type.group, "version": type.version, "kind": type.kind}


def _resource(type: Type) -> Object:
    return {"group": type.group, "version": type.version, "resource": type.plural}


def conditions_hold(hook: Object, request: Object, attributes: Attributes) -> bool:
    """Whether a webhook's `matchConditions` let the request through: one that is false decides before one that fails.

    Raises StatusError for a condition that fails, unless the webhook is to be ignored then.
    """
    if not hook.get("matchConditions"):
        return True
    from kaito.local.schema import cel_program  # brings the CEL library along: only for those who use it

    variables = {"object": request["object"], "oldObject": request["oldObject"], "request": request}
    failures = []
    for one in hook["matchConditions"]:
        try:
            if not cel_program.condition(one["expression"], variables):
                return False
        except (cel_program.CompileError, cel_program.EvalError) as exc:
            failures.append(f'match condition "{one["name"]}": {exc}')
    if failures and hook.get("failurePolicy") != "Ignore":
        type = attributes.type
        raise status.forbidden(type.group, type.plural, attributes.name, ", ".join(failures))
    return not failures


class Webhooks:
    """The webhooks of one cluster.

    ``configs`` gives the configurations of a kind; ``namespace_labels`` the labels of a namespace.
    """

    def __init__(
        self,
        configs: Callable[[str], list[Object]],
        namespace_labels: Callable[[str], Object],
        client: HookClient,
    ) -> None:
        self._configs = configs
        self._namespace_labels = namespace_labels
        self._client = client

    def active(self, kind: str) -> bool:
        """False when there is no webhook of that kind at all: the common case, which must cost nothing."""
        return bool(self._configs(kind))

    def _hooks(self, kind: str) -> list[Object]:
        configs = sorted(self._configs(kind), key=lambda config: config["metadata"]["name"])
        return [hook for config in configs for hook in config.get("webhooks") or ()]

    def _concerned(self, hook: Object, attributes: Attributes) -> Type | None:
        """The version in which a webhook is to be asked about a request; None when it is not."""
        if attributes.type.kind in _OWN:
            return None
        labels = self._namespace_labels(attributes.namespace) if attributes.namespace else {}
        return asked_version(hook, attributes) if selected(hook, attributes, labels) else None

    async def mutate(self, attributes: Attributes) -> tuple[Object | None, list[str]]:
        """(the object as the webhooks want it, warnings). Raises StatusError when one refuses.

        After a change, those that were asked before it and want to know (`reinvocationPolicy: IfNeeded`) are asked once
        more, in a second and last round.
        """
        warnings: list[str] = []
        seen: set[int] = set()  # asked since the last change, and wanting to know of the next
        again: set[int] = set()
        for second in (False, True):
            for number, hook in enumerate(self._hooks("MutatingWebhookConfiguration")):
                if second and number not in again:
                    continue
                shown = self._concerned(hook, attributes)
                if shown is None:
                    continue
                before = attributes.obj
                attributes = await self._mutate_with(hook, attributes, shown, warnings)
                if attributes.obj != before:
                    again |= seen
                    seen.clear()
                if hook.get("reinvocationPolicy") == "IfNeeded":
                    seen.add(number)
            if not again:
                break
        return attributes.obj, warnings

    async def _mutate_with(self, hook: Object, attributes: Attributes, shown: Type, warnings: list[str]) -> Attributes:
        try:
            seen, answer = await self._ask(hook, attributes, shown, warnings)
            if answer is None or not answer.get("patch") or seen.obj is None:
                return attributes
            if answer.get("patchType") != "JSONPatch":
                raise CallError(f"unsupported patch type {answer.get('patchType')!r}: only JSONPatch is understood")
            changed = jsonpatch.apply(seen.obj, orjson.loads(b64decode(answer["patch"])))
        except (CallError, jsonpatch.PatchError, ValueError) as exc:
            return _failed(hook, attributes, exc)
        if changed == seen.obj:
            return attributes
        if shown != attributes.type:
            changed = await attributes.kind.in_version(changed, attributes.type.version)
        return attributes.with_object(changed)

    async def validate(self, attributes: Attributes) -> list[str]:
        """Warnings. Raises StatusError when one refuses. All are asked at the same time."""
        warnings: list[str] = []

        async def one(hook: Object) -> None:
            shown = self._concerned(hook, attributes)
            if shown is None:
                return
            try:
                await self._ask(hook, attributes, shown, warnings)
            except (CallError, ValueError) as exc:
                _failed(hook, attributes, exc)

        hooks = self._hooks("ValidatingWebhookConfiguration")
        results = await asyncio.gather(*map(one, hooks), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return warnings

    async def _ask(
        self, hook: Object, attributes: Attributes, shown: Type, warnings: list[str]
    ) -> tuple[Attributes, Object | None]:
        """(what the webhook was shown, its response once it allows the request).

        The response is None when its conditions leave the request out. Raises StatusError when it refuses, CallError
        when it cannot be asked.
        """
        seen = await _in_version(attributes, shown)
        uid = str(uuid.uuid4())
        asked = review(seen, shown, uid)
        if not conditions_hold(hook, asked["request"], attributes):
            return seen, None
        if attributes.dry_run and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise status.bad_request(f'admission webhook "{hook["name"]}" does not support dry run')
        answer = await self._client.post(hook["clientConfig"], asked, hook.get("timeoutSeconds", 10))
        response = answer.get("response")
        if not isinstance(response, dict):
            raise CallError("webhook response was absent")
        if response.get("uid") != uid:
            raise CallError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        warnings.extend(str(warning)[:256] for warning in response.get("warnings") or ())
        if response.get("allowed"):
            return seen, response
        raise _denied(hook["name"], response.get("status") or {})


async def _in_version(attributes: Attributes, shown: Type) -> Attributes:
    """The same write with its objects in another version of their kind. Raises StatusError (500)."""
    if shown == attributes.type:
        return attributes
    kind, version = attributes.kind, shown.version
    obj = await kind.in_version(attributes.obj, version) if attributes.obj is not None else None
    old = await kind.in_version(attributes.old, version) if attributes.old is not None else None
    return replace(attributes, obj=obj, old=old)


def _denied(name: str, given: Object) -> status.StatusError:
    code = int(given.get("code") or 403)
    message = given.get("message") or given.get("reason") or ""
    text = f'admission webhook "{name}" denied the request'
    text += f": {message}" if message else " without explanation"
    details = given.get("details")
    return status.StatusError.of(code, given.get("reason") or ("Forbidden" if code == 403 else ""), text, details)


def _failed(hook: Object, attributes: Attributes, exc: Exception) -> Attributes:
    """What a webhook that cannot be asked means: with failurePolicy Ignore nothing, otherwise a refusal."""
    if hook.get("failurePolicy") == "Ignore":
        return attributes
    raise status.internal(f'failed calling webhook "{hook["name"]}": failed to call webhook: {exc}')
