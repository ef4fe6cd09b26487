"""A thin HTTP client that says what came back when it is not what the test expects."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx

from tests.api.cluster import Cluster

Object = dict[str, Any]
Codes = int | tuple[int, ...]
WAIT_SECONDS = 30.0
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Api:
    """Requests with the test's token (or `token`); one connection pool, closed at the end of the block."""

    def __init__(self, cluster: Cluster, token: str | None = "") -> None:
        self.cluster = cluster
        bearer = cluster.token if token == "" else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        self.http = httpx.Client(
            base_url=cluster.url, verify=cluster.tls(), headers=headers, timeout=httpx.Timeout(WAIT_SECONDS)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def request(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """JSON in; query values are turned to text, `True` to `true`; `headers=` and `content=` pass through."""
        headers, content = query.pop("headers", {}), query.pop("content", None)
        if body is not None:
            content = json.dumps(body)
            headers = {"Content-Type": "application/json", **headers}
        params = {key: _text(value) for key, value in query.items()} or None
        return self.http.request(method, path, content=content, headers=headers, params=params)

    def ok(
        self, method: str, path: str, body: Any = None, *, code: int | tuple[int, ...] = 200, **query: Any
    ) -> Object:
        """The answer's JSON when the status is `code`; a test failure with the answer in it otherwise."""
        response = self.request(method, path, body, **query)
        codes = code if isinstance(code, tuple) else (code,)
        assert response.status_code in codes, f"{method} {path}: {response.status_code}, not {code}: {response.text}"
        return response.json()

    def get(self, path: str, **query: Any) -> Object:
        return self.ok("GET", path, **query)

    def create(self, path: str, body: Object, **query: Any) -> Object:
        return self.ok("POST", path, body, code=201, **query)

    def replace(self, path: str, body: Object, **query: Any) -> Object:
        return self.ok("PUT", path, body, **query)

    def delete(self, path: str, body: Object | None = None, **query: Any) -> Object:
        return self.ok("DELETE", path, body, code=(200, 202), **query)

    def patch(self, path: str, body: Any, kind: str = MERGE_PATCH, **query: Any) -> Object:
        return self.ok("PATCH", path, body, code=query.pop("code", 200), headers={"Content-Type": kind}, **query)

    def apply(self, path: str, body: Object, manager: str, **query: Any) -> Object:
        """Server-side apply; creates when there is nothing yet."""
        return self.patch(path, body, APPLY_PATCH, code=query.pop("code", (200, 201)), fieldManager=manager, **query)

    def refused(self, method: str, path: str, body: Any = None, *, code: int, **query: Any) -> Object:
        """The Status of a request that must fail with `code`; its fixed parts are checked here."""
        status = self.ok(method, path, body, code=code, **query)
        assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
        assert status["code"] == code
        assert status["metadata"] == {}
        return status

    @contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Iterator[Object]]:
        """Events of a watch as they come, until the server ends it; silence for `WAIT_SECONDS` is an error."""
        params = {"watch": "1", **{key: _text(value) for key, value in query.items()}}
        with self.http.stream("GET", path, params=params) as response:
            if response.status_code != 200:
                raise AssertionError(f"watch {path}: {response.status_code} {response.read().decode()}")
            yield (json.loads(line) for line in response.iter_lines() if line)

    def wait(self, path: str, done: Callable[[Object | None], bool]) -> Object | None:
        """Watch one object until `done` holds for it; None stands for 'not there'. Fails after WAIT_SECONDS."""
        collection, name = path.rsplit("/", 1)
        selector = f"metadata.name={name}"
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            listed = self.get(collection, fieldSelector=selector)
            found = listed["items"][0] if listed["items"] else None
            if done(found):
                return found
            version = listed["metadata"]["resourceVersion"]
            left = max(1, int(end - time.monotonic()))
            with self.watch(collection, fieldSelector=selector, resourceVersion=version, timeoutSeconds=left) as events:
                for event in events:
                    found = None if event["type"] == "DELETED" else event["object"]
                    if event["type"] == "ERROR":
                        break
                    if done(found):
                        return found
        raise AssertionError(f"{path}: not as awaited within {WAIT_SECONDS:.0f} s; last seen: {json.dumps(found)}")


def take(events: Iterator[Object], count: int) -> list[tuple[str, str]]:
    """The type and the object's name of the next `count` events."""
    return [
        (event["type"], event["object"]["metadata"]["name"]) for _, event in zip(range(count), events, strict=False)
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
