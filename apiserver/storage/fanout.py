"""Who watches one prefix, and what each kind of watcher is to see of a change.

Watchers with equal filters form a group: a change is judged and encoded once for the group, however many read it.
Groups are found by the narrowest thing they ask for (name, field index, namespace), so a thousand watchers of one
node each cost a change on another node nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from apiserver.storage.entry import Entry
from apiserver.storage.events import Batch, CacheEvent, EventType
from apiserver.storage.index import IndexValues, PrefixIndex
from apiserver.storage.watcher import Filter, Watcher

log = logging.getLogger(__name__)

Trigger = tuple[str, str]
"""What a group is found by: (what, value)."""

_ALL: Trigger = ("", "")


def trigger_of(filter: Filter) -> Trigger:
    """The narrowest trigger of a filter."""
    if filter.name is not None:
        return ("name", filter.name)
    if filter.index is not None:
        return (f"index:{filter.index[0]}", filter.index[1])
    if filter.namespace is not None:
        return ("namespace", filter.namespace)
    return _ALL


class Group:
    """All watchers with one filter."""

    __slots__ = ("filter", "index_of", "pending", "watchers")

    def __init__(self, filter: Filter, index: PrefixIndex) -> None:
        self.filter = filter
        self.index_of = index.indexes[filter.index[0]].key_of if filter.index is not None else None
        self.watchers: list[Watcher] = []
        self.pending: list[CacheEvent] = []

    def sees(self, entry: Entry) -> bool:
        """Whether the filter lets an object through."""
        filter = self.filter
        if filter.namespace is not None and entry.namespace != filter.namespace:
            return False
        if filter.name is not None and entry.name != filter.name:
            return False
        if filter.index is not None and self.index_of is not None and self.index_of(entry) != filter.index[1]:
            return False
        return filter.matches is None or filter.matches(entry)

    def translate(self, event: CacheEvent) -> CacheEvent | None:
        """The event as the group sees it: what begins to match is ADDED, what ceases to match is DELETED; None: not at all."""
        entry, previous = event.entry, event.previous
        assert entry is not None
        now = event.type is not EventType.DELETED and self.sees(entry)
        return event.seen(now, previous is not None and self.sees(previous))


class Fanout:
    """The groups of one prefix."""

    __slots__ = ("_by_filter", "_by_trigger", "_touched", "size")

    def __init__(self) -> None:
        self.size = 0
        """How many watchers there are."""
        self._by_filter: dict[Filter, Group] = {}
        self._by_trigger: dict[Trigger, list[Group]] = {}
        self._touched: list[Group] = []

    def __bool__(self) -> bool:
        return self.size > 0

    def join(self, filter: Filter, watcher: Watcher, index: PrefixIndex) -> Group:
        """Join the group of `filter`."""
        group = self._by_filter.get(filter)
        if group is None:
            group = self._by_filter[filter] = Group(filter, index)
            self._by_trigger.setdefault(trigger_of(filter), []).append(group)
        group.watchers.append(watcher)
        self.size += 1
        return group

    def leave(self, group: Group, watcher: Watcher) -> None:
        """Leave a group; the last one closes it."""
        group.watchers.remove(watcher)
        self.size -= 1
        if not group.watchers:
            del self._by_filter[group.filter]
            trigger = trigger_of(group.filter)
            self._by_trigger[trigger].remove(group)
            if not self._by_trigger[trigger]:
                del self._by_trigger[trigger]

    def watchers(self) -> Iterable[Watcher]:
        """All watchers."""
        return [watcher for group in self._by_filter.values() for watcher in group.watchers]

    def offer(self, event: CacheEvent, indexed: IndexValues) -> None:
        """Judge one event for every group it may concern; `flush` delivers."""
        entry = event.entry
        assert entry is not None
        triggers: list[Trigger] = [_ALL, ("name", entry.name)]
        if entry.namespace:
            triggers.append(("namespace", entry.namespace))
        for name, values in indexed.items():
            triggers.extend([(f"index:{name}", value) for value in dict.fromkeys(values) if value is not None])
        for trigger in triggers:
            for group in tuple(self._by_trigger.get(trigger, ())):
                try:
                    seen = group.translate(event)
                except Exception:
                    # A selector that fails must cost its own watchers, not the cache.
                    log.exception("the filter %r failed on %r", group.filter, event)
                    for watcher in tuple(group.watchers):
                        watcher.close()
                    continue
                if seen is not None:
                    if not group.pending:
                        self._touched.append(group)
                    group.pending.append(seen)

    def flush(self) -> None:
        """Hand each group its events as one batch."""
        touched, self._touched = self._touched, []
        for group in touched:
            batch = Batch(tuple(group.pending))
            group.pending = []
            for watcher in tuple(group.watchers):
                watcher.deliver(batch)


def select(events: Sequence[CacheEvent], group: Group) -> list[CacheEvent]:
    """Events as a group sees them."""
    return [seen for event in events if (seen := group.translate(event)) is not None]
