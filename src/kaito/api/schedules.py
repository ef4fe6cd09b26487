"""When something happens again and again: cron schedules of five fields, and spans of time as Go writes them.

Schedules are read as KAITO v0.12 reads them (and Kubernetes' CronJobs): names of months and days, lists, ranges, steps
and ``@daily`` with its kin. Sunday is 0. Times are UTC, so a schedule names no zone.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

MONTHS: Final = tuple(name.lower() for name in calendar.month_abbr[1:])
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LEAP_YEAR: Final = 2028
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_SPAN: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_UNITS: Final[dict[str, Fraction | int]] = {
    "ns": Fraction(1, 1000), "us": 1, "\u00b5s": 1, "\u03bcs": 1, "ms": 1000,
    "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000,
}  # fmt: skip
"""Microseconds."""
_LONGEST: Final = Fraction(2**63 - 1, 1000)
"""Microseconds that Go's 64 bits of nanoseconds hold: 292 years."""
_MAX_TEXT: Final = 100


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of the week", 0, 6, DAYS),
)


class ScheduleError(ValueError):
    """A text that is no schedule or no span of time; the message says what is wrong and how to write it."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes at which a schedule comes; a day fits by either of its fields when both are restricted, as in cron.

    ``any_day`` and ``any_weekday``: the field was ``*``.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def comes_at(self, moment: datetime) -> bool:
        """Whether ``moment``, in UTC, is in a minute of the schedule."""
        if moment.minute not in self.minutes or moment.hour not in self.hours or moment.month not in self.months:
            return False
        by_day, by_weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return by_day and by_weekday if self.any_day or self.any_weekday else by_day or by_weekday

    @property
    def ever(self) -> bool:
        """Whether there is such a day at all: 31 April is none."""
        longest = (calendar.monthrange(_LEAP_YEAR, month)[1] for month in self.months)
        return not self.any_weekday or min(self.days) <= max(longest)


def schedule(text: str) -> Schedule:
    """The schedule that ``text`` means. Raises ScheduleError."""
    text = text.strip()
    if text.startswith(("TZ=", "CRON_TZ=")):
        raise ScheduleError("names a time zone: write the times in UTC, without it")
    if text.startswith("@"):
        if text not in DESCRIPTORS:
            raise ScheduleError(f"is no schedule that KAITO knows: use {', '.join(DESCRIPTORS)} or five fields")
        text = DESCRIPTORS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(f"has {len(parts)} fields: write minute, hour, day, month and weekday, as in 30 1 * * 0")
    minutes, hours, days, months, weekdays = (_values(*pair) for pair in zip(parts, _FIELDS, strict=True))
    made = Schedule(minutes[0], hours[0], days[0], months[0], weekdays[0], any_day=days[1], any_weekday=weekdays[1])
    if not made.ever:
        raise ScheduleError("never comes: no month of it has that day")
    return made


def _values(text: str, field: _Field) -> tuple[frozenset[int], bool]:
    """(what a field allows, whether a part of it is every value)."""
    allowed: set[int] = set()
    every = False
    for part in text.split(","):
        span, slash, step = part.partition("/")
        low, high = _range(span, field, part, stepped=bool(slash))
        width = _number(step, field, part) if slash else 1
        if width == 0:
            raise ScheduleError(f"has the {field.name} {part!r}: a step is at least 1")
        allowed.update(range(low, high + 1, width))
        every = every or (span in ("*", "?") and width == 1)
    return frozenset(allowed), every


def _range(span: str, field: _Field, part: str, *, stepped: bool) -> tuple[int, int]:
    if span in ("*", "?"):
        return field.first, field.last
    first, dash, last = span.partition("-")
    low = _number(first, field, part)
    high = _number(last, field, part) if dash else (field.last if stepped else low)
    if not field.first <= low <= high <= field.last:
        raise ScheduleError(f"has the {field.name} {part!r}: it is from {field.first} to {field.last}")
    return low, high


def _number(text: str, field: _Field, part: str) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.first
    if not _NUMBER.fullmatch(text):
        names = f" or one of {', '.join(field.names)}" if field.names else ""
        raise ScheduleError(f"has the {field.name} {part!r}: use numbers from {field.first} to {field.last}{names}")
    return int(text)


def span(text: str) -> timedelta:
    """The span of time that Go reads in ``text``, such as 90m or 1h30m, to the microsecond. Raises ScheduleError."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return timedelta()
    parts = _SPAN.findall(digits) if len(digits) <= _MAX_TEXT else []
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        raise ScheduleError("is no span of time: write it as 4h, 90m or 1h30m")
    total = sum((Fraction(number.removesuffix(".")) * _UNITS[unit] for number, unit in parts), Fraction())
    if total > _LONGEST:
        raise ScheduleError("is longer than 292 years: write it as 4h, 90m or 1h30m")
    return timedelta(microseconds=sign * int(total))
