"""JSON Patch: what comes out, and the words when nothing can."""

import copy
from typing import Any, NamedTuple

import pytest

from kaito.local.apiserver import jsonpatch
from kaito.local.apiserver.jsonpatch import PatchError

DOC: dict[str, Any] = {
    "metadata": {"name": "c", "finalizers": ["x", "y"], "labels": {"a": "1", "e.io/f": "2", "m~n": "3"}},
    "data": {"k": "v", "": "empty"},
    "n": 1,
    "t": True,
}


class Good(NamedTuple):
    id: str
    ops: list[dict[str, Any]]
    path: str
    want: Any


GOOD = [
    Good("add sets a member", [{"op": "add", "path": "/data/x", "value": {"y": 1}}], "data.x", {"y": 1}),
    Good("add replaces a member", [{"op": "add", "path": "/data/k", "value": "w"}], "data.k", "w"),
    Good("add puts before an index", [{"op": "add", "path": "/metadata/finalizers/1", "value": "z"}],
         "metadata.finalizers", ["x", "z", "y"]),
    Good("add at the length appends", [{"op": "add", "path": "/metadata/finalizers/2", "value": "z"}],
         "metadata.finalizers", ["x", "y", "z"]),
    Good("add at - appends", [{"op": "add", "path": "/metadata/finalizers/-", "value": "z"}],
         "metadata.finalizers", ["x", "y", "z"]),
    Good("add at -1 appends", [{"op": "add", "path": "/metadata/finalizers/-1", "value": "z"}],
         "metadata.finalizers", ["x", "y", "z"]),
    Good("add without a value adds null", [{"op": "add", "path": "/data/x"}], "data.x", None),
    Good("remove takes a member", [{"op": "remove", "path": "/data/k"}], "data", {"": "empty"}),
    Good("remove takes an element", [{"op": "remove", "path": "/metadata/finalizers/0"}], "metadata.finalizers", ["y"]),
    Good("remove at -1 takes the last", [{"op": "remove", "path": "/metadata/finalizers/-1"}],
         "metadata.finalizers", ["x"]),
    Good("replace sets a member that was not there", [{"op": "replace", "path": "/data/x", "value": "w"}],
         "data.x", "w"),
    Good("replace sets an element", [{"op": "replace", "path": "/metadata/finalizers/1", "value": "z"}],
         "metadata.finalizers", ["x", "z"]),
    Good("replace of the whole", [{"op": "replace", "path": "", "value": {"data": 5}}], "data", 5),
    Good("~1 is a slash", [{"op": "replace", "path": "/metadata/labels/e.io~1f", "value": "9"}],
         "metadata.labels", {"a": "1", "e.io/f": "9", "m~n": "3"}),
    Good("~0 is a tilde", [{"op": "remove", "path": "/metadata/labels/m~0n"}],
         "metadata.labels", {"a": "1", "e.io/f": "2"}),
    Good("an empty last step is the empty key", [{"op": "remove", "path": "/data/"}], "data", {"k": "v"}),
    Good("move renames", [{"op": "move", "from": "/data/k", "path": "/data/l"}], "data", {"": "empty", "l": "v"}),
    Good("move within an array", [{"op": "move", "from": "/metadata/finalizers/0", "path": "/metadata/finalizers/1"}],
         "metadata.finalizers", ["y", "x"]),
    Good("copy keeps the source", [{"op": "copy", "from": "/metadata/labels/a", "path": "/data/a"}],
         "data", {"k": "v", "": "empty", "a": "1"}),
    Good("a copy is of its own", [{"op": "copy", "from": "/metadata/labels", "path": "/l"},
                                  {"op": "remove", "path": "/l/a"}], "metadata.labels.a", "1"),
    Good("a passed test changes nothing", [{"op": "test", "path": "/data/k", "value": "v"}], "data.k", "v"),
    Good("test ignores the order of members",
         [{"op": "test", "path": "/data", "value": {"": "empty", "k": "v"}}], "data.k", "v"),
    Good("test of null passes for what is missing", [{"op": "test", "path": "/data/x", "value": None}], "data.k", "v"),
    Good("1 is 1.0", [{"op": "test", "path": "/n", "value": 1.0}], "n", 1),
    Good("later operations see earlier ones", [{"op": "add", "path": "/a", "value": {}},
                                               {"op": "add", "path": "/a/b", "value": 1}], "a", {"b": 1}),
]  # fmt: skip


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_result(case: Good) -> None:
    got = jsonpatch.apply(DOC, case.ops)
    for key in case.path.split("."):
        got = got[key]
    assert got == case.want


class Bad(NamedTuple):
    id: str
    op: dict[str, Any]
    message: str


