"""Admission webhooks: which of them a request concerns, what they are asked, and what their answers do to it."""

import asyncio
import copy
import uuid
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from kaito.local.apiserver import jsonpatch, status
from kaito.local.apiserver.hook_client import CallError, HookClient
from kaito.local.apiserver.selectors import Requirement
from kaito.local.schema.registry import Type

Object = dict[str, Any]
USER = {"username": "kubernetes-admin", "uid": "", "groups": ["system:masters", "system:authenticated"]}
_OWN = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})


@dataclass(frozen=True)
class Attributes:
    """One write, as admission sees it. ``obj`` is None for a DELETE, ``old`` for a CREATE."""

    type: Type
    namespace: str
    name: str
    subresource: str
    operation: str
    obj: Object | None
    old: Object | None
    dry_run: bool = False
    manager: str = ""

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


def rule_matches(rule: Object, attributes: Attributes) -> bool:
    """Whether one of a webhook's rules covers the request."""
    type = attributes.type
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


def concerns(hook: Object, attributes: Attributes, namespace_labels: Object) -> bool:
    """Whether a webhook is to be asked about a request."""
    if attributes.type.kind in _OWN or not any(rule_matches(rule, attributes) for rule in hook.get("rules") or ()):
        return False
    is_namespace = attributes.type.kind == "Namespace" and not attributes.type.group
    subject = attributes.obj or attributes.old or {}
    labels = (subject.get("metadata") or {}).get("labels") or {} if is_namespace else namespace_labels
    if (attributes.type.namespaced or is_namespace) and not selector_matches(hook.get("namespaceSelector"), labels):
        return False
    sides = [side for side in (attributes.obj, attributes.old) if side is not None]
    own = [(side.get("metadata") or {}).get("labels") or {} for side in sides]
    return any(selector_matches(hook.get("objectSelector"), labels) for labels in own)


def review(attributes: Attributes, uid: str) -> Object:
    """The AdmissionReview to send."""
    type = attributes.type
    kind = {"group": type.group, "version": type.version, "kind": type.kind}
    resource = {"group": type.group, "version": type.version, "resource": type.plural}
    options = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}[attributes.operation]
    request: Object = {
        "uid": uid, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": attributes.name, "namespace": attributes.namespace, "operation": attributes.operation,
        "userInfo": USER, "object": attributes.obj, "oldObject": attributes.old, "dryRun": attributes.dry_run,
        "options": {"kind": options, "apiVersion": "meta.k8s.io/v1"},
    }  # fmt: skip
    if attributes.subresource:
        request["subResource"] = request["requestSubResource"] = attributes.subresource
    if not attributes.namespace:
        del request["namespace"]
    if attributes.type.kind == "Namespace" and not type.group:
        request["namespace"] = attributes.name
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


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

    def _hooks(self, kind: str, attributes: Attributes) -> list[Object]:
        labels = self._namespace_labels(attributes.namespace) if attributes.namespace else {}
        configs = sorted(self._configs(kind), key=lambda config: config["metadata"]["name"])
        hooks = [hook for config in configs for hook in config.get("webhooks") or ()]
        return [hook for hook in hooks if concerns(hook, attributes, labels)]

    async def mutate(self, attributes: Attributes) -> tuple[Object | None, list[str]]:
        """(the object as the webhooks want it, warnings). Raises StatusError when one refuses."""
        warnings: list[str] = []
        again: list[Object] = []
        for hook in self._hooks("MutatingWebhookConfiguration", attributes):
            before = attributes.obj
            attributes = await self._mutate_with(hook, attributes, warnings)
            if attributes.obj != before:
                repeat, again = again, [*again]
                for earlier in repeat:
                    attributes = await self._mutate_with(earlier, attributes, warnings)
                again.clear()
            if hook.get("reinvocationPolicy") == "IfNeeded":
                again.append(hook)
        return attributes.obj, warnings

    async def _mutate_with(self, hook: Object, attributes: Attributes, warnings: list[str]) -> Attributes:
        try:
            answer = await self._ask(hook, attributes, warnings)
            if answer is None or not answer.get("patch") or attributes.obj is None:
                return attributes
            if answer.get("patchType") != "JSONPatch":
                raise CallError(f"unsupported patch type {answer.get('patchType')!r}: only JSONPatch is understood")
            operations = orjson.loads(b64decode(answer["patch"]))
            return attributes.with_object(jsonpatch.apply(attributes.obj, operations))
        except (CallError, jsonpatch.PatchError, ValueError) as exc:
            return _failed(hook, attributes, exc)

    async def validate(self, attributes: Attributes) -> list[str]:
        """Warnings. Raises StatusError when one refuses. All are asked at the same time."""
        warnings: list[str] = []

        async def one(hook: Object) -> None:
            try:
                await self._ask(hook, attributes, warnings)
            except (CallError, ValueError) as exc:
                _failed(hook, attributes, exc)

        hooks = self._hooks("ValidatingWebhookConfiguration", attributes)
        results = await asyncio.gather(*map(one, hooks), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return warnings

    async def _ask(self, hook: Object, attributes: Attributes, warnings: list[str]) -> Object | None:
        """The webhook's response once it allows the request, None when its conditions leave the request out.

        Raises StatusError when it refuses, CallError when it cannot be asked.
        """
        uid = str(uuid.uuid4())
        asked = review(copy.copy(attributes), uid)
        if not conditions_hold(hook, asked["request"], attributes):
            return None
        if attributes.dry_run and hook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise status.bad_request(f'admission webhook "{hook["name"]}" does not support dry run')
        answer = (await self._client.post(hook["clientConfig"], asked, hook.get("timeoutSeconds", 10))).get("response")
        if not isinstance(answer, dict):
            raise CallError("webhook response was absent")
        if answer.get("uid") != uid:
            raise CallError(f'expected response.uid="{uid}", got "{answer.get("uid", "")}"')
        warnings.extend(str(warning)[:256] for warning in answer.get("warnings") or ())
        if answer.get("allowed"):
            return answer
        raise _denied(hook["name"], answer.get("status") or {})


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
