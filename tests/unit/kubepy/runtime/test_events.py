"""Events: upstream's fields, counting, combining, dropping."""

from typing import Any

from kubepy.runtime.clock import VirtualClock
from kubepy.runtime.correlator import Correlator
from kubepy.runtime.events import EventRecorder
from tests.support.fakeapi import FakeAPI

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "7"}}


async def test_fields_and_counting() -> None:
    async with FakeAPI() as api, api.client() as client:
        clock = VirtualClock(1_700_000_000)
        recorder = EventRecorder(client, "job-controller", clock=clock)
        recorder.event(POD, "Normal", "Created", "made it")
        await recorder.flush()
        await clock.advance(5)
        recorder.event(POD, "Normal", "Created", "made it")
        await recorder.flush()
        (event,) = api.objects.values()
        assert event["metadata"].pop("uid")
        assert event["metadata"].pop("resourceVersion")
        assert event == {
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": "a.17979cfe362a0000", "namespace": "ns"},
            "involvedObject": {"kind": "Pod", "namespace": "ns", "name": "a", "uid": "u", "apiVersion": "v1", "resourceVersion": "7"},
            "reason": "Created", "message": "made it", "source": {"component": "job-controller"}, "type": "Normal", "count": 2,
            "firstTimestamp": "2023-11-14T22:13:20Z", "lastTimestamp": "2023-11-14T22:13:25Z",
            "reportingComponent": "job-controller", "reportingInstance": "",
        }  # fmt: skip


async def test_a_cluster_scoped_object_s_events_are_in_default() -> None:
    async with FakeAPI() as api, api.client() as client:
        recorder = EventRecorder(client, "x")
        recorder.event({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u"}}, "Warning", "R", "m")
        recorder.event(POD, "Bad", "R", "an unknown type is not sent")
        await recorder.flush()
        (path,) = api.objects
        assert path.startswith("/api/v1/namespaces/default/events/n.")


def event(message: str, reason: str = "R") -> dict[str, Any]:
    return {
        "metadata": {"name": "a.1", "namespace": "ns"}, "involvedObject": {"kind": "Pod", "name": "a"}, "reason": reason,
        "message": message, "source": {"component": "c"}, "firstTimestamp": "t", "lastTimestamp": "t", "count": 1, "type": "Normal",
    }  # fmt: skip


def test_the_tenth_similar_message_is_combined() -> None:
    correlator = Correlator(VirtualClock())
    sent = [correlator.correlate(event(f"m{n}")) for n in range(12)]
    messages = [s[0]["message"] for s in sent if s is not None]
    assert messages[8:] == ["m8", *(f"(combined from similar events): m{n}" for n in (9, 10, 11))]
    assert [s[1] for s in sent if s is not None][9:] == [False, True, True]
    assert [s[0]["count"] for s in sent if s is not None][9:] == [1, 2, 3]


async def test_a_source_that_floods_is_dropped_and_gets_one_token_in_five_minutes() -> None:
    clock = VirtualClock()
    correlator = Correlator(clock)
    assert sum(correlator.correlate(event("m", f"r{n}")) is not None for n in range(40)) == 25
    await clock.advance(301)
    assert correlator.correlate(event("m", "late")) is not None
    assert correlator.correlate(event("m", "later")) is None
