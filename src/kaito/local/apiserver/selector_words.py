"""What is wrong with a label selector, in the words of the parser that Kubernetes clients know."""

import re

_TOKEN = re.compile(r"\s*(?:(?P<sign>==|!=|[=!(),<>])|(?P<word>[^\s=!(),<>]+))")
_OPERATORS = ("in", "notin", "=", "==", "!=", ">", "<")


class _Wrong(Exception):
    pass


class _Tokens:
    def __init__(self, text: str) -> None:
        self._found = [match["sign"] or match["word"] for match in _TOKEN.finditer(text)]
        self._at = 0

    def peek(self) -> str:
        """The next token; "" at the end."""
        return self._found[self._at] if self._at < len(self._found) else ""

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def _is_name(token: str) -> bool:
    return bool(token) and token not in (*_OPERATORS, "(", ")", ",", "!")


def complaint(text: str) -> str:
    """The first thing wrong with a selector that does not parse."""
    tokens = _Tokens(text)
    while tokens.peek():
        if not _is_name(tokens.peek()) and tokens.peek() != "!":
            return f"found '{tokens.peek()}', expected: !, identifier, or 'end of string'"
        try:
            _requirement(tokens)
        except _Wrong as wrong:
            return f"unable to parse requirement: {wrong}"
        after = tokens.take()
        if after not in ("", ","):
            return f"found '{after}', expected: ',' or 'end of string'"
        if after == "," and not _is_name(tokens.peek()) and tokens.peek() != "!":
            return f"found '{tokens.peek()}', expected: identifier after ','"
    return f"unable to parse requirement: '{text}'"


def _requirement(tokens: _Tokens) -> None:
    if tokens.peek() == "!":
        tokens.take()
        if not _is_name(tokens.peek()):
            raise _Wrong(f"found '{tokens.peek()}', expected: identifier")
        tokens.take()
        return
    tokens.take()
    if tokens.peek() in ("", ","):
        return
    operator = tokens.take()
    if operator not in _OPERATORS:
        raise _Wrong(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
    if operator in ("in", "notin"):
        _values(tokens)
    elif tokens.peek() not in ("", ","):
        tokens.take()


def _values(tokens: _Tokens) -> None:
    opened = tokens.take()
    if opened != "(":
        raise _Wrong(f"found '{opened}' expected: '('")
    while True:
        if tokens.peek() not in (",", ")"):
            tokens.take()
        separator = tokens.take()
        if separator == ")":
            return
        if separator != ",":
            raise _Wrong(f"found '{separator}', expected: ',' or ')'")
