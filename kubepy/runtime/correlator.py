"""Which events reach the API: similar ones are combined, equal ones counted, too many of one source dropped. Pure but for its caches.

client-go tools/record/events_cache.go: ten different messages of one reason within ten minutes become one combined event;
one source may send 25 events about an object, then one in five minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from kubepy.runtime.backoff import TokenBucket
from kubepy.runtime.clock import Clock, format_time

Obj = dict[str, Any]
V = TypeVar("V")

CACHE_SIZE = 4096
MAX_SIMILAR = 10
SIMILAR_SECONDS = 600.0
SPAM_BURST = 25
SPAM_QPS = 1.0 / 300.0


class LRU(Generic[V]):
    """A map of at most `size` entries that forgets the least recently used."""

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._entries: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        """The entry, now the most recent, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: tuple[str, ...], value: V) -> None:
        """Set an entry, now the most recent."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)


@dataclass
class _Similar:
    messages: set[str] = field(default_factory=set)
    last: float = float("-inf")


@dataclass(frozen=True)
class _Sent:
    count: int
    first: str
    name: str


class Correlator:
    """Decides for each new event: send it, count up an earlier one, or drop it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._similar: LRU[_Similar] = LRU()
        self._sent: LRU[_Sent] = LRU()
        self._buckets: LRU[TokenBucket] = LRU()

    def correlate(self, event: Obj) -> tuple[Obj, bool] | None:
        """(event to send, whether it is an update of an earlier one), or None to drop it."""
        event, key = self._combine(event)
        known = self._sent.get(key)
        if known is not None:
            metadata = {**event["metadata"], "name": known.name}
            event = {**event, "metadata": metadata, "firstTimestamp": known.first, "count": known.count + 1}
        self._note(key, event)
        source = _source(event)
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = TokenBucket(self._clock, SPAM_QPS, SPAM_BURST)
            self._buckets.put(source, bucket)
        if not bucket.try_take():
            return None
        return event, known is not None

    def sent(self, event: Obj) -> None:
        """The server took the event; its answer is what later ones count up."""
        self._note(_identity(event), event)

    def _note(self, key: tuple[str, ...], event: Obj) -> None:
        self._sent.put(key, _Sent(int(event["count"]), event["firstTimestamp"], event["metadata"]["name"]))

    def _combine(self, event: Obj) -> tuple[Obj, tuple[str, ...]]:
        now = self._clock.time()
        key = (*_source(event), event["reason"], event.get("reportingComponent", ""), event.get("reportingInstance", ""))
        similar = self._similar.get(key)
        if similar is None or now - similar.last > SIMILAR_SECONDS:
            similar = _Similar()
            self._similar.put(key, similar)
        similar.messages.add(event["message"])
        similar.last = now
        if len(similar.messages) < MAX_SIMILAR:
            return event, _identity(event)
        similar.messages.pop()
        stamp = format_time(now)
        combined = {
            "metadata": {"name": event_name(event["involvedObject"]["name"], now), "namespace": event["metadata"]["namespace"]},
            "involvedObject": event["involvedObject"],
            "reason": event["reason"],
            "message": "(combined from similar events): " + event["message"],
            "source": event["source"],
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": event["type"],
        }
        return combined, key


def event_name(name: str, seconds: float) -> str:
    """`<object>.<nanoseconds in hex>`; an object whose name is too long for it gives `<hex>` behind its first part."""
    suffix = f".{int(seconds * 1e9):x}"
    return name[: 253 - len(suffix)] + suffix


def _source(event: Obj) -> tuple[str, ...]:
    source, ref = event["source"], event["involvedObject"]
    return (
        source.get("component", ""), source.get("host", ""), ref.get("kind", ""), ref.get("namespace", ""), ref.get("name", ""),
        ref.get("uid", ""), ref.get("apiVersion", ""), event["type"],
    )  # fmt: skip


def _identity(event: Obj) -> tuple[str, ...]:
    return (*_source(event), event["involvedObject"].get("fieldPath", ""), event["reason"], event["message"])
