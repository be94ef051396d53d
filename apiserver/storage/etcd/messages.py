"""The messages of etcd's v3 API that the store sends and reads (etcdserverpb/rpc.proto, mvccpb/kv.proto). Pure.

Requests are made as bytes at once. Of answers only what the store looks at is kept.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.storage.interface import Event, KeyValue
from kubepy.api.protobuf.wire import BYTES, VARINT, fields, part, tag, varint

RANGE, TXN, COMPACT = (f"/etcdserverpb.KV/{name}" for name in ("Range", "Txn", "Compact"))
WATCH = "/etcdserverpb.Watch/Watch"
LEASE_GRANT = "/etcdserverpb.Lease/LeaseGrant"
STATUS = "/etcdserverpb.Maintenance/Status"

_MOD = 2
"""CompareTarget: a key's mod_revision. The comparison itself, EQUAL, is 0 and so goes without saying."""


class RangeAnswer(NamedTuple):
    """`total` is how many keys there are in all; `more` whether some of them were left out."""

    revision: int
    items: list[KeyValue]
    more: bool
    total: int


class TxnAnswer(NamedTuple):
    """Whether the comparison held; if not, `found` is the key as it is (None: it is not)."""

    revision: int
    succeeded: bool
    found: KeyValue | None


class WatchAnswer(NamedTuple):
    """`compacted` is the revision up to which history is gone, if that ended the watch; `cancelled` why something else did."""

    events: list[Event]
    compacted: int
    cancelled: str | None


def _number(number: int, value: int) -> bytes:
    return tag(number, VARINT) + varint(value) if value else b""


def _text(number: int, value: bytes) -> bytes:
    return part(number, value) if value else b""


def range_request(key: bytes, end: bytes = b"", *, limit: int = 0, revision: int = 0, count_only: bool = False) -> bytes:
    """A RangeRequest of one key, or of those before `end`."""
    return _text(1, key) + _text(2, end) + _number(3, limit) + _number(4, revision) + _number(9, count_only)


def txn_request(key: bytes, expected: int, value: bytes | None, lease: int = 0) -> bytes:
    """If the key's mod_revision is `expected`: put the value, or delete (None). Else: read the key."""
    compare = _number(2, _MOD) + part(3, key) + tag(6, VARINT) + varint(expected)
    if value is None:
        change = part(3, part(1, key))
    else:
        change = part(2, part(1, key) + part(2, value) + _number(3, lease))
    return part(1, compare) + part(2, change) + part(3, part(1, part(1, key)))


def compaction_request(revision: int) -> bytes:
    """A CompactionRequest."""
    return _number(1, revision)


def lease_grant_request(ttl: int) -> bytes:
    """A LeaseGrantRequest; `ttl` in seconds."""
    return _number(1, ttl)


def watch_request(key: bytes, end: bytes, start: int, *, previous: bool) -> bytes:
    """A WatchRequest that creates a watch from revision `start` on."""
    return part(1, _text(1, key) + _text(2, end) + _number(3, start) + _number(6, previous))


def range_answer(data: bytes) -> RangeAnswer:
    """A RangeResponse."""
    revision = total = 0
    more = False
    items: list[KeyValue] = []
    for number, kind, value in fields(data):
        if number == 1 and kind == BYTES:
            revision = _revision(value)
        elif number == 2 and kind == BYTES:
            items.append(_key_value(value))
        elif number == 3:
            more = bool(value)
        elif number == 4:
            total = _int(value)
    return RangeAnswer(revision, items, more, total)


def txn_answer(data: bytes) -> TxnAnswer:
    """A TxnResponse to a `txn_request`."""
    revision, succeeded = 0, False
    found: KeyValue | None = None
    for number, kind, value in fields(data):
        if number == 1 and kind == BYTES:
            revision = _revision(value)
        elif number == 2:
            succeeded = bool(value)
        elif number == 3 and kind == BYTES:
            for inner, _, answer in fields(_bytes(value)):
                if inner == 1:  # what was read, not put or deleted
                    items = range_answer(_bytes(answer)).items
                    found = items[0] if items else None
    return TxnAnswer(revision, succeeded, found)


def watch_answer(data: bytes) -> WatchAnswer:
    """A WatchResponse."""
    events: list[Event] = []
    compacted, cancelled, reason = 0, False, ""
    for number, _, value in fields(data):
        if number == 11:
            events.append(_event(_bytes(value)))
        elif number == 4:
            cancelled = bool(value)
        elif number == 5:
            compacted = _int(value)
        elif number == 6:
            reason = _bytes(value).decode()
    return WatchAnswer(events, compacted, reason if cancelled else None)


def number_in(data: bytes, wanted: int) -> int:
    """One integer field of a message, 0 where it is missing: a lease's ID (2), a member's dbSize (3)."""
    return next((_int(value) for number, kind, value in fields(data) if number == wanted and kind == VARINT), 0)


def _event(data: bytes) -> Event:
    deleted, now, before = False, None, None
    for number, _, value in fields(data):
        if number == 1:
            deleted = bool(value)
        elif number == 2:
            now = _key_value(value)
        elif number == 3:
            before = _key_value(value)
    assert now is not None
    return Event(
        now.key,
        now.mod_revision,
        None if deleted else now.value,
        None if before is None else before.value,
        0 if before is None else before.mod_revision,
        now.create_revision,
    )


def _key_value(data: int | bytes) -> KeyValue:
    key = value = b""
    created = modified = 0
    for number, _, found in fields(_bytes(data)):
        if number == 1:
            key = _bytes(found)
        elif number == 2:
            created = _int(found)
        elif number == 3:
            modified = _int(found)
        elif number == 5:
            value = _bytes(found)
    return KeyValue(key.decode(), value, created, modified)


def _revision(header: int | bytes) -> int:
    return number_in(_bytes(header), 3)


def _int(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value
