"""Cron schedules and Go's spans of time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaito.api.schedules import DESCRIPTORS, ScheduleError, schedule, span

SATURDAY = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "comes"),
    [
        ("0 2 * * 6", SATURDAY, True),
        ("0 2 * * 6", SATURDAY + timedelta(minutes=1), False),
        ("0 2 * * 6", SATURDAY + timedelta(days=1), False),
        ("0 2 * * SAT", SATURDAY, True),
        ("0 2 * nov ?", SATURDAY, True),
        ("*/30 0-6/2 * * mon-sat", SATURDAY, True),
        ("15/15 * * * *", SATURDAY + timedelta(minutes=45), True),
        ("15/15 * * * *", SATURDAY, False),
        ("0 2 1,28 * *", SATURDAY, True),
        ("0 2 1 * 6", SATURDAY, True),
        ("0 2 28 * 1", SATURDAY, True),
        ("0 2 28 * */2", SATURDAY, True),
        ("0 2 1 * *", SATURDAY, False),
        ("0 2 * 1-10 *", SATURDAY, False),
        ("0 0 * * 0", datetime(2026, 11, 29, tzinfo=UTC), True),
        ("@weekly", datetime(2026, 11, 29, tzinfo=UTC), True),
        ("@hourly", SATURDAY, True),
        (" 0  2 * * * ", SATURDAY, True),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC), True),
        ("0 0 31 4 5", datetime(2026, 4, 3, tzinfo=UTC), True),
    ],
)
def test_when_it_comes(text: str, moment: datetime, comes: bool) -> None:
    assert schedule(text).comes_at(moment) is comes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has 0 fields"),
        ("0 2 * *", "has 4 fields"),
        ("0 0 2 * * *", "has 6 fields"),
        ("60 2 * * *", "the minute '60': it is from 0 to 59"),
        ("0 24 * * *", "the hour '24'"),
        ("0 2 0 * *", "the day of the month '0': it is from 1 to 31"),
        ("0 2 * 13 *", "the month '13'"),
        ("0 2 * * 7", "the day of the week '7': it is from 0 to 6"),
        ("0 2 * * 6-1", "the day of the week '6-1'"),
        ("0 2 * * saturday", "or one of sun, mon"),
        ("0 2 * foo *", "or one of jan, feb"),
        ("*/0 * * * *", "a step is at least 1"),
        ("*/ * * * *", "use numbers from 0 to 59"),
        ("0 2 1, * *", "use numbers from 1 to 31"),
        ("-1 2 * * *", "use numbers from 0 to 59"),
        ("0 2 L * *", "use numbers from 1 to 31"),
        ("0 2 \u0663 * *", "use numbers from 1 to 31"),
        ("@reboot", "use @yearly"),
        ("@every 1h", "use @yearly"),
        ("@Daily", "use @yearly"),
        ("TZ=Europe/Berlin 0 2 * * *", "names a time zone"),
        ("CRON_TZ=UTC 0 2 * * *", "names a time zone"),
        ("0 0 31 4 *", "never comes"),
        ("0 0 30 2 *", "never comes"),
    ],
)
def test_what_is_no_schedule(text: str, says: str) -> None:
    with pytest.raises(ScheduleError, match=says.replace("*", r"\*")):
        schedule(text)


@pytest.mark.parametrize("text", DESCRIPTORS)
def test_descriptors(text: str) -> None:
    assert schedule(text) == schedule(DESCRIPTORS[text])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4h", 14400),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1.h", 3600),
        (".5m", 30),
        ("2h45m30.5s", 9930.5),
        ("1500ms", 1.5),
        ("3us", 3e-6),
        ("3\u00b5s", 3e-6),
        ("1ns", 0),
        ("0", 0),
        ("-0", 0),
        ("-2m", -120),
        ("+2m", 120),
    ],
)
def test_a_span(text: str, seconds: float) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "4", "h", "4 h", "4d", "1h 30m", "--4h", "4H", ".h", "1e3s", "3000000h", "9" * 200]
)
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ScheduleError):
        span(text)


@given(st.text(alphabet="0123456789*/,-? @LWTZ=monsat", max_size=30))
def test_any_text_is_a_schedule_or_an_error(text: str) -> None:
    try:
        schedule(text)
    except ScheduleError as exc:
        assert str(exc)


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_a_span_of_three_units(hours: int, minutes: int, seconds: int) -> None:
    whole = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert span(f"{hours}h{minutes}m{seconds}s") == whole
