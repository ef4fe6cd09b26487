"""Every test here runs in virtual time."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.local_controllers.bench import Bench
from tests.unit.virtual import VirtualLoop


def pytest_asyncio_loop_factories() -> dict[str, type[VirtualLoop]]:
    return {"virtual": VirtualLoop}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Controllers at work on an empty cluster with a namespace `default` and a machine that runs pods."""
    made = Bench()
    await made.start()
    yield made
    await made.stop()
