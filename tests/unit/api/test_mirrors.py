"""Names of mirrors: the oddities of section 7 of the v0.12 contract."""

import pytest

from kaito.api.mirrors import mirror_name, mirror_names
from kaito.api.names import is_label

MODEL = "Qwen/Qwen2.5-Coder-32B-Instruct"


@pytest.mark.parametrize(
    ("model", "readable"),
    [
        pytest.param(MODEL, "qwen-qwen2-5-coder-32b-instruct", id="readable"),
        pytest.param("a/" + "b" * 90, "a-" + "b" * 38, id="long"),
        pytest.param("--/--", "model", id="no-letters"),
    ],
)
def test_oddity_a_name_is_readable_and_long_enough_not_to_collide(model: str, readable: str) -> None:
    slug, _, digest = mirror_name(model).rpartition("-")
    assert slug == readable
    assert len(digest) == 12
    assert is_label(mirror_name(model))


def test_oddity_the_name_does_not_depend_on_the_case() -> None:
    assert mirror_name(MODEL) == mirror_name(MODEL.lower()) == mirror_name(MODEL.upper())


def test_models_that_read_alike_have_names_of_their_own() -> None:
    assert mirror_name("a/b-c") != mirror_name("a-b/c")


def test_what_v012_made_is_still_found() -> None:
    """Its names are the first six digits of the SHA-256 of the id, in whichever case somebody wrote it."""
    assert mirror_names("microsoft/phi-4") == (mirror_name("microsoft/phi-4"), "7aceaf")
    assert len(mirror_names(MODEL)) == 3
    assert all(len(old) == 6 for old in mirror_names(MODEL)[1:])
