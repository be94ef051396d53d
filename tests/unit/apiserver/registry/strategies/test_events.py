"""Events of events.k8s.io are held to more than those of core/v1; both are checked in the form of core/v1."""

from typing import Any

import pytest

from apiserver.registry.strategies import STRATEGIES

STRICT = STRATEGIES["events.k8s.io", "events"]
LENIENT = STRATEGIES["", "events"]


def event(**fields: Any) -> dict[str, Any]:
    full = {
        "metadata": {"name": "a", "namespace": "default"}, "involvedObject": {"namespace": "default"}, "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "example.com/c", "reportingInstance": "i",
        "action": "A", "reason": "R",
    }  # fmt: skip
    return {k: v for k, v in (full | fields).items() if v is not None}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"eventTime": None, "type": "Odd"}, ["eventTime: Required value", 'type: Invalid value: "": has invalid value: Odd']),
        ({"count": 2}, ['count: Invalid value: "": needs to be unset']),
        ({"reportingInstance": None}, ["reportingInstance: Required value"]),
        ({"series": {"count": 1}}, ['series.count: Invalid value: "": should be at least 2', "series.lastObservedTime: Required value"]),
    ],
)
def test_strict(fields: dict[str, Any], expected: list[str]) -> None:
    assert [str(e) for e in STRICT.validate(event(**fields))] == expected


def test_lenient_events_need_little() -> None:
    assert not LENIENT.validate(event(eventTime=None, type=None, reason=None, action=None, reportingComponent=None))


def test_only_the_series_of_a_strict_event_may_change() -> None:
    changed = event(reportingComponent="example.com/other", series={"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"})
    assert [str(e) for e in STRICT.validate_update(changed, event())] == [
        'reportingController: Invalid value: "example.com/other": field is immutable'
    ]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"action": None}, 'action: Invalid value: "": field is immutable'),
        ({"source": {"component": "q"}}, 'source: Invalid value: {"Component":"q","Host":""}: field is immutable'),
    ],
)
def test_what_has_changed_is_shown_in_its_internal_form(fields: dict[str, Any], shown: str) -> None:
    assert shown in [str(e) for e in STRICT.validate_update(event(**fields), event())]
