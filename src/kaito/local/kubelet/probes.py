"""Startup, readiness and liveness probes: one check at a time, thresholds, and the words of kube on failure."""

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class Target:
    """What a handler needs to reach one running container."""

    container: Mapping[str, Any]
    ip: str
    env: Mapping[str, str]
    cwd: Path
    rewrite: Callable[[list[str]], list[str]]


def port_number(container: Mapping[str, Any], port: int | str) -> int:
    """A probe's port: a number, or the name of one of the container's ports."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    for known in container.get("ports") or []:
        if known.get("name") == port:
            return known["containerPort"]
    raise ValueError(f"couldn't find port: {port!r} among the ports of container {container['name']!r}")


async def check(handler: Mapping[str, Any], target: Target, *, timeout: float) -> str | None:
    """Run one handler; None when it is well, else what is wrong."""
    try:
        async with asyncio.timeout(timeout):
            if "httpGet" in handler:
                return await _http(handler["httpGet"], target)
            if "tcpSocket" in handler:
                return await _tcp(handler["tcpSocket"], target)
            if "exec" in handler:
                return await _exec(handler["exec"]["command"], target)
            if "sleep" in handler:
                await asyncio.sleep(handler["sleep"]["seconds"])
                return None
            return f"handler {sorted(handler)} is not supported here: use httpGet, tcpSocket or exec"
    except TimeoutError:
        if "exec" in handler:
            return f'command timed out: "{" ".join(handler["exec"]["command"])}" timed out after {timeout:g}s'
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    except (OSError, ValueError, aiohttp.ClientError) as error:
        return str(error)


async def watch(
    probe: Mapping[str, Any],
    target: Target,
    *,
    on_result: Callable[[bool], None],
    on_failure: Callable[[str], Awaitable[None]],
) -> None:
    """Probe until cancelled. ``on_result`` hears each crossing of a threshold, ``on_failure`` each failed check."""
    await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
    good = bad = 0
    period, timeout = probe.get("periodSeconds") or 10, probe.get("timeoutSeconds") or 1
    while True:
        problem = await check(probe, target, timeout=timeout)
        if problem is None:
            good, bad = good + 1, 0
            if good >= (probe.get("successThreshold") or 1):
                on_result(True)
        else:
            good, bad = 0, bad + 1
            await on_failure(problem)
            if bad >= (probe.get("failureThreshold") or 3):
                on_result(False)
        await asyncio.sleep(period)


async def _http(action: Mapping[str, Any], target: Target) -> str | None:
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or target.ip
    path = action.get("path") or "/"
    url = f"{scheme}://{host}:{port_number(target.container, action['port'])}/{path.lstrip('/')}"
    headers = {"User-Agent": "kube-probe/1.33", "Accept": "*/*"}
    headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or []}
    # As in kube: a probe asks whether the server answers, not who signed its certificate.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url, headers=headers) as answer:
        if 200 <= answer.status < 400:
            return None
        return f"HTTP probe failed with statuscode: {answer.status}"


async def _tcp(action: Mapping[str, Any], target: Target) -> str | None:
    host, port = action.get("host") or target.ip, port_number(target.container, action["port"])
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return None


async def _exec(command: list[str], target: Target) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *target.rewrite(command),
        env=dict(target.env),
        cwd=target.cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    if process.returncode == 0:
        return None
    return output.decode(errors="replace").strip() or f"command exited with code {process.returncode}"
