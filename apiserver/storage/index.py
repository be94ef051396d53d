"""The objects of one storage prefix: entries in key order, what is derived from them, and their field indexes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Mapping, Sequence

from apiserver.storage.entry import Entry

_NONE: Sequence[Entry] = ()
_LAST = "\U0010ffff"

IndexValues = Mapping[str, tuple[str | None, str | None]]
"""Per field index the values before and after a change (None: no object)."""
_NO_VALUES: IndexValues = {}


class FieldIndex:
    """Entries by the value of one field. `values` remembers each key's value, so that a change finds the old one."""

    __slots__ = ("by_value", "key_of", "values")

    def __init__(self, key_of: Callable[[Entry], str]) -> None:
        self.key_of = key_of
        self.by_value: dict[str, dict[str, Entry]] = {}
        self.values: dict[str, str] = {}

    def apply(self, key: str, entry: Entry | None) -> tuple[str | None, str | None]:
        """Take in a change; returns the field's value before and after (None: no object)."""
        before = self.values.get(key)
        after = self.key_of(entry) if entry is not None else None
        if before is not None and before != after:
            same = self.by_value[before]
            del same[key]
            if not same:
                del self.by_value[before]
        if after is None:
            self.values.pop(key, None)
        else:
            assert entry is not None
            self.values[key] = after
            self.by_value.setdefault(after, {})[key] = entry
        return before, after


class PrefixIndex:
    """All objects of a prefix. Lists handed out are tuples that stay valid; a change only makes new ones necessary."""

    __slots__ = ("_joined", "_keys", "_lists", "entries", "generation", "indexes", "joined_bytes", "prefix")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.generation = 0
        self.entries: dict[str, Entry] = {}
        self.indexes: dict[str, FieldIndex] = {}
        self._keys: list[str] = []
        self._lists: dict[str | None, Sequence[Entry]] = {}
        self._joined: dict[tuple[str | None, Hashable], bytes] = {}
        self.joined_bytes = 0
        """What the remembered List bodies take."""

    def load(self, entries: Sequence[Entry], revision: int) -> None:
        """Replace everything by the state of `revision`; `entries` are in key order."""
        self.entries = {entry.key: entry for entry in entries}
        self._keys = list(self.entries)
        self._lists.clear()
        self.drop_joined()
        self.generation = revision
        for name, index in self.indexes.items():
            self.indexes[name] = self._indexed(index.key_of)

    def apply(self, key: str, namespace: str, entry: Entry | None, revision: int) -> tuple[Entry | None, IndexValues]:
        """Put (`entry`) or remove (None) one object; returns what was there before, and the indexed fields' values."""
        if entry is None:
            before = self.entries.pop(key, None)
            if before is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            before = self.entries.get(key)
            self.entries[key] = entry
            if before is None:
                keys = self._keys
                if keys and key < keys[-1]:
                    insort(keys, key)
                else:
                    keys.append(key)
        self.generation = revision
        if self._lists:
            self._lists.pop(None, None)
            self._lists.pop(namespace, None)
        if self._joined:
            for known in [k for k in self._joined if k[0] is None or k[0] == namespace]:
                self.joined_bytes -= len(self._joined.pop(known))
        if not self.indexes:
            return before, _NO_VALUES
        return before, {name: index.apply(key, entry) for name, index in self.indexes.items()}

    def _span(self, namespace: str | None) -> tuple[int, int]:
        if namespace is None:
            return 0, len(self._keys)
        start = f"{self.prefix}{namespace}/"
        return bisect_left(self._keys, start), bisect_left(self._keys, start + _LAST)

    def list(self, namespace: str | None) -> Sequence[Entry]:
        """Entries (of one namespace) in key order."""
        out = self._lists.get(namespace)
        if out is None:
            low, high = self._span(namespace)
            if low == high:
                return _NONE
            out = self._lists[namespace] = tuple(map(self.entries.__getitem__, self._keys[low:high]))
        return out

    def page(self, namespace: str | None, after: str, limit: int) -> tuple[Sequence[Entry], int]:
        """At most `limit` entries whose key sorts after `after`, and how many remain."""
        low, high = self._span(namespace)
        if after:
            low = max(low, bisect_right(self._keys, after))
        end = min(low + limit, high) if limit else high
        return tuple(map(self.entries.__getitem__, self._keys[low:end])), max(high - end, 0)

    def candidates(self, namespace: str | None, index: tuple[str, str] | None) -> Sequence[Entry]:
        """The shortest list at hand that holds everything of a namespace with an indexed value; it may hold more."""
        return self.by_index(*index) if index is not None else self.list(namespace)

    def joined(self, namespace: str | None, variant: Hashable, render: Callable[[Entry], bytes]) -> bytes:
        """`render` of every entry of `list(namespace)`, joined by commas; remembered until a change."""
        known = (namespace, variant)
        out = self._joined.get(known)
        if out is None:
            entries = self.list(namespace)
            if not entries:
                return b""
            out = self._joined[known] = b",".join([render(entry) for entry in entries])
            self.joined_bytes += len(out)
        return out

    def drop_joined(self) -> None:
        """Forget the remembered List bodies."""
        self._joined.clear()
        self.joined_bytes = 0

    def add_index(self, name: str, key_of: Callable[[Entry], str]) -> None:
        """Index by a field; the first definition of a name stays."""
        if name not in self.indexes:
            self.indexes[name] = self._indexed(key_of)

    def _indexed(self, key_of: Callable[[Entry], str]) -> FieldIndex:
        index = FieldIndex(key_of)
        for key, entry in self.entries.items():
            index.apply(key, entry)
        return index

    def by_index(self, name: str, value: str) -> Sequence[Entry]:
        """Entries whose indexed field has the value, in key order."""
        found = self.indexes[name].by_value.get(value)
        return tuple(found[key] for key in sorted(found)) if found else _NONE
