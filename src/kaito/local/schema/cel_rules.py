"""The rules (`x-kubernetes-validations`) of custom kinds: checked with their definition, evaluated for each object.

Import it only where there are rules: it brings the CEL library along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kaito.local.schema.cel_program import Checker, CompileError, EvalError, evaluate, uses_old_self
from kaito.local.schema.cel_types import Raw, aligned, to_cel
from kaito.local.schema.correlate import ABSENT, old_field, old_items
from kaito.local.schema.errors import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    OMITTED,
    REQUIRED,
    FieldError,
    Ordered,
    invalid,
    not_supported,
    required,
)

RULES = "x-kubernetes-validations"
_REASONS = (DUPLICATE, FORBIDDEN, INVALID, REQUIRED)
_MESSAGE_LIMIT = 5 * 1024
_STEP = re.compile(r"\.([^.\[\]]+)|\['((?:\\.|[^'\\])*)'\]")


# ------------------------------------------------------------------------------------------------------- definitions


def check(raw: Raw, path: str) -> list[FieldError]:
    """What is wrong with the rules of a whole schema, which is known to be structural."""
    return list(_check(raw, path, root=True, uncorrelatable=""))


def _check(raw: Raw, path: str, *, root: bool, uncorrelatable: str) -> Iterator[FieldError]:
    rules = [(rule, f"{path}.{RULES}[{index}]") for index, rule in enumerate(raw.get(RULES) or ())]
    malformed = [error for rule, here in rules for error in _check_form(raw, rule, here)]
    yield from malformed
    if rules and not malformed:
        checker = Checker(raw, root=root)
        for rule, here in rules:
            yield from _check_meaning(checker, rule, here, uncorrelatable)
    for name, child in (raw.get("properties") or {}).items():
        if not (root and name in ("apiVersion", "kind", "metadata")):
            yield from _check(child, f"{path}.properties[{name}]", root=False, uncorrelatable=uncorrelatable)
    if isinstance(raw.get("additionalProperties"), dict):
        here = f"{path}.additionalProperties"
        yield from _check(raw["additionalProperties"], here, root=False, uncorrelatable=uncorrelatable)
    if isinstance(raw.get("items"), dict):
        if raw.get("x-kubernetes-list-type") != "map":
            uncorrelatable = uncorrelatable or path
        yield from _check(raw["items"], f"{path}.items", root=False, uncorrelatable=uncorrelatable)


def _check_form(raw: Raw, rule: Raw, path: str) -> Iterator[FieldError]:
    """What is wrong with a rule before anything is compiled."""
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    if not text:
        yield required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{path}.message", message, "must be non-empty if specified")
    elif "\n" in message.strip():
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    elif "\n" in text and not message.strip():
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression, field_path = rule.get("messageExpression") or "", rule.get("fieldPath") or ""
    if expression and not expression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") and rule["reason"] not in _REASONS:
        yield not_supported(f"{path}.reason", rule["reason"], sorted(_REASONS))
    if field_path and not field_path.strip():
        yield invalid(f"{path}.fieldPath", field_path, "must be non-empty if specified")
    if "\n" in field_path:
        yield invalid(f"{path}.fieldPath", field_path, "must not contain line breaks")
    if field_path and _resolve(raw, field_path, "") is None:
        yield invalid(f"{path}.fieldPath", field_path, "must be a valid path")


def _check_meaning(checker: Checker, rule: Raw, path: str, uncorrelatable: str) -> Iterator[FieldError]:
    text, expression = rule["rule"], rule.get("messageExpression") or ""
    optional = bool(rule.get("optionalOldSelf"))
    try:
        checker.check(text, "bool", optional_old=optional)
    except CompileError as exc:
        yield invalid(f"{path}.rule", _shown(rule), str(exc))
    if expression:
        try:
            checker.check(expression, "string", optional_old=optional)
        except CompileError as exc:
            yield invalid(f"{path}.messageExpression", _shown(rule), f"messageExpression {exc}")
    if uses_old_self(text) and uncorrelatable:
        said = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
        yield invalid(f"{path}.rule", text, said)
    elif rule.get("optionalOldSelf") is not None and not uses_old_self(text):
        yield invalid(f"{path}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")


def _shown(rule: Raw) -> Ordered:
    """A rule as the API server shows one."""
    texts = {key: rule.get(key[0].lower() + key[1:]) or "" for key in ("Rule", "Message", "MessageExpression")}
    rest = {"Reason": rule.get("reason"), "FieldPath": rule.get("fieldPath") or ""}
    return Ordered(texts | rest, OptionalOldSelf=rule.get("optionalOldSelf"))


def _resolve(raw: Raw, field_path: str, path: str) -> str | None:
    """Where `field_path` leads from a value at `path`; None when the schema has no such field."""
    rest = field_path
    while rest:
        step = _STEP.match(rest)
        if step is None:
            return None
        name, rest = step[1] or re.sub(r"\\(.)", r"\1", step[2]), rest[step.end() :]
        properties, extra = raw.get("properties"), raw.get("additionalProperties")
        if properties and name in properties:
            raw, path = properties[name], f"{path}.{name}"
        elif not properties and isinstance(extra, dict):
            raw, path = extra, f"{path}[{name}]"
        else:
            return None
    return path.removeprefix(".")


# ------------------------------------------------------------------------------------------------------------ objects


@dataclass(frozen=True)
class _Node:
    """A value, the one that it replaces (`ABSENT`: none that it could be compared with), and their schema."""

    raw: Raw
    value: Any
    old: Any
    path: str
    root: bool = False

    def children(self) -> Iterator[_Node]:
        if isinstance(self.value, dict):
            properties, extra = self.raw.get("properties") or {}, self.raw.get("additionalProperties")
            for key, child in self.value.items():
                inner = properties.get(key, extra)
                if not isinstance(inner, dict) or child is None or (self.root and key == "metadata"):
                    continue
                path = f"{self.path}.{key}" if key in properties else f"{self.path}[{key}]"
                yield _Node(inner, child, old_field(self.old, key), path.removeprefix("."))
        elif isinstance(self.value, list) and isinstance(self.raw.get("items"), dict):
            before = old_items(self.raw, self.old, self.value)
            for index, (child, old) in enumerate(zip(self.value, before, strict=True)):
                yield _Node(self.raw["items"], child, old, f"{self.path}[{index}]")


def validate(raw: Raw, obj: Any, old: Any = None, path: str = "", *, root: bool = True) -> list[FieldError]:
    """The rules that a valid object breaks; with `old`, also those about the change.

    A rule about a value that the change leaves alone does not refuse it.
    """
    return list(_validate(_Node(raw, obj, ABSENT if old is None else old, path, root)))


def _validate(node: _Node) -> Iterator[FieldError]:
    rules = node.raw.get(RULES)
    if rules:
        variables = {"self": to_cel(node.raw, node.value, root=node.root)}
        if node.old is not ABSENT:
            before = aligned(node.raw, node.old, node.value)
            variables["oldSelf"] = to_cel(node.raw, before, root=node.root)
        unchanged = node.old is not ABSENT and node.old == node.value
        for rule in rules:
            error = _broken(node, rule, variables, unchanged)
            if error is not None:
                yield error
    for child in node.children():
        yield from _validate(child)


def _broken(node: _Node, rule: Raw, variables: dict[str, Any], unchanged: bool) -> FieldError | None:
    text, optional = rule.get("rule") or "", bool(rule.get("optionalOldSelf"))
    transition = uses_old_self(text)
    if transition and not optional and "oldSelf" not in variables:
        return None
    said, path = (rule.get("message") or "").strip(), node.path or "<nil>"
    kind = node.raw.get("type", "")
    try:
        if evaluate(text, variables, optional_old=optional) is True:
            return None
    except EvalError as exc:
        if str(exc).startswith("no such overload"):
            detail = f"'{exc}': call arguments did not match a supported operator, function or macro signature for rule"
            return invalid(path, kind, f"{detail}: {said or text.strip()}")
        return invalid(path, kind, f"{exc} evaluating rule: {said or text.strip()}")
    if unchanged and not transition:
        return None  # a real server lets it pass with a warning
    value = OMITTED if isinstance(node.value, dict | list) else node.value
    detail = _expressed(rule, variables, optional) or said or f"failed rule: {text.strip()}"
    path = _resolve(node.raw, rule.get("fieldPath") or "", node.path) or path
    reason = str(rule.get("reason") or INVALID)
    return FieldError(path, reason, "" if reason == DUPLICATE else detail, value)


def _expressed(rule: Raw, variables: dict[str, Any], optional: bool) -> str:
    """What the rule's messageExpression says; "" when it says nothing usable."""
    expression = rule.get("messageExpression")
    if not expression:
        return ""
    try:
        found = evaluate(expression, variables, optional_old=optional)
    except EvalError:
        return ""
    text = found.strip() if isinstance(found, str) else ""
    return "" if "\n" in text or len(text) > _MESSAGE_LIMIT else text
