"""The objects an informer knows, by `namespace/name`, with indexes. Objects are shared: never change one you read here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

Obj = dict[str, Any]
Objects = list[Obj]
IndexFn = Callable[[Obj], Iterable[str]]

_EMPTY: dict[str, Obj] = {}


def key_of(obj: Obj) -> str:
    """`namespace/name`, or the name of a cluster-scoped object (client-go MetaNamespaceKeyFunc)."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


def split_key(key: str) -> tuple[str, str]:
    """(namespace, name) of a key; namespace is empty for a cluster-scoped object."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


class _Index:
    __slots__ = ("fn", "values")

    def __init__(self, fn: IndexFn) -> None:
        self.fn = fn
        self.values: dict[str, dict[str, Obj]] = {}

    def remove(self, key: str, obj: Obj) -> None:
        for value in self.fn(obj):
            held = self.values.get(value)
            if held is not None:
                held.pop(key, None)
                if not held:
                    del self.values[value]

    def insert(self, key: str, obj: Obj) -> None:
        for value in self.fn(obj):
            self.values.setdefault(value, {})[key] = obj


def _by_namespace(obj: Obj) -> tuple[str, ...]:
    return (obj["metadata"].get("namespace", ""),)


class Cache:
    """A map of objects with any number of indexes; every read is O(result)."""

    def __init__(self) -> None:
        self._objects: dict[str, Obj] = {}
        self._indexes: dict[str, _Index] = {"namespace": _Index(_by_namespace)}

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def get(self, key: str) -> Obj | None:
        """The object `namespace/name`, or None."""
        return self._objects.get(key)

    def keys(self) -> Collection[str]:
        """All keys, a live view."""
        return self._objects.keys()

    def list(self, namespace: str | None = None) -> Objects:
        """All objects, or those of one namespace."""
        if namespace is None:
            return list(self._objects.values())
        return list(self._indexes["namespace"].values.get(namespace, _EMPTY).values())

    def add_index(self, name: str, fn: IndexFn) -> None:
        """Index objects under every value that `fn` gives; the same name with the same function again is harmless.

        `fn` must depend on the object alone. Raises ValueError for another function under a known name.
        """
        known = self._indexes.get(name)
        if known is not None:
            if known.fn is not fn:
                raise ValueError(f"index {name!r} exists with another function")
            return
        index = self._indexes[name] = _Index(fn)
        for key, obj in self._objects.items():
            index.insert(key, obj)

    def by_index(self, name: str, value: str) -> Objects:
        """The objects under one value of an index."""
        return list(self._indexes[name].values.get(value, _EMPTY).values())

    def index_values(self, name: str) -> Collection[str]:
        """The values that an index holds, a live view."""
        return self._indexes[name].values.keys()

    def put(self, key: str, obj: Obj) -> Obj | None:
        """Store an object; the one it replaces, or None. For the informer alone."""
        old = self._objects.get(key)
        self._objects[key] = obj
        for index in self._indexes.values():
            if old is not None:
                index.remove(key, old)
            index.insert(key, obj)
        return old

    def pop(self, key: str) -> Obj | None:
        """Forget an object. For the informer alone."""
        old = self._objects.pop(key, None)
        if old is not None:
            for index in self._indexes.values():
                index.remove(key, old)
        return old
