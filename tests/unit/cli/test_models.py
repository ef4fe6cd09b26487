"""The catalogue for people and for programs; one model described from the catalogue, a folder and the hub."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaito.cli import facts, find
from kaito.cli.errors import NOT_FOUND, UNREACHABLE, CliError
from kaito.cli.main import app
from kaito.models import catalogue
from kaito.models.size import family, parameters
from tests.unit.models.hub_server import SHA, FakeHub, serving

DEMO = catalogue.lookup("kaito-demo").folder


def printed(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "100"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_list_names_every_model_in_full() -> None:
    lines = printed("models", "list").splitlines()
    assert lines[0].split() == ["NAME", "PARAMS", "CONTEXT", "WEIGHTS", "KIND", "TYPE", "ACCESS"]
    assert [line.split()[0] for line in lines[1 : lines.index("")]] == list(catalogue.names())
    assert max(map(len, lines)) <= 100


def test_a_narrow_terminal_still_has_whole_names() -> None:
    done = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "80"})
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert {line.split()[0] for line in lines if line} >= set(catalogue.names())
    assert any("instruct*" in line and "llama-3.1-8b-instruct" in line for line in lines)


def test_a_family_or_a_publisher_chooses() -> None:
    rows = json.loads(printed("models", "list", "--family", "Phi", "-o", "json"))
    assert {row["family"] for row in rows} == {"phi"}
    assert rows == json.loads(printed("models", "list", "--family", "microsoft", "-o", "json"))
    with pytest.raises(CliError, match=r"'pi' is not in the catalogue; use one of .*phi") as caught:
        printed("models", "list", "--family", "pi")
    assert caught.value.code == NOT_FOUND


def test_a_description_holds_what_the_profile_knows_and_the_engine_options() -> None:
    said = json.loads(printed("models", "describe", "gpt-oss-20b", "-o", "json"))
    assert (said["id"], said["parameters"], said["context_length"]) == ("openai/gpt-oss-20b", 20_000_000_000, 131072)
    assert said["engine"]["gpu"]["reasoning-parser"] == "openai_gptoss"
    text = printed("models", "describe", "gpt-oss-20b")
    for word in ("openai/gpt-oss-20b", "mxfp4", "131,072 tokens", "--reasoning-parser", "GQA"):
        assert word in text


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: entry.name)
def test_every_model_of_the_catalogue_can_be_described(entry: catalogue.CatalogueEntry) -> None:
    said = facts.description(find.model(entry.name))
    assert said["parameters"] > 1e6
    assert said["context_length"] >= 2048
    assert facts.summary(entry)["family"].isalpha()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("mistral-7b", "base", "it continues text and does not chat: tune it on examples of your own"),
        ("mistral-7b-instruct", "instruct", "chat with it, or tune it further"),
        ("gpt-oss-20b", "reasoning", "it thinks before it answers; chat with it"),
        (str(DEMO), "instruct", "(it has a chat template)"),
    ],
)
def test_what_a_model_is_for_is_said_in_words(name: str, kind: str, words: str) -> None:
    said = " ".join(printed("models", "describe", name).split())
    assert f"{kind}, " in said
    assert words in said


def test_a_cache_that_is_an_upper_bound_says_so() -> None:
    assert "for each token at most" in printed("models", "describe", "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4")
    assert "at most" not in printed("models", "describe", "phi-4")


def test_a_folder_is_a_model() -> None:
    found = find.model(str(DEMO))
    assert (found.source, found.id, found.name) == ("folder", str(DEMO), "kaito-demo")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kaito-dmo", "did you mean kaito-demo"),
        ("falcon-7b", "use tiiuae/falcon-7b"),
        ("/no/such/model", "/no/such/model: is not a folder"),
        ("a/b/c", "a/b/c: is not a folder"),
    ],
)
def test_what_is_no_model_is_not_found(name: str, says: str) -> None:
    with pytest.raises(CliError, match=says) as caught:
        find.model(name)
    assert caught.value.code == NOT_FOUND


async def test_a_hub_id_is_asked_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeHub()
    async with serving(fake) as url:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        found = await asyncio.to_thread(find.model, "org/tiny-model")
        assert (found.id, found.revision, found.gated, found.source) == ("Org/Tiny-Model", SHA, True, "hub")
        assert {sent for _, sent in fake.asked} == {"Bearer hf_mine"}
        assert (found.license, found.task, found.base_model) == ("mit", "text-generation", ("Org/Tiny-Base",))
        fake.status = 503
        assert await asyncio.to_thread(find.model, "Org/Tiny-Model") == found
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert await asyncio.to_thread(find.model, "Org/Tiny-Model") == found
        with pytest.raises(CliError, match="HF_HUB_OFFLINE is set") as caught:
            await asyncio.to_thread(find.model, "org/none")
        assert caught.value.code == UNREACHABLE
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
        with pytest.raises(CliError, match="answers 503") as caught:
            await asyncio.to_thread(find.model, "org/tiny-model")
        assert caught.value.code == UNREACHABLE
        fake.status = 404
        with pytest.raises(CliError, match="answers 404") as caught:
            await asyncio.to_thread(find.model, "org/none")
        assert caught.value.code == NOT_FOUND


@pytest.mark.parametrize(
    ("name", "billions", "exact"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", 7, True),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", 120, True),
        ("microsoft/phi-4", 14.7, False),
        ("google/gemma-4-E2B-it", 5.1, False),
        ("moonshotai/Kimi-K2.5", 1190, False),
        ("deepseek-ai/DeepSeek-V3.2", 689, False),
    ],
)
def test_parameters_are_named_or_estimated(name: str, billions: float, exact: bool) -> None:
    count, said = parameters(name, catalogue.lookup(name).profile())
    assert said is exact
    assert count / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize(
    ("name", "word"), [("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nemotron"), ("Qwen/Qwen3.8-27B", "qwen"), ("7b", "7b")]
)
def test_the_family_is_the_first_word(name: str, word: str) -> None:
    assert family(name) == word


def test_run_refuses_before_it_creates(monkeypatch: pytest.MonkeyPatch) -> None:
    from kaito.cli.talk import _checked, workspace_for

    with pytest.raises(CliError, match="did you mean kaito-demo") as caught:
        _checked("kaito-dmo", None)
    assert caught.value.code == NOT_FOUND
    with pytest.raises(CliError, match=r"llama-3.1-8b-instruct is gated.*--access-secret"):
        _checked("llama-3.1-8b-instruct", None)
    assert _checked("llama-3.1-8b-instruct", "hub") == "llama-3.1-8b-instruct"
    made = workspace_for("llama-3.1-8b-instruct", name=None, instance_type=None, access_secret="hub")
    assert made["inference"]["preset"]["presetOptions"] == {"modelAccessSecret": "hub"}
    monkeypatch.chdir(Path(str(DEMO)).parent)
    assert _checked("./kaito-demo", None) == str(DEMO)


def test_run_leaves_a_hub_that_does_not_answer_here_to_the_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from kaito.cli.talk import _checked

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert _checked("org/model", None) == "org/model"
