"""Leader election: one holder of a Lease at a time, the same protocol as client-go's.

A holder that cannot renew in time stops its work before anybody else may start: ``deadline`` is shorter than
``duration``. Other candidates measure ``duration`` on their own monotonic clock from the last change they saw, so
machines whose clocks disagree cannot both hold it.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kaito.kube import errors
from kaito.kube.client import Client, Object
from kaito.kube.resources import LEASES

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The Lease was taken by another holder, or could not be renewed in time; the work was stopped."""


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds: others take over after ``duration``, a holder gives up after ``deadline``; tries are ``retry`` apart."""

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


class Lease:
    """One candidate for one Lease."""

    def __init__(
        self, client: Client, *, namespace: str, name: str, identity: str, times: LeaseTimes | None = None
    ) -> None:
        self.identity = identity
        self._client = client
        self._namespace, self._name = namespace, name
        self._times = times or LeaseTimes()
        if not self._times.retry < self._times.deadline < self._times.duration:
            raise ValueError(f"times={self._times}: retry must be below deadline, and deadline below duration")
        self._seen: tuple[str, float] = ("", 0.0)
        self._renewed = 0.0

    async def hold(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, then run ``work`` while holding it; let go of it at the end, however it ends.

        Raises LeaseLost when it was lost while ``work`` still ran.
        """
        held = await self._try()
        while not held:
            await asyncio.sleep(self._times.retry * random.uniform(0.8, 1.2))
            held = await self._try()
        log.info("%s holds the lease %s/%s", self.identity, self._namespace, self._name)
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._renew(), name=f"lease {self._name}")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
                raise LeaseLost(f"lease {self._namespace}/{self._name}: {renewing.result()}; work stopped")
            await working
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            await self._release()

    async def _renew(self) -> str:
        """Ends only when the Lease is lost; returns why."""
        clock = asyncio.get_running_loop().time
        while True:
            left = self._renewed + self._times.deadline - clock()
            await asyncio.sleep(min(self._times.retry, max(left, 0)))
            left = self._renewed + self._times.deadline - clock()
            if left <= 0:
                return f"not renewed within {self._times.deadline:g} s"
            try:
                async with asyncio.timeout(left):
                    held = await self._try()
            except TimeoutError:
                continue
            if held is False:
                return "another holder took it"

    async def _try(self) -> bool | None:
        """Take or renew: True when held, False when another holds it, None when it cannot be told now."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except errors.NotFound:
            lease = None
        except errors.ApiError as exc:
            log.warning("lease %s/%s: %s", self._namespace, self._name, exc.message)
            return None
        try:
            if lease is None:
                await self._client.create(LEASES, self._claimed(None))
                # Others may have seen the write long before its answer came.
                self._renewed = began
                return True
            if lease["metadata"]["resourceVersion"] != self._seen[0]:
                self._seen = (lease["metadata"]["resourceVersion"], clock())
            spec = lease.get("spec") or {}
            holder = spec.get("holderIdentity")
            patience = float(spec.get("leaseDurationSeconds") or self._times.duration)
            if holder and holder != self.identity and clock() < self._seen[1] + patience:
                return False
            await self._client.replace(LEASES, self._claimed(lease))
            self._renewed = began
            return True
        except (errors.Conflict, errors.AlreadyExists):
            return None
        except errors.ApiError as exc:
            log.warning("lease %s/%s: %s", self._namespace, self._name, exc.message)
            return None

    def _claimed(self, lease: Object | None) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = (lease or {}).get("spec") or {}
        mine = old.get("holderIdentity") == self.identity
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": lease["metadata"] if lease else {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": max(1, math.ceil(self._times.duration)),
                "acquireTime": old.get("acquireTime", now) if mine else now,
                "renewTime": now,
                "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine or lease is None else 1),
            },
        }

    async def _release(self) -> None:
        """Give it back, so that the next holder need not wait; best effort, since the Lease runs out anyway."""
        try:
            async with asyncio.timeout(self._times.retry):
                lease = await self._client.get(LEASES, self._name, self._namespace)
                if (lease.get("spec") or {}).get("holderIdentity") == self.identity:
                    spec = {**lease["spec"], "holderIdentity": ""}
                    await self._client.replace(LEASES, {**lease, "spec": spec})
        except (errors.ApiError, TimeoutError) as exc:
            log.info("lease %s/%s was not given back: %s", self._namespace, self._name, exc)
