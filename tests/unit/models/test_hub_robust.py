"""A hub that is busy, slow, private, moved or untruthful: how often it is asked, how long, and what is told."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaito.models.hub import Hub, HubModel, HubUnavailableError
from kaito.models.hub_http import LONGEST_WAIT_S, retry_after
from kaito.models.profile import ModelError
from tests.unit.models.hub_server import SHA, FakeHub, serving

NAME = "Org/Tiny-Model"
TOKEN = "hf_secret_1234"
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


async def read(hub: FakeHub, model_id: str = NAME, revision: str = "main", **options: Any) -> HubModel:
    options = {"waits": (0.0, 0.0), "trust_env": False} | options
    async with serving(hub) as url, Hub(url, **options) as client:
        return await client.model(model_id, revision)


async def refusal(hub: FakeHub, **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await read(hub, **options)
    assert TOKEN not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("busy", [1, 2])
async def test_a_busy_hub_is_asked_again(busy: int) -> None:
    hub = FakeHub(busy=busy)
    assert (await read(hub)).id == NAME
    assert [path for path, _ in hub.asked].count(f"/api/models/{NAME}/revision/main") == busy + 1


async def test_a_hub_that_stays_busy_is_asked_three_times() -> None:
    hub = FakeHub(busy=99)
    assert isinstance(await refusal(hub), HubUnavailableError)
    assert len(hub.asked) == 3


async def test_a_refusal_is_not_asked_again() -> None:
    hub = FakeHub(status=404)
    await refusal(hub)
    assert len(hub.asked) == 1


async def test_a_hub_is_left_alone_for_as_long_as_it_asks() -> None:
    began = time.monotonic()
    await read(FakeHub(busy=1, retry_after="1"))
    assert time.monotonic() - began >= 1


async def test_a_hub_that_asks_for_too_long_is_asked_later() -> None:
    hub = FakeHub(busy=1, retry_after="3600")
    error = await refusal(hub)
    assert isinstance(error, HubUnavailableError)
    assert "answers 429, and to be left alone for 3600 s; it is asked again later" in str(error)
    assert len(hub.asked) == 1


async def test_waiting_for_a_busy_hub_ends_with_the_patience() -> None:
    began = time.monotonic()
    error = await refusal(FakeHub(busy=9, retry_after="5"), patience=0.3)
    assert "did not answer all within 0.3 s" in str(error)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("", None, id="empty"),
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("soon", None, id="no date"),
        pytest.param("-3", None, id="negative"),
        pytest.param("99999999999", None, id="absurd"),
        pytest.param((NOW + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 9.0, id="date"),
        pytest.param((NOW - timedelta(days=9)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0, id="past date"),
    ],
)
def test_what_retry_after_asks_for(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
    assert LONGEST_WAIT_S < 60


async def test_a_slow_body_is_not_waited_for_longer_than_told() -> None:
    """Each byte comes in time, so that no timeout of a single read would end it."""
    error = await refusal(FakeHub(drip=0.02), patience=0.3)
    assert isinstance(error, HubUnavailableError)
    assert "did not answer all within 0.3 s" in str(error)


async def test_a_private_model_is_read_with_its_token_alone() -> None:
    hub = FakeHub(token=TOKEN, code="RepoNotFound", gated=False)
    made = await read(hub, token=TOKEN)
    assert (made.id, made.gated) == (NAME, False)
    for token in (None, "hf_another"):
        assert "it does not exist or is private" in str(await refusal(hub, token=token))


@pytest.mark.parametrize("gated", ["manual", "auto"])
async def test_a_gated_model_says_so(gated: str) -> None:
    assert (await read(FakeHub(gated=gated))).gated
    assert "it is gated and no token was given" in str(await refusal(FakeHub(token=TOKEN, code="GatedRepo")))


async def test_a_listing_that_moved_to_another_host_is_read_without_the_token() -> None:
    there = FakeHub()
    async with serving(there) as elsewhere:
        here = FakeHub(moved=elsewhere)
        made = await read(here, token=TOKEN)
    assert made.revision == SHA
    assert [sent for path, sent in there.asked if path.startswith("/api")] == [None]
    assert {sent for _, sent in here.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("lies", "says"),
    [
        pytest.param({"model.safetensors": 10}, "lists 10 bytes and sends", id="less than it sends"),
        pytest.param({"model.safetensors": 10**15}, "lists 1000000000000000 bytes and sends", id="more than it sends"),
    ],
)
async def test_a_hub_that_says_two_sizes_is_not_believed(lies: dict[str, int], says: str) -> None:
    assert says in str(await refusal(FakeHub(lies=lies)))
    assert says in str(await refusal(FakeHub(lies=lies, ranges=False)))


async def test_a_mirror_that_lists_no_sizes_is_read() -> None:
    assert (await read(FakeHub(lies={"model.safetensors": -1}))).weight_bytes == 64


@pytest.mark.parametrize("siblings", [["x"], [None], [{"rfilename": 3}], [{"rfilename": "a", "size": True}]], ids=str)
async def test_a_listing_of_nonsense_is_no_model(siblings: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from aiohttp import web

    async def listing(self: FakeHub, request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": self.id, "sha": SHA, "siblings": siblings})

    monkeypatch.setattr(FakeHub, "listing", listing)
    assert "holds no config.json" in str(await refusal(FakeHub()))


@pytest.mark.parametrize(
    ("card", "task", "told"),
    [
        pytest.param({"license": "mit", "base_model": "a/b"}, "t", ("mit", "t", ("a/b",)), id="plain"),
        pytest.param(
            {"license": "other", "license_name": "own-1.0", "base_model": ["a/b", "a/c"]},
            "t",
            ("own-1.0", "t", ("a/b", "a/c")),
            id="a licence of its own",
        ),
        pytest.param({"license": "other"}, None, ("other", None, ()), id="other without a name"),
        pytest.param({"license": ["mit", "x"]}, None, ("mit", None, ()), id="list of licences"),
        pytest.param({"license": 3, "base_model": {"a": 1}}, 7, (None, None, ()), id="wrong types"),
        pytest.param(None, None, (None, None, ()), id="no card"),
    ],
)
async def test_what_the_card_says_is_kept(card: Any, task: Any, told: tuple[Any, ...]) -> None:
    made = await read(FakeHub(card=card, task=task))
    assert (made.license, made.task, made.base_model) == told
