"""One cached object: its JSON as bytes with the resourceVersion in place, everything else derived on demand.

An Entry never holds more than the bytes and a few strings for long: parsed objects are memoised within one
byte budget (`ParsedBudget`), because a parsed Pod takes eight times the memory of its JSON.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from sys import intern
from typing import Any

import msgspec
import orjson

Obj = dict[str, Any]

_METADATA = b'"metadata":{'
_NO_LABELS: Mapping[str, str] = {}


class _Meta(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _Meta


_decode_labels = msgspec.json.Decoder(_Labelled).decode


def splice(value: bytes, revision: int) -> bytes:
    """A stored value with `revision` as its metadata.resourceVersion. Values without metadata come back as they are."""
    at = value.find(_METADATA)
    if at < 0:
        return value
    at += len(_METADATA)
    comma = b"" if value[at : at + 1] == b"}" else b","
    return b'%b"resourceVersion":"%d"%b%b' % (value[:at], revision, comma, value[at:])


class ParsedBudget:
    """Bounds what parsed objects take: once `limit` bytes of JSON are held parsed, the oldest are forgotten.

    A forgotten object that is asked for again is parsed again; there is nothing else to it.
    """

    __slots__ = ("_held", "_queue", "limit")

    def __init__(self, limit: int = 3 << 19) -> None:
        self.limit = limit
        self._held = 0
        self._queue: deque[Entry] = deque()

    def keep(self, entry: Entry) -> None:
        """Note that `entry` holds its parsed object now."""
        self._queue.append(entry)
        self._held += len(entry.raw)
        while self._held > self.limit and len(self._queue) > 1:
            old = self._queue.popleft()
            self._held -= len(old.raw)
            old.forget()

    def clear(self) -> None:
        """Forget all parsed objects: for a server at rest."""
        while self._queue:
            self._queue.popleft().forget()
        self._held = 0


_BUDGET = ParsedBudget()
forget_parsed = _BUDGET.clear


class Entry:
    """One object at one revision. Immutable and shared: what `obj` and `labels` return MUST NOT be changed."""

    __slots__ = ("_labels", "_obj", "key", "name", "namespace", "raw", "revision")

    def __init__(self, key: str, revision: int, raw: bytes, namespace: str, name: str) -> None:
        self.key = key
        self.revision = revision
        self.raw = raw
        """The whole object in its storage version, with resourceVersion, as JSON."""
        self.namespace = namespace
        self.name = name
        self._labels: Mapping[str, str] | None = None
        self._obj: Obj | None = None

    @property
    def obj(self) -> Obj:
        """The parsed object, shared: read only."""
        obj = self._obj
        if obj is None:
            self._obj = obj = orjson.loads(self.raw)
            _BUDGET.keep(self)
        return obj

    def adopt(self, obj: Obj) -> None:
        """Take over the object that was stored, parsed as it is: whoever made it MUST NOT change it any more."""
        if self._obj is None:
            self._obj = obj
            _BUDGET.keep(self)

    def fresh(self) -> Obj:
        """A parsed object of the caller's own."""
        obj: Obj = orjson.loads(self.raw)
        return obj

    def forget(self) -> None:
        """Drop the parsed object; the next `obj` parses again."""
        self._obj = None

    @property
    def labels(self) -> Mapping[str, str]:
        """metadata.labels, shared: read only."""
        labels = self._labels
        if labels is None:
            try:
                found = _decode_labels(self.raw).metadata.labels
            except msgspec.MsgspecError:
                found = None
            labels = {intern(k): intern(v) for k, v in found.items()} if found else _NO_LABELS
            self._labels = labels
        return labels

    @property
    def item(self) -> bytes:
        """The object as it stands in a typed List: without kind and apiVersion."""
        at = self.raw.find(_METADATA)
        return b"{" + self.raw[at:] if at > 0 else self.raw

    @property
    def value(self) -> bytes:
        """What is stored: the object without its resourceVersion."""
        start, end = self._version_span()
        return self.raw[:start] + self.raw[end:]

    def at(self, revision: int) -> Entry:
        """The same object with another resourceVersion (that of its deletion, say)."""
        start, end = self._version_span()
        raw = splice(self.raw[:start] + self.raw[end:], revision) if end > start else self.raw
        entry = Entry(self.key, revision, raw, self.namespace, self.name)
        entry._labels = self._labels
        return entry

    def _version_span(self) -> tuple[int, int]:
        """Where `"resourceVersion":"…",` stands in `raw`; (0, 0) if nowhere."""
        at = self.raw.find(_METADATA)
        if at < 0:
            return 0, 0
        at += len(_METADATA)
        end = at + len('"resourceVersion":""') + len(str(self.revision))
        if self.raw[end : end + 1] == b",":
            end += 1
        return at, end

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, {self.revision})"
