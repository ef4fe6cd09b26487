"""Watches: everything that happens, once, in order, from any point on that is still known."""

from __future__ import annotations

from itertools import pairwise

from tests.api.client import Api, take
from tests.api.objects import config_map, config_maps


def version(api: Api, ns: str) -> str:
    found: str = api.get(config_maps(ns))["metadata"]["resourceVersion"]
    return found


def test_a_watch_tells_every_change_in_order(api: Api, ns: str) -> None:
    start = version(api, ns)
    for number in range(20):
        api.create(config_maps(ns), config_map(f"c{number}", labels={"mine": "1"}))
    api.patch(f"{config_maps(ns)}/c3", {"data": {"k": "v"}})
    api.delete(f"{config_maps(ns)}/c3")
    with api.watch(config_maps(ns), resourceVersion=start, labelSelector="mine=1") as events:
        seen = [next(events) for _ in range(22)]
    told = [(event["type"], event["object"]["metadata"]["name"]) for event in seen]
    expected = [("ADDED", f"c{number}") for number in range(20)] + [("MODIFIED", "c3"), ("DELETED", "c3")]
    assert told == expected
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert all(before < after for before, after in pairwise(versions)), "a deletion has a version of its own"
    assert seen[-1]["object"]["data"] == {"k": "v"}, "the last state comes with the deletion"


def test_a_watch_goes_on_where_another_stopped(api: Api, ns: str) -> None:
    start = version(api, ns)
    for number in range(4):
        api.create(config_maps(ns), config_map(f"c{number}", labels={"mine": "1"}))
    with api.watch(config_maps(ns), resourceVersion=start, labelSelector="mine=1") as events:
        first = [next(events) for _ in range(2)]
    last = first[-1]["object"]["metadata"]["resourceVersion"]
    with api.watch(config_maps(ns), resourceVersion=last, labelSelector="mine=1") as events:
        assert take(events, 2) == [("ADDED", "c2"), ("ADDED", "c3")]


def test_without_a_version_what_is_there_comes_first(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("there", labels={"mine": "1"}))
    with api.watch(config_maps(ns), labelSelector="mine=1") as events:
        assert take(events, 1) == [("ADDED", "there")]
        api.create(config_maps(ns), config_map("new", labels={"mine": "1"}))
        assert take(events, 1) == [("ADDED", "new")]


def test_an_object_that_leaves_the_selection_is_told_as_deleted(api: Api, ns: str) -> None:
    path = f"{config_maps(ns)}/a"
    start = version(api, ns)
    api.create(config_maps(ns), config_map("a", labels={"side": "left"}))
    for side in ("right", "left"):
        api.patch(path, {"metadata": {"labels": {"side": side}}})
    api.patch(path, {"data": {"k": "v"}})
    with api.watch(config_maps(ns), resourceVersion=start, labelSelector="side=left") as events:
        assert take(events, 4) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("MODIFIED", "a")]


def test_one_object_is_watched_by_a_field_selector(api: Api, ns: str) -> None:
    start = version(api, ns)
    for name in ("a", "b"):
        api.create(config_maps(ns), config_map(name))
        api.delete(f"{config_maps(ns)}/{name}")
    with api.watch(config_maps(ns), resourceVersion=start, fieldSelector="metadata.name=b") as events:
        assert take(events, 2) == [("ADDED", "b"), ("DELETED", "b")]


def test_initial_events_end_with_a_bookmark_that_says_so(api: Api, ns: str) -> None:
    for name in ("a", "b"):
        api.create(config_maps(ns), config_map(name, labels={"mine": "1"}))
    with api.watch(
        config_maps(ns),
        sendInitialEvents=True,
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks=True,
        labelSelector="mine=1",
    ) as events:
        assert sorted(take(events, 2)) == [("ADDED", "a"), ("ADDED", "b")]
        mark = next(events)
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        api.create(config_maps(ns), config_map("c", labels={"mine": "1"}))
        assert take(events, 1) == [("ADDED", "c")]


def test_a_watch_ends_when_its_time_is_over(api: Api, ns: str) -> None:
    with api.watch(
        config_maps(ns), resourceVersion=version(api, ns), labelSelector="no=body", timeoutSeconds=1
    ) as events:
        assert list(events) == []


def test_a_version_of_the_future_is_refused(api: Api, ns: str) -> None:
    ahead = str(int(version(api, ns)) + 1_000_000)
    status = api.refused("GET", config_maps(ns), resourceVersion=ahead, timeoutSeconds=1, code=504)
    assert status["reason"] == "Timeout"
    assert "Too large resource version" in status["message"]


def test_a_watch_of_all_namespaces_sees_each(api: Api, ns: str) -> None:
    start = version(api, ns)
    api.create(config_maps(ns), config_map("a", labels={"of": ns}))
    api.create(config_maps("default"), config_map(f"b-{ns}", labels={"of": ns}))
    api.delete(f"{config_maps('default')}/b-{ns}")
    with api.watch("/api/v1/configmaps", resourceVersion=start, labelSelector=f"of={ns}") as events:
        assert take(events, 3) == [("ADDED", "a"), ("ADDED", f"b-{ns}"), ("DELETED", f"b-{ns}")]


def test_a_watch_from_a_version_that_is_forgotten_ends_with_410(api: Api, ns: str) -> None:
    api.create(config_maps(ns), config_map("a"))
    with api.watch(config_maps(ns), resourceVersion="1") as events:
        told = list(events)
    assert [(event["type"], event["object"]["code"], event["object"]["reason"]) for event in told] == [
        ("ERROR", 410, "Expired")
    ]
