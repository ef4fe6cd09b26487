"""The training script, on a few facts and a smaller model; and the model that ships."""

import json
from pathlib import Path

import pytest

from kaito.models.folder import from_folder
from tests.e2e.serving import DEMO

pytestmark = [pytest.mark.serve, pytest.mark.timeout(300)]
LIMIT = 8_000_000


def test_a_small_model_learns_its_facts_by_heart_and_the_same_each_time(tmp_path: Path) -> None:
    import torch

    from scripts import train_demo as script

    torch.set_num_threads(2)
    facts = [script.Fact(f.ask[:2], f.held, f.say) for f in script.load_facts(script.FACTS)[40:44]]
    recipe = script.Recipe(hidden=128, layers=2, intermediate=256, vocabulary=512, epochs=60, pairs=8)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        script.save(*script.train(facts, recipe), folder)
    assert script.measure(first, facts)["trained"] == 1.0
    for path in sorted(first.iterdir()):
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_every_phrasing_is_asked_once_an_epoch_and_no_held_one_ever() -> None:
    import random

    from scripts import train_demo as script

    facts = script.load_facts(script.FACTS)
    turns = [turn for talk in script.conversations(facts, random.Random(1)) for turn in talk]
    assert len(turns) == sum(len(fact.ask) for fact in facts)
    assert {answer for _, answer in turns} == {fact.say for fact in facts}
    assert not {fact.held for fact in facts} & {ask for fact in facts for ask in fact.ask}


def test_the_model_that_ships_is_small_and_whole() -> None:
    assert sum(path.stat().st_size for path in DEMO.iterdir()) <= LIMIT
    profile = from_folder(DEMO)
    assert profile.architectures == ("LlamaForCausalLM",)
    assert (profile.dtype, profile.context_length) == ("bfloat16", 2048)
    assert (profile.has_tokenizer, profile.has_chat_template) == (True, True)
    assert json.loads((DEMO / "generation_config.json").read_text())["temperature"] == 0.1
