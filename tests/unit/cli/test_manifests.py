"""Manifests are read whole or refused with file, line and remedy."""

from pathlib import Path

import pytest

from kaito.cli.errors import NOT_FOUND, REFUSED, USAGE, CliError
from kaito.cli.manifests import parse, read_manifests
from kaito.cli.objects import located
from kaito.kube.errors import Invalid, Unavailable

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def test_documents_and_lists_come_in_order(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(f"{GOOD}---\n---\napiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Secret}}\n")
    assert [one.value["kind"] for one in read_manifests([file])] == ["ConfigMap", "Secret"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("a: [1\nb: 2\n", r"m.yaml:2: is not valid YAML", id="malformed"),
        pytest.param("kind: ConfigMap\n", "needs apiVersion and kind", id="no apiVersion"),
        pytest.param("- 1\n", "needs apiVersion and kind", id="not a mapping"),
        pytest.param("", "no object found", id="empty"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(text)
    with pytest.raises(CliError, match=says):
        read_manifests([file])


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot be read") as caught:
        read_manifests([tmp_path / "none.yaml"])
    assert caught.value.code == NOT_FOUND


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        pytest.param(CliError("metadata.name: is missing"), USAGE, "m.yaml:5: metadata.name: is missing", id="ours"),
        pytest.param(
            Invalid(422, "Invalid", "spec.n: too small"), REFUSED, "m.yaml:5: spec.n: too small", id="refused"
        ),
    ],
)
def test_what_is_refused_of_an_object_is_told_with_its_line(raised: Exception, code: int, says: str) -> None:
    second = parse(f"{GOOD}---\n{GOOD}", "m.yaml").manifests[1]
    with pytest.raises(CliError) as caught, located(second):
        raise raised
    assert (str(caught.value), caught.value.code) == (says, code)


def test_a_cluster_that_does_not_answer_is_no_fault_of_the_object() -> None:
    one = parse(GOOD, "m.yaml").manifests[0]
    with pytest.raises(Unavailable), located(one):
        raise Unavailable(503, "ServiceUnavailable", "nobody is there")


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(GOOD)
    assert len(read_manifests([file, tmp_path, file])) == 1
