"""Cron schedules in a time zone: five fields, names, steps, `@daily` and `@every`. Pure; times are Unix seconds.

The rules of the cron library upstream uses: day of month and day of week are both demanded when either is `*`, otherwise one of
them suffices; local times that a clock change skips do not come.
"""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from kubepy.runtime.daemon import duration

_MONTHS = {n: i for i, n in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
_DAYS = {n: i for i, n in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_NAMED = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}), ("hour", 0, 23, {}), ("day of month", 1, 31, {}), ("month", 1, 12, _MONTHS), ("day of week", 0, 6, _DAYS),
)  # fmt: skip
_YEARS = 5


class ScheduleError(ValueError):
    """The text is no schedule; str() says why."""


@dataclass(frozen=True)
class Schedule:
    """What times match."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    zone: dt.tzinfo
    every: float = 0.0

    def next(self, after: float) -> float | None:
        """The first matching time later than `after`; None if there is none within five years."""
        if self.every:
            return float(int(after) + int(self.every))
        moment = dt.datetime.fromtimestamp(int(after) // 60 * 60 + 60, self.zone)
        limit = moment.year + _YEARS
        while moment.year <= limit:
            if moment.month not in self.months:
                year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
                moment = dt.datetime(year, month, 1, tzinfo=self.zone)
            elif not self._day(moment):
                moment = _midnight_after(moment)
            elif moment.hour not in self.hours:
                moment = self._later(moment, 60 - moment.minute)
            elif moment.minute not in self.minutes:
                moment = self._later(moment, 1)
            else:
                return moment.timestamp()
        return None

    def _later(self, moment: dt.datetime, minutes: int) -> dt.datetime:
        """Some real minutes later, whatever the wall clock does meanwhile."""
        return dt.datetime.fromtimestamp(moment.timestamp() + minutes * 60, self.zone)

    def _day(self, moment: dt.datetime) -> bool:
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)


def _midnight_after(moment: dt.datetime) -> dt.datetime:
    tomorrow = moment.date() + dt.timedelta(days=1)
    start = dt.datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=moment.tzinfo)
    # Where a clock change skips midnight the day begins later; the round trip finds when.
    return dt.datetime.fromtimestamp(start.timestamp(), moment.tzinfo)


def parse(text: str, zone: str | None = None) -> Schedule:
    """A schedule; `TZ=Area/City ` before it names a zone as `zone` does. Raises ScheduleError."""
    for prefix in ("TZ=", "CRON_TZ="):
        if text.startswith(prefix):
            zone, _, text = text[len(prefix) :].partition(" ")
            text = text.strip()
    try:
        tz: dt.tzinfo = ZoneInfo(zone) if zone else dt.UTC
    except (OSError, ValueError) as e:
        raise ScheduleError(f"unknown time zone {zone}") from e
    if text.startswith("@every "):
        try:
            every = max(1.0, float(int(duration(text[len("@every ") :]))))
        except (argparse.ArgumentTypeError, ValueError) as e:
            raise ScheduleError(f"failed to parse duration {text}: {e}") from e
        none = frozenset[int]()
        return Schedule(none, none, none, none, none, True, True, tz, every)
    if text.startswith("@"):
        if text not in _NAMED:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _NAMED[text]
    fields = text.split()
    if len(fields) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (_field(f, low, high, names) for f, (_, low, high, names) in zip(fields, _FIELDS, strict=True))
    return Schedule(minutes, hours, days, months, weekdays, _starred(fields[2]), _starred(fields[4]), tz)


def _starred(field: str) -> bool:
    return any(part.startswith(("*", "?")) for part in field.split(","))


def _field(field: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    out: set[int] = set()
    for part in field.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, {}) if slash else 1
        if step == 0:
            raise ScheduleError(f"step of range should be a positive number: {part}")
        first, dash, last = span.partition("-")
        if first in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first, names)
            end = _number(last, names) if dash else (high if slash else begin)
        if names is _DAYS and end == 7 and not dash and begin == 7:
            raise ScheduleError(f"end of range (7) above maximum (6): {part}")
        if begin < low:
            raise ScheduleError(f"beginning of range ({begin}) below minimum ({low}): {part}")
        if end > high:
            raise ScheduleError(f"end of range ({end}) above maximum ({high}): {part}")
        if begin > end:
            raise ScheduleError(f"beginning of range ({begin}) beyond end of range ({end}): {part}")
        out.update(range(begin, end + 1, step))
    return frozenset(out)


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isdigit():
        raise ScheduleError(f"failed to parse int from {text}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Due:
    """The latest time that was due and not run (None for none), and whether many were missed."""

    at: float | None
    missed: bool = False
    many: bool = False


def due(schedule: Schedule, since: float, now: float) -> Due:
    """What is due after `since` (utils.go mostRecentScheduleTime). Raises ScheduleError for a schedule that never comes."""
    first = schedule.next(since)
    if first is not None and now < first:
        return Due(None)
    second = schedule.next(first) if first is not None else None
    if first is not None and second is not None and now < second:
        return Due(first)
    if first is None or second is None or (gap := round(second - first)) < 1:
        raise ScheduleError("time difference between two schedules is less than 1 second")
    count = int(now - first) // gap + 1
    moment = schedule.next(first + (count - 2) * gap)
    latest = None
    while moment is not None and moment <= now:
        latest, moment = moment, schedule.next(moment)
    return Due(latest, True, count > 100)
