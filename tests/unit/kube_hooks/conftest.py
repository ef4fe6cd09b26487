"""A real API server, the embedded one, in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kaito.kube.client import Client
from kaito.local.apiserver import ApiServer


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    server = ApiServer(tmp_path)
    await server.start()
    yield Client(server.transport("test"))
    await server.stop()
