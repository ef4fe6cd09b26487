"""Leader election: one holder at a time, whatever the network and the machines' clocks do."""

import asyncio
from collections.abc import Mapping

import pytest

from kaito.kube import errors
from kaito.kube.client import Client, Object, Response
from kaito.kube.lease import Lease, LeaseLost, LeaseTimes
from kaito.kube.resources import LEASES
from tests.unit.local_controllers.plane import Plane


class Line:
    """One candidate's connection to the plane: it can be cut, be slow, or carry an answer late."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.down = False
        self.hangs = False
        self.answer_after = 0.0

    async def close(self) -> None:
        pass

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        if self.hangs:
            await asyncio.sleep(1e6)
        if self.down:
            raise errors.Unavailable(0, "", "connection refused")
        answer = await self.plane.request(method, path, query=query, headers=headers, body=body)
        if method != "GET":
            await asyncio.sleep(self.answer_after)
        return answer


class Candidate:
    """Somebody who wants the Lease ``x/y`` and works for ever once it has it."""

    def __init__(self, plane: Plane, name: str, times: LeaseTimes | None = None) -> None:
        self.line = Line(plane)
        self.lease = Lease(Client(self.line), namespace="x", name="y", identity=name, times=times)
        self.works = False
        self.began: list[float] = []
        self.ended: list[float] = []
        self.task = asyncio.create_task(self.lease.hold(self._work))

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        self.works = True
        self.began.append(clock())
        try:
            await asyncio.sleep(1e9)
        finally:
            self.works = False
            self.ended.append(clock())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def spec(plane: Plane) -> Object:
    found = plane.get("leases.coordination.k8s.io", "y", "x")
    assert found is not None
    return found["spec"]


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_the_first_takes_it_and_says_for_how_long() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    assert a.works
    held = spec(plane)
    assert (held["holderIdentity"], held["leaseDurationSeconds"], held["leaseTransitions"]) == ("a", 15, 0)
    assert held["acquireTime"] == held["renewTime"]
    await a.stop()


async def test_the_holder_renews_and_keeps_its_time_of_acquisition() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    before, writes = spec(plane), len(plane.requests)
    await asyncio.sleep(100)
    assert len(plane.requests) - writes == 50
    assert spec(plane)["acquireTime"] == before["acquireTime"]
    assert spec(plane)["renewTime"] >= before["renewTime"]
    assert spec(plane)["leaseTransitions"] == 0
    await a.stop()


async def test_a_second_candidate_waits_as_long_as_the_first_renews() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    b = Candidate(plane, "b")
    await asyncio.sleep(10_000)
    assert (a.works, b.works) == (True, False)
    await a.stop()
    await b.stop()


async def test_given_back_it_is_taken_at_once() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    b = Candidate(plane, "b")
    await asyncio.sleep(1)
    await a.stop()
    assert spec(plane)["holderIdentity"] == ""
    await asyncio.sleep(3)
    assert (a.works, b.works) == (False, True)
    assert (spec(plane)["holderIdentity"], spec(plane)["leaseTransitions"]) == ("b", 1)
    await b.stop()


async def test_work_that_ends_gives_it_back_and_its_error_is_raised() -> None:
    plane = Plane()
    lease = Lease(Client(plane), namespace="x", name="y", identity="a")

    async def work() -> None:
        await asyncio.sleep(5)
        raise ValueError("the work's own fault")

    with pytest.raises(ValueError, match="own fault"):
        await lease.hold(work)
    assert spec(plane)["holderIdentity"] == ""


async def test_after_a_death_another_takes_over_when_the_duration_is_over() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    b = Candidate(plane, "b")
    await asyncio.sleep(30)
    a.line.down = True
    died = now()
    await a.stop()
    await asyncio.sleep(60)
    assert b.works
    # It sees the last renewal at most one try (2.4 s with jitter) later, and tries again as late once 15 s are over.
    assert 13 <= b.began[0] - died <= 19.8
    await b.stop()


@pytest.mark.parametrize("fault", ["down", "hangs"])
async def test_who_cannot_renew_stops_before_another_starts(fault: str) -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    b = Candidate(plane, "b")
    await asyncio.sleep(30)
    setattr(a.line, fault, True)
    await asyncio.sleep(60)
    assert (a.works, b.works) == (False, True)
    assert a.ended[0] <= b.began[0] - 2
    with pytest.raises(LeaseLost, match="not renewed within 10 s; work stopped"):
        await a.task
    await b.stop()


async def test_a_short_fault_is_survived() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    a.line.down = True
    await asyncio.sleep(7)
    a.line.down = False
    await asyncio.sleep(100)
    assert (a.works, len(a.began)) == (True, 1)
    await a.stop()


async def test_a_late_answer_counts_from_the_moment_it_was_asked() -> None:
    """Others saw the write when it was made: a holder that counted from the answer would stop too late."""
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    b = Candidate(plane, "b")
    await asyncio.sleep(1.5)
    a.line.answer_after = 8
    await asyncio.sleep(7)
    a.line.down = True
    await asyncio.sleep(60)
    assert a.ended[0] <= b.began[0] - 2
    assert isinstance(a.task.exception(), LeaseLost)
    await b.stop()


async def test_taken_by_another_the_work_stops_at_the_next_look() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    await plane.set("leases.coordination.k8s.io", "y", {"spec": {"holderIdentity": "thief"}}, "x")
    await asyncio.sleep(3)
    assert not a.works
    with pytest.raises(LeaseLost, match="another holder took it"):
        await a.task
    assert spec(plane)["holderIdentity"] == "thief"


async def test_a_deleted_lease_is_made_anew_by_its_holder() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    await plane.remove("leases.coordination.k8s.io", "y", "x")
    await asyncio.sleep(3)
    assert (a.works, len(a.began), spec(plane)["holderIdentity"]) == (True, 1, "a")
    await a.stop()


async def test_of_two_that_reach_for_it_at_once_one_gets_it() -> None:
    plane = Plane()
    both = [Candidate(plane, "a"), Candidate(plane, "b")]
    await asyncio.sleep(60)
    assert [one.works for one in both].count(True) == 1
    for one in both:
        await one.stop()


@pytest.mark.parametrize("written", ["2001-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"])
async def test_the_clock_of_the_other_machine_decides_nothing(written: str) -> None:
    """Neither takes a time long past the Lease from its holder, nor does one far ahead keep it for ever."""
    plane = Plane()
    old = {"holderIdentity": "z", "leaseDurationSeconds": 15, "renewTime": written, "acquireTime": written}
    lease = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": {"name": "y", "namespace": "x"}}
    await Client(plane).create(LEASES, {**lease, "spec": old})
    begin = now()
    a = Candidate(plane, "a")
    await asyncio.sleep(14)
    assert not a.works
    await asyncio.sleep(10)
    assert 15 <= a.began[0] - begin <= 18
    await a.stop()


async def test_the_holders_own_duration_counts_not_the_candidates() -> None:
    plane = Plane()
    a = Candidate(plane, "a", LeaseTimes(duration=60, deadline=40, retry=5))
    await asyncio.sleep(1)
    b = Candidate(plane, "b")
    await asyncio.sleep(1)
    a.line.down = True
    await a.stop()
    await asyncio.sleep(50)
    assert not b.works
    await asyncio.sleep(15)
    assert b.works
    await b.stop()


async def test_fractions_of_seconds_are_written_as_more_never_as_less() -> None:
    plane = Plane()
    a = Candidate(plane, "a", LeaseTimes(duration=1.4, deadline=1.2, retry=0.2))
    await asyncio.sleep(1)
    assert spec(plane)["leaseDurationSeconds"] == 2
    await a.stop()


async def test_the_same_name_takes_it_up_again_at_once_after_a_restart() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    await asyncio.sleep(1)
    a.line.down = True
    await a.stop()
    again = Candidate(plane, "a")
    await asyncio.sleep(0.1)
    assert (again.works, spec(plane)["leaseTransitions"]) == (True, 0)
    await again.stop()


async def test_without_the_api_it_waits_and_then_begins() -> None:
    plane = Plane()
    a = Candidate(plane, "a")
    a.line.down = True
    await asyncio.sleep(1000)
    assert not a.works
    a.line.down = False
    await asyncio.sleep(5)
    assert a.works
    await a.stop()


@pytest.mark.parametrize(("duration", "deadline", "retry"), [(10, 10, 2), (15, 10, 10), (5, 10, 2)])
def test_times_that_promise_nothing_are_refused(duration: float, deadline: float, retry: float) -> None:
    times = LeaseTimes(duration=duration, deadline=deadline, retry=retry)
    with pytest.raises(ValueError, match="retry must be below deadline, and deadline below duration"):
        Lease(Client(Plane()), namespace="x", name="y", identity="a", times=times)
