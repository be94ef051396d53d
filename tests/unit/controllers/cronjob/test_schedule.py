"""Cron: fields, names, steps, time zones, clock changes, missed runs."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from controllers.cronjob import schedule


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def text(moment: float | None, zone: str = "UTC") -> str:
    assert moment is not None
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:30", "2026-01-01 00:01"),
        ("*/15 * * * *", "2026-01-01T00:45:00", "2026-01-01 01:00"),
        ("5/20 * * * *", "2026-01-01T00:25:00", "2026-01-01 00:45"),
        ("0 0 1 1 *", "2026-01-01T00:00:00", "2027-01-01 00:00"),
        ("30 4 * * mon-fri", "2026-01-02T05:00:00", "2026-01-05 04:30"),
        ("0 0 13 * 5", "2026-01-03T00:00:00", "2026-01-09 00:00"),
        ("0 0 13 * *", "2026-01-03T00:00:00", "2026-01-13 00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29 00:00"),
        ("0 12 1 JAN,jul ?", "2026-01-02T00:00:00", "2026-07-01 12:00"),
        ("@hourly", "2026-01-01T00:30:00", "2026-01-01 01:00"),
        ("@weekly", "2026-01-01T00:00:00", "2026-01-04 00:00"),
        ("@every 90s", "2026-01-01T00:00:00", "2026-01-01 00:01"),
    ],
)
def test_next(cron: str, after: str, expected: str) -> None:
    assert text(schedule.parse(cron).next(at(after))) == expected


def test_a_time_zone_moves_the_schedule() -> None:
    berlin = schedule.parse("0 9 * * *", "Europe/Berlin")
    assert datetime.fromtimestamp(berlin.next(at("2026-01-01T00:00:00")) or 0, UTC).hour == 8
    assert datetime.fromtimestamp(berlin.next(at("2026-07-01T00:00:00")) or 0, UTC).hour == 7
    assert schedule.parse("TZ=Europe/Berlin 0 9 * * *").next(0) == berlin.next(0)


def test_a_time_that_a_clock_change_skips_does_not_come() -> None:
    skipped = schedule.parse("30 2 * * *", "Europe/Berlin")
    assert text(skipped.next(at("2026-03-28T12:00:00", "Europe/Berlin")), "Europe/Berlin") == "2026-03-30 02:30"


@pytest.mark.parametrize(
    "wrong", ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * * 7", "*/0 * * * *", "5-1 * * * *", "x * * * *", "@never"]
)
def test_wrong(wrong: str) -> None:
    with pytest.raises(schedule.ScheduleError):
        schedule.parse(wrong)


def test_a_day_that_never_comes() -> None:
    never = schedule.parse("0 0 31 2 *")
    assert never.next(at("2026-01-01T00:00:00")) is None
    with pytest.raises(schedule.ScheduleError, match="time difference between two schedules is less than 1 second"):
        schedule.due(never, at("2026-01-01T00:00:00"), at("2026-06-01T00:00:00"))


def test_due() -> None:
    hourly = schedule.parse("@hourly")
    start = at("2026-01-01T00:00:00")
    assert schedule.due(hourly, start, start + 3599) == schedule.Due(None)
    assert schedule.due(hourly, start, start + 3600) == schedule.Due(start + 3600)
    assert schedule.due(hourly, start, start + 3 * 3600 + 5) == schedule.Due(start + 3 * 3600, True)
    assert schedule.due(hourly, start, start + 200 * 3600).many
