"""kill -9 of the API server at random moments under a load of creates, updates and deletes: no acknowledged write lost.

`make soak` runs it with a thousand kills; KAITO_SOAK_KILLS sets another number.
"""

import asyncio
import os
import random
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

KILLS = int(os.environ.get("KAITO_SOAK_KILLS", "1000"))
WRITERS = 8
PATH = "/api/v1/namespaces/default/configmaps"
PROGRAM = """
import asyncio, sys
from pathlib import Path
from kaito.local.apiserver import ApiServer

async def main() -> None:
    server = ApiServer(Path(sys.argv[1]))
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@dataclass
class Book:
    """What the server acknowledged for one writer's object, and what it was asked and never answered."""

    name: str
    value: str | None = None
    asked: list[str | None] = field(default_factory=list)

    def allowed(self) -> set[str | None]:
        return {self.value, *self.asked}


async def _write(session: aiohttp.ClientSession, url: str, book: Book, dice: random.Random, number: int) -> None:
    """One create, update or delete; noted as asked before, and as acknowledged after."""
    if book.value is None:
        wanted: str | None = f"{book.name}-{number}"
        call = session.post(url + PATH, json={"metadata": {"name": book.name}, "data": {"v": wanted}})
    elif dice.random() < 0.2:
        wanted = None
        call = session.delete(f"{url}{PATH}/{book.name}")
    else:
        wanted = f"{book.name}-{number}"
        call = session.put(f"{url}{PATH}/{book.name}", json={"metadata": {"name": book.name}, "data": {"v": wanted}})
    book.asked = [wanted]
    async with call as answer:
        text = await answer.text()
        assert answer.status in (200, 201), (answer.status, text)
    book.value, book.asked = wanted, []


async def _load(session: aiohttp.ClientSession, url: str, book: Book, dice: random.Random) -> int:
    """Write until the server is gone; the number of acknowledged writes."""
    done = 0
    try:
        while True:
            await _write(session, url, book, dice, dice.randrange(1 << 30))
            done += 1
    except aiohttp.ClientError:
        return done


async def _check(session: aiohttp.ClientSession, url: str, books: list[Book]) -> None:
    """What is there is what was acknowledged, or what was asked and never answered."""
    async with session.get(url + PATH) as answer:
        items = (await answer.json())["items"]
    found = {item["metadata"]["name"]: item["data"]["v"] for item in items}
    for book in books:
        there = found.pop(book.name, None)
        assert there in book.allowed(), f"{book.name} is {there!r}; acknowledged {book.value!r}, asked {book.asked!r}"
        book.value, book.asked = there, []
    assert found == {}, "objects that nobody made"


async def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    print(f"seed {seed}, {KILLS} kills")
    books = [Book(f"w{number}") for number in range(WRITERS)]
    acknowledged = 0
    for kill in range(KILLS + 1):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        assert url.startswith("https://"), "the server did not start again"
        token = (tmp_path / "pki" / "token").read_text()
        tls = ssl.create_default_context(cafile=str(tmp_path / "pki" / "ca.crt"))
        headers = {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            await _check(session, url, books)
            if kill < KILLS:
                load = [asyncio.create_task(_load(session, url, book, dice)) for book in books]
                await asyncio.sleep(dice.uniform(0.0, 0.12))
                process.kill()
                acknowledged += sum(await asyncio.gather(*load))
        process.kill()
        await asyncio.to_thread(process.wait)
        process.stdout.close()
        if kill % 100 == 0:
            print(f"{kill} kills, {acknowledged} acknowledged writes, none lost", flush=True)
    assert acknowledged > KILLS
