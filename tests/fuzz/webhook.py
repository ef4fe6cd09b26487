"""The webhook's application, asked over HTTP inside this process."""

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from kaito.api.validation import NOTHING_KNOWN, AdmissionFacts
from kaito.controllers import admission

Object = dict[str, Any]


@dataclass
class Webhook:
    """``facts`` is what is known of the cluster when the next question comes."""

    loop: asyncio.AbstractEventLoop
    client: TestClient[Any, Any]
    facts: AdmissionFacts = NOTHING_KNOWN

    def ask(self, path: str, body: bytes) -> tuple[int, Object | str]:
        """The status and the answer; the answer is text where it is no JSON."""
        return self.loop.run_until_complete(self._ask(path, body))

    async def _ask(self, path: str, body: bytes) -> tuple[int, Object | str]:
        stream = io.BytesIO(body)  # The client warns of large bodies that are no stream.
        async with self.client.post(path, data=stream, headers={"Content-Type": "application/json"}) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text


@contextmanager
def serving() -> Iterator[Webhook]:
    """The application on a port of the loopback, with facts that the test sets."""
    loop = asyncio.new_event_loop()

    async def known(request: Any) -> AdmissionFacts:
        return webhook.facts

    async def start() -> TestClient[Any, Any]:
        client: TestClient[Any, Any] = TestClient(TestServer(admission.app(known, instance_type="Standard_NC6s_v3")))
        await client.start_server()
        return client

    webhook = Webhook(loop, loop.run_until_complete(start()))
    try:
        yield webhook
    finally:
        loop.run_until_complete(webhook.client.close())
        loop.close()
