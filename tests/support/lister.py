"""Fakes that API server tests share: a lister over dictionaries."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.context import Obj


class FakeLister:
    """A Lister whose content tests set; generations grow as the watch cache's do."""

    def __init__(self, *objects: tuple[str, str, Obj]) -> None:
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Obj]] = {}
        self._generations: dict[tuple[str, str], int] = {}
        for group, plural, obj in objects:
            self.put(group, plural, obj)

    def put(self, group: str, plural: str, obj: Obj) -> None:
        """Add or replace an object."""
        meta = obj["metadata"]
        self._objects.setdefault((group, plural), {})[meta.get("namespace") or "", meta["name"]] = obj
        self._generations[group, plural] = self.generation(group, plural) + 1

    def remove(self, group: str, plural: str, namespace: str, name: str) -> None:
        """Delete an object."""
        del self._objects[group, plural][namespace, name]
        self._generations[group, plural] += 1

    def get(self, group: str, plural: str, namespace: str | None, name: str) -> Obj | None:
        """The object or None."""
        return self._objects.get((group, plural), {}).get((namespace or "", name))

    def list(self, group: str, plural: str, namespace: str | None = None) -> Iterable[Obj]:
        """Objects in key order."""
        items = sorted(self._objects.get((group, plural), {}).items())
        return [obj for (ns, _), obj in items if namespace is None or ns == namespace]

    def generation(self, group: str, plural: str) -> int:
        """Grows with each change."""
        return self._generations.get((group, plural), 0)
