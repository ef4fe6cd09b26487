"""YAML and JSON with their lines: what is read, where it is, and what is refused."""

import json
from typing import Any

import pytest

from kaito.cli.positions import MAX_ALIASED, TextError, documents, place

TEXT = """\
metadata:
  annotations:
    kaito.sh/x: "1"
    app: a
inference:
  adapters:
  - name: a
  - source:
      name: b
    strength: "1"
flow: {a: 1, b: [2, {c: 3}]}
"""


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("inference.adapters[1].source.name", (9, 7), id="a field below a list"),
        pytest.param("inference.adapters[1]", (8, 5), id="an item"),
        pytest.param("inference.adapters[1].source.image", (8, 5), id="a missing field is at its parent"),
        pytest.param("inference.adapters[7].source", (6, 3), id="a missing item is at its list"),
        pytest.param('metadata.annotations["kaito.sh/x"]', (3, 5), id="a key with dots in brackets and quotes"),
        pytest.param("metadata.annotations[kaito.sh/x]", (3, 5), id="a key with dots in brackets"),
        pytest.param("metadata.annotations.kaito.sh/x", (3, 5), id="a key with dots after a dot"),
        pytest.param("metadata.annotations.ap", (2, 3), id="the beginning of a key is not the key"),
        pytest.param("flow.b[1].c", (11, 22), id="in braces"),
        pytest.param("resource", (1, 1), id="nothing of it is there"),
        pytest.param("", (1, 1), id="the object"),
        pytest.param("inference.adapters[0].name.first", (7, 5), id="below a text"),
    ],
)
def test_a_field_is_found_at_its_deepest_part(path: str, want: tuple[int, int]) -> None:
    assert place(documents(TEXT)[0], path) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("a: 1\n--- \n---\nb: 2\n", [{"a": 1}, {"b": 2}], id="empty documents are left out"),
        pytest.param("", [], id="empty"),
        pytest.param("# only a comment\n", [], id="a comment"),
        pytest.param("a: 1\r\nb: 2\r\n", [{"a": 1, "b": 2}], id="CRLF"),
        pytest.param("a: 2024-01-01\nb: 12:30\nc: 1_0\n", [{"a": "2024-01-01", "b": "12:30", "c": 10}], id="no dates"),
        pytest.param("a: yes\non: off\n1: x\n", [{"a": True, "true": False, "1": "x"}], id="keys are text"),
        pytest.param("a: 1e3\nb: 0x10\nc: ~\n", [{"a": 1000.0, "b": 16, "c": None}], id="numbers and null"),
        pytest.param("a: 99999999999999999999\n", [{"a": 1e20}], id="beyond 64 bits"),
        pytest.param("a: !!str 1\nb: !!int '2'\n", [{"a": "1", "b": 2}], id="tags of the core"),
        pytest.param("a: &x {n: 1}\nb: *x\n", [{"a": {"n": 1}, "b": {"n": 1}}], id="an alias"),
        pytest.param(
            "a: &x {n: 1, m: 1}\nb: {<<: *x, m: 2}\n", [{"a": {"n": 1, "m": 1}, "b": {"n": 1, "m": 2}}], id="a merge"
        ),
        pytest.param(
            "a: &x {n: 1}\nb: &y {n: 2, m: 3}\nc: {<<: [*x, *y]}\n",
            [{"a": {"n": 1}, "b": {"n": 2, "m": 3}, "c": {"n": 1, "m": 3}}],
            id="of several merged maps the first wins",
        ),
        pytest.param(
            '{\n\t"a": [1,\t2], "b": "\\ud83d\\ude00\\/"\n}', [{"a": [1, 2], "b": "😀/"}], id="JSON with tabs"
        ),
    ],
)
def test_a_text_is_read_as_kubectl_does(text: str, want: list[Any]) -> None:
    assert [node.value for node in documents(text)] == want


def test_json_is_read_as_a_parser_of_json_does() -> None:
    value = {"text": 'a"\\\u2028é\U0001f600', "n": [1, -2.5, 1e30, True, None], "empty": [{}, []], "yes": "on"}
    for indent in (None, 2, "\t"):
        assert documents(json.dumps(value, indent=indent))[0].value == value
        assert documents(json.dumps(value, indent=indent, ensure_ascii=False))[0].value == value


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 400))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("a:\n\tb: 1\n", 2, "a tab: indent with spaces", id="a tab"),
        pytest.param("a: 1\nb: 2\na: 3\n", 3, "key 'a' is there twice, first in line 1", id="a key twice"),
        pytest.param("kind: A\nkind: B\n", 2, "begin another object with a line of ---", id="a separator is missing"),
        pytest.param("a:\n  b: {c: 1, c: 2}\n", 2, "key 'c' is there twice, first in line 2", id="in braces"),
        pytest.param("a: b: c\n", 1, "put values with a colon in quotes", id="a colon"),
        pytest.param("a: [1\nb: 2\n", 2, "a comma or a closing bracket is missing", id="an open bracket"),
        pytest.param("a: 'x\n", 2, "a closing quote is missing", id="an open quote"),
        pytest.param("a: 1\nname: {{ .Values.name }}\n", 2, "render it first", id="a template"),
        pytest.param("{{- if .x }}\na: 1\n", 1, "render it first", id="a template's condition"),
        pytest.param("a: *b\n", 1, r"\*b has no anchor &b above it", id="an alias of nothing"),
        pytest.param("a: &b\n- *b\n", 2, r"\*b stands inside &b", id="an alias of itself"),
        pytest.param("a: {<<: 1}\n", 1, "merges maps only", id="a merge of no map"),
        pytest.param("a: !!python/object:os.system x\n", 1, "remove it", id="a tag that runs code"),
        pytest.param("a: !Ref x\n", 1, "has the tag !Ref", id="a tag of others"),
        pytest.param("a: .nan\n", 1, "'.nan' is no number", id="not a number"),
        pytest.param(f"a: {'9' * 5000}\n", 1, "is no number that can be read", id="a number without end"),
        pytest.param("? [a]\n: 1\n", 1, "a key is a map or list", id="a list as a key"),
        pytest.param("a: 1\nb: \x07\n", 2, r"holds the character U\+0007", id="a control character"),
        pytest.param("a:\n" + "- " * 150, 2, "levels deep", id="deep"),
        pytest.param("a: " + "[" * 5000, 1, "is not valid YAML", id="deep in brackets"),
        pytest.param(BOMB, 5, f"more than {MAX_ALIASED:,} values", id="a bomb of aliases"),
        pytest.param(CHAIN, 100, "levels deep", id="a tower of aliases"),
    ],
)
def test_what_no_manifest_may_hold_is_refused_at_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(TextError, match=says) as caught:
        documents(text)
    assert caught.value.line == line
