"""Asks a served model for one real token, at the address that users call."""

from typing import Protocol

import aiohttp

TIMEOUT = 30.0
SHOWN = 200


class Prober(Protocol):
    """Whether the model behind ``url`` (scheme and host) answers."""

    async def __call__(self, url: str) -> str | None:
        """None when a completion came back, else why not, in words."""
        ...


class HttpProber:
    """Lists the served models and asks the first for one token: by chat, or by plain completion without a template."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def __call__(self, url: str) -> str | None:
        try:
            async with aiohttp.ClientSession(timeout=self._timeout) as session:
                return await self._ask(session, url)
        except TimeoutError:
            return f"no answer within {self._timeout.total:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return str(exc) or type(exc).__name__

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> str | None:
        async with session.get(f"{url}/v1/models") as response:
            if response.status != 200:
                return f"/v1/models answered {response.status}"
            models = (await response.json()).get("data") or []
        if not models:
            return "/v1/models lists no model"
        base = {"model": models[0]["id"], "max_tokens": 1, "temperature": 0}
        asks = (
            ("/v1/chat/completions", {**base, "messages": [{"role": "user", "content": "Hi"}]}),
            ("/v1/completions", {**base, "prompt": "Hi"}),
        )
        why = None
        for path, body in asks:
            async with session.post(url + path, json=body) as response:
                text = await response.text()
                if response.status == 200:
                    choices = (await response.json()).get("choices")
                    return None if choices else f"{path} answered without a choice"
                why = f"{path} answered {response.status}: {text[:SHOWN]}"
                if response.status not in (400, 404):
                    return why
        return why
