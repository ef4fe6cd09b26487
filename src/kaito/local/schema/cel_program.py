"""CEL expressions compiled: against the types of a schema to check a definition, and without types to be evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from kaito.local.schema import cel_library, cel_net
from kaito.local.schema.cel_types import Raw, Types, shape

_EXTENSIONS = ("optional", "strings", "math", "sets", "lists", "encoders", "bindings", "two-var-comprehensions")
_CONFIG = (
    "name: kubernetes\nextensions:\n"
    + "".join(f"- name: {name}\n" for name in _EXTENSIONS)
    + "stdlib:\n  exclude_functions:\n"
    + "".join(f"  - name: {name}\n" for name in cel_library.REPLACED)
)
# A rule with an optional oldSelf sees a list of none or one, as nothing else becomes an optional in the library.
_OLD = "oldSelfItems"
_BIND_OLD = f"cel.bind(oldSelf, {_OLD}[?0],\n"
_TOKEN = re.compile(
    r"""//[^\n]*|[bB]?[rR]?(?:'''.*?'''|\"{3}.*?\"{3})|[bB]?[rR]'[^'\n]*'|[bB]?[rR]"[^"\n]*"|"""
    r"""[bB]?'(?:\\.|[^'\\\n])*'|[bB]?"(?:\\.|[^"\\\n])*"|[A-Za-z_]\w*|.""",
    re.DOTALL,
)
_UNSUPPORTED = ("transformMap", "transformMapEntry")  # the library compiles them, and cannot evaluate them
_OPTIONAL_CALLS = ("named", "validate")  # of formats: what they give is made an optional
_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")  # the library's codes
# How the library says it, and how the API server does.
_WORDINGS = (
    (re.compile(r'Key not found in map : "(.*)"'), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"No matching overloads found : .*"), "no such overload"),
)


class CompileError(ValueError):
    """What is wrong with an expression, in the words of the checker."""


class EvalError(ValueError):
    """Why an expression has no value for this object."""


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


@lru_cache(maxsize=4096)
def uses_old_self(text: str) -> bool:
    """Whether an expression names `oldSelf`; not as a field, nor in a string."""
    before = ""
    for token in _tokens(text):
        if token == "oldSelf" and before != ".":
            return True
        before = token if token.strip() else before
    return False


def _library_form(text: str, optional_old: bool) -> str:
    """The expression as the library takes it."""
    if "format." in text:
        text = _with_optional_calls(_tokens(text))
    return f"{_BIND_OLD}{text}\n)" if optional_old else text


def _with_optional_calls(tokens: list[str]) -> str:
    """`validate(x)` as `validate(x)[?0]`, likewise for `named`."""
    result, open_calls, depth = [], [], 0
    for index, token in enumerate(tokens):
        result.append(token)
        if token == "(":
            depth += 1
            if index > 1 and tokens[index - 1] in _OPTIONAL_CALLS and tokens[index - 2] == ".":
                open_calls.append(depth)
        elif token == ")":
            if open_calls and open_calls[-1] == depth:
                open_calls.pop()
                result.append("[?0]")
            depth -= 1
    return "".join(result)


def _environment(pool: Any, variables: dict[str, cel.Type]) -> cel.Env:
    config = cel.NewEnvConfigFromYaml(_CONFIG)
    return cel.NewEnv(pool, config=config, variables=variables, functions=cel_net.all_functions())


class Checker:
    """Checks expressions about values with one schema."""

    def __init__(self, raw: Raw, *, root: bool) -> None:
        types = Types(cel_library.FILES)
        self._own = types.add(raw, root=root) if shape(raw) else cel.Type.DYN
        self._pool = types.pool()
        self._environments: dict[bool, cel.Env] = {}

    def check(self, text: str, wanted: str, *, optional_old: bool = False) -> None:
        """Raises CompileError unless the expression compiles to a `bool` or a `string`, as wanted."""
        unsupported = next((token for token in _tokens(text) if token in _UNSUPPORTED), None)
        if unsupported:
            raise CompileError(
                f"compilation failed: this server does not evaluate {unsupported}(): use transformList()"
            )
        try:
            found = self._environment(optional_old).compile(_library_form(text, optional_old)).return_type()
        except RuntimeError as exc:
            raise CompileError(f"compilation failed: {_issues(str(exc), optional_old)}") from exc
        kinds = {"bool": cel.Type.BOOL, "string": cel.Type.STRING}
        if found not in (kinds[wanted], cel.Type.DYN):
            raise CompileError(f"must evaluate to a {wanted}")

    def _environment(self, optional_old: bool) -> cel.Env:
        found = self._environments.get(optional_old)
        if found is None:
            old = {_OLD: cel.Type.List(self._own)} if optional_old else {"oldSelf": self._own}
            found = self._environments[optional_old] = _environment(self._pool, {"self": self._own, **old})
        return found


def _issues(text: str, wrapped: bool) -> str:
    """The library's complaint without what the API server does not say."""
    text = _STATUS.sub("", text)
    text = re.sub(r" not found in struct '[\w.]+'", "", text)
    if wrapped:
        text = re.sub(r"<input>:(\d+):", lambda found: f"<input>:{max(1, int(found[1]) - 1)}:", text)
    return text


@cache
def _untyped(optional_old: bool) -> cel.Env:
    old = {_OLD: cel.Type.List(cel.Type.DYN)} if optional_old else {"oldSelf": cel.Type.DYN}
    return _environment(cel_library.POOL, {"self": cel.Type.DYN, **old})


@lru_cache(maxsize=4096)
def _program(text: str, optional_old: bool) -> cel.Expression:
    return _untyped(optional_old).compile(_library_form(text, optional_old))


def evaluate(text: str, variables: Mapping[str, Any], *, optional_old: bool = False) -> Any:
    """The value of a checked expression. With `optional_old`, `oldSelf` is an optional that may be missing.

    Raises EvalError when the expression fails for this object.
    """
    data = dict(variables)
    if optional_old:
        data[_OLD] = [data.pop("oldSelf")] if "oldSelf" in data else []
    return _value(_program(text, optional_old), data)


@lru_cache(maxsize=1024)
def _condition(text: str) -> cel.Expression:
    names = ("object", "oldObject", "request")
    return _environment(cel_library.POOL, dict.fromkeys(names, cel.Type.DYN)).compile(_library_form(text, False))


def condition(text: str, variables: Mapping[str, Any]) -> bool:
    """Whether a match condition over `object`, `oldObject` and `request` holds. Raises CompileError and EvalError."""
    try:
        compiled = _condition(text)
    except RuntimeError as exc:
        raise CompileError(f"compilation failed: {_issues(str(exc), False)}") from exc
    found = _value(compiled, dict(variables))
    if not isinstance(found, bool):
        raise EvalError("must evaluate to a bool")
    return found


def _value(expression: cel.Expression, data: dict[str, Any]) -> Any:
    try:
        found = expression.eval(data=data)
    except RuntimeError as exc:
        raise EvalError(_failure(str(exc))) from exc
    if found.type() == cel.Type.ERROR:
        raise EvalError(_failure(str(found.value())))
    return found.plain_value()


def _failure(text: str) -> str:
    text = _STATUS.sub("", text)
    for pattern, wording in _WORDINGS:
        text = pattern.sub(wording, text)
    return text