BAD = [
    Bad("add without a parent", {"op": "add", "path": "/x/y", "value": 1},
        'add operation does not apply: doc is missing path: "/x/y": missing value'),
    Bad("add below a string", {"op": "add", "path": "/data/k/y", "value": 1},
        'add operation does not apply: doc is missing path: "/data/k/y": missing value'),
    Bad("add behind the end", {"op": "add", "path": "/metadata/finalizers/3", "value": "z"},
        "error in add for path: '/metadata/finalizers/3': Unable to access invalid index: 3: invalid index referenced"),
    Bad("add at a word", {"op": "add", "path": "/metadata/finalizers/q", "value": "z"},
        "error in add for path: '/metadata/finalizers/q': value was not a proper array index: \"q\""),
    Bad("add at a number too long to read", {"op": "add", "path": "/metadata/finalizers/" + "9" * 5000, "value": "z"},
        f"error in add for path: '/metadata/finalizers/{'9' * 5000}': "
        f'value was not a proper array index: "{"9" * 5000}"'),
    Bad("add of the whole", {"op": "add", "path": "", "value": {}},
        'add operation does not apply: doc is missing path: "": missing value'),
    Bad("a pointer without a slash", {"op": "add", "path": "data/k", "value": 1},
        'add operation does not apply: doc is missing path: "data/k": missing value'),
    Bad("remove of nothing", {"op": "remove", "path": "/data/x"},
        "error in remove for path: '/data/x': Unable to remove nonexistent key: x: missing value"),
    Bad("remove without a parent", {"op": "remove", "path": "/x/y"},
        'remove operation does not apply: doc is missing path: "/x/y": missing value'),
    Bad("remove at -", {"op": "remove", "path": "/metadata/finalizers/-"},
        "error in remove for path: '/metadata/finalizers/-': value was not a proper array index: \"-\""),
    Bad("replace without a parent", {"op": "replace", "path": "/x/y", "value": 1},
        "replace operation does not apply: doc is missing path: /x/y: missing value"),
    Bad("replace behind the end", {"op": "replace", "path": "/metadata/finalizers/2", "value": 1},
        "replace operation does not apply: doc is missing key: /metadata/finalizers/2: missing value"),
    Bad("replace of the whole by a word", {"op": "replace", "path": "", "value": "s"},
        "replace operation value must be object or array, not a string"),
    Bad("test of another value", {"op": "test", "path": "/data/k", "value": "w"},
        "testing value /data/k failed: test failed"),
    Bad("test of what is missing", {"op": "test", "path": "/data/x", "value": "w"},
        "testing value /data/x failed: test failed"),
    Bad("true is not 1", {"op": "test", "path": "/t", "value": 1}, "testing value /t failed: test failed"),
    Bad("test without a parent", {"op": "test", "path": "/x/y", "value": None},
        "test operation does not apply: is missing path: /x/y: missing value"),
    Bad("test of some members", {"op": "test", "path": "/metadata/labels", "value": {"a": "1"}},
        "testing value /metadata/labels failed: test failed"),
    Bad("move of nothing", {"op": "move", "from": "/data/x", "path": "/data/y"},
        "error in move for path: 'x': Unable to remove nonexistent key: x: missing value"),
    Bad("move into itself", {"op": "move", "from": "/metadata", "path": "/metadata/labels"},
        "move operation does not apply: doc is missing destination path: /metadata/labels: missing value"),
    Bad("move without from", {"op": "move", "path": "/data/y"},
        "move operation failed to decode from: operation missing from field: missing value"),
    Bad("copy of nothing", {"op": "copy", "from": "/data/x", "path": "/data/y"},
        "error in copy for from: '/data/x': missing value"),
    Bad("copy to nowhere", {"op": "copy", "from": "/data/k", "path": "/x/y"},
        "copy operation does not apply: doc is missing destination path: /x/y: missing value"),
    Bad("no such operation", {"op": "bogus", "path": "/data/k"}, "Unexpected kind: bogus"),
    Bad("no operation", {"path": "/data/k"}, "Unexpected kind: unknown"),
    Bad("no path", {"op": "add"}, "add operation failed to decode path: operation missing path field: missing value"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_a_patch_that_does_not_fit_is_refused_in_kubernetes_words(case: Bad) -> None:
    with pytest.raises(PatchError) as caught:
        jsonpatch.apply(DOC, [case.op])
    assert (caught.value.message, caught.value.code, caught.value.reason) == (case.message, 422, "Invalid")


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (
            {"op": "add"},
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (None, "error decoding patch: json: cannot unmarshal null into Go value of type []handlers.jsonPatchOp"),
        (["x"], "error decoding patch: operation 0 must be an object, not a string"),
        ([{"op": 5, "path": "/a"}], "error decoding patch: operation 0: op must be a string, not a number"),
        ([{"op": "add", "path": True}], "error decoding patch: operation 0: path must be a string, not a boolean"),
    ],
)
def test_what_is_no_patch_names_the_operation_and_its_type(ops: Any, message: str) -> None:
    with pytest.raises(PatchError) as caught:
        jsonpatch.apply(DOC, ops)
    assert (caught.value.message, caught.value.code, caught.value.reason) == (message, 400, "BadRequest")


def test_neither_document_nor_patch_is_changed_or_shared() -> None:
    value: dict[str, Any] = {"list": [1]}
    doc, ops = copy.deepcopy(DOC), [{"op": "add", "path": "/data/x", "value": value}]
    got = jsonpatch.apply(doc, ops)
    got["data"]["x"]["list"].append(2)
    got["metadata"]["finalizers"].clear()
    assert (doc, value) == (DOC, {"list": [1]})


def test_a_failing_patch_leaves_the_document_alone() -> None:
    doc = copy.deepcopy(DOC)
    with pytest.raises(PatchError):
        jsonpatch.apply(doc, [{"op": "remove", "path": "/data"}, {"op": "remove", "path": "/data"}])
    assert doc == DOC


def test_ten_thousand_operations_pass_and_one_more_does_not() -> None:
    ops = [{"op": "test", "path": "/data/k", "value": "v"}] * 10_000
    assert jsonpatch.apply(DOC, ops) == DOC
    with pytest.raises(PatchError) as caught:
        jsonpatch.apply(DOC, [*ops, ops[0]])
    want = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert (caught.value.message, caught.value.code) == (want, 413)


def test_copies_of_copies_stop_at_three_mebibytes() -> None:
    ops = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 10_000
    with pytest.raises(PatchError, match="exceeding the limit 3145728") as caught:
        jsonpatch.apply({"a": [1]}, ops)
    assert caught.value.code == 413
