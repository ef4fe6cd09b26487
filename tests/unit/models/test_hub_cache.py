"""Answers of a hub kept on disk: for whom, for how long, and what is on the disk."""

import stat
from pathlib import Path
from typing import Any

import pytest

from kaito.models.hub import Hub, HubModel, HubUnavailableError
from kaito.models.hub_cache import FRESH_S, PINNED_S, STALE_S, HubCache, Key
from kaito.models.profile import ModelError
from tests.unit.models.hub_server import SHA, FakeHub, serving

NAME = "Org/Tiny-Model"
TOKEN = "hf_secret_1234"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> HubCache:
    return HubCache(tmp_path / "hub", clock)


async def ask(url: str, cache: HubCache | None, revision: str = "main", **options: Any) -> HubModel:
    async with Hub(url, trust_env=False, waits=(0.0, 0.0), cache=cache, **options) as client:
        return await client.model(NAME, revision)


async def test_an_answer_is_kept_whole(cache: HubCache) -> None:
    hub = FakeHub()
    async with serving(hub) as url:
        first = await ask(url, cache)
        hub.status = 404
        second = await ask(url, cache)
    assert first == second
    assert first.profile == second.profile
    assert second.base_model == ("Org/Tiny-Base",)


@pytest.mark.parametrize(("revision", "lasts"), [("main", FRESH_S), (SHA, PINNED_S)], ids=["branch", "commit"])
async def test_an_answer_does_not_last_for_ever(cache: HubCache, clock: Clock, revision: str, lasts: int) -> None:
    hub = FakeHub()
    async with serving(hub) as url:
        await ask(url, cache, revision)
        asked = len(hub.asked)
        clock.now += lasts - 1
        await ask(url, cache, revision)
        assert len(hub.asked) == asked
        clock.now += 1
        await ask(url, cache, revision)
        assert len(hub.asked) > asked


async def test_nobody_sees_a_model_through_anothers_token(cache: HubCache) -> None:
    """ODDITY: the original answers everybody with what the first token was shown, and for ever."""
    hub = FakeHub(token=TOKEN)
    async with serving(hub) as url:
        assert (await ask(url, cache, token=TOKEN)).id == NAME
        for other in (None, "hf_other"):
            with pytest.raises(ModelError, match="answers 401"):
                await ask(url, cache, token=other)
            with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
                await ask(url, cache, token=other, offline=True)


KEY = Key("https://a", "org/name", "main", "t")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Key("https://b", "org/name", "main", "t"), id="hub"),
        pytest.param(Key("https://a", "org/names", "main", "t"), id="model"),
        pytest.param(Key("https://a", "org/name", "v1", "t"), id="revision"),
        pytest.param(Key("https://a", "org/name", "main", "u"), id="token"),
        pytest.param(Key("https://a", "org/name", "main"), id="no token"),
    ],
)
def test_each_part_of_the_question_counts(cache: HubCache, other: Key) -> None:
    cache.put(KEY, {"a": 1})
    assert cache.get(KEY) == {"a": 1}
    assert cache.get(other) is None
    assert cache.get(Key("https://a", "ORG/Name", "main", "t")) == {"a": 1}


async def test_the_token_is_nowhere_on_the_disk(cache: HubCache, tmp_path: Path) -> None:
    async with serving(FakeHub(token=TOKEN)) as url:
        await ask(url, cache, token=TOKEN)
    (kept,) = (tmp_path / "hub").iterdir()
    assert TOKEN not in kept.read_text() + kept.name
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert TOKEN not in repr(Key("https://a", NAME, "main", TOKEN))


async def test_an_old_answer_stands_in_for_a_hub_that_does_not_answer(cache: HubCache, clock: Clock) -> None:
    hub = FakeHub()
    async with serving(hub) as url:
        first = await ask(url, cache)
        hub.status = 503
        clock.now += STALE_S - 1
        assert await ask(url, cache) == first
        clock.now += 1
        with pytest.raises(HubUnavailableError, match="answers 503"):
            await ask(url, cache)


async def test_a_refusal_is_not_overruled_by_an_old_answer(cache: HubCache, clock: Clock) -> None:
    hub = FakeHub()
    async with serving(hub) as url:
        await ask(url, cache)
        hub.status, hub.code = 403, "GatedRepo"
        clock.now += FRESH_S
        with pytest.raises(ModelError, match="answers 403"):
            await ask(url, cache)
        hub.status = 503
        with pytest.raises(HubUnavailableError):
            await ask(url, cache)


async def test_offline_reads_what_is_kept_and_nothing_else(cache: HubCache, clock: Clock) -> None:
    hub = FakeHub()
    async with serving(hub) as url:
        first = await ask(url, cache)
        asked = len(hub.asked)
        clock.now += 10 * STALE_S
        assert await ask(url, cache, offline=True) == first
        with pytest.raises(HubUnavailableError) as caught:
            await ask(url, cache, SHA, offline=True)
        with pytest.raises(HubUnavailableError):
            await ask(url, None, offline=True)
        assert len(hub.asked) == asked
    for word in (NAME, SHA, "HF_HUB_OFFLINE is set", url, "name a folder"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 0, "at": 1000000, "asked": [], "answer": {}}', '{"at": "x"}', "null"],
    ids=str,
)
def test_what_cannot_be_read_counts_as_absent(cache: HubCache, tmp_path: Path, text: str) -> None:
    cache.put(KEY, {"a": 1})
    (tmp_path / "hub" / f"{KEY.digest()}.json").write_text(text)
    assert cache.get(KEY) is None


async def test_an_answer_of_another_shape_is_asked_anew(cache: HubCache) -> None:
    async with serving(FakeHub()) as url:
        cache.put(Key(url, NAME, "main"), {"id": NAME, "base_model": [], "colour": "red"})
        assert (await ask(url, cache)).weight_bytes == 64


def test_an_answer_from_the_future_is_not_believed(cache: HubCache, clock: Clock) -> None:
    cache.put(KEY, {"a": 1})
    clock.now -= 10
    assert cache.get(KEY) is None


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = HubCache(tmp_path / "file" / "hub")
    cache.put(KEY, {"a": 1})
    assert cache.get(KEY) is None


def test_old_files_are_swept(tmp_path: Path) -> None:
    import time

    cache = HubCache(tmp_path)
    cache.put(KEY, {"a": 1})
    later = HubCache(tmp_path, lambda: time.time() + STALE_S + 60)
    later.put(Key("https://a", "org/other", "main"), {"b": 1})
    assert not (tmp_path / f"{KEY.digest()}.json").exists()
