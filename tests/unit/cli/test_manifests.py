"""Manifests are read whole or refused with file, line and remedy."""

from pathlib import Path

import pytest

from kaito.cli.errors import NOT_FOUND, CliError
from kaito.cli.manifests import read_manifests

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
