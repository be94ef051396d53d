"""Synchronous reads of whole objects from the watch cache, by group and plural: what admission, authorization and hooks look at."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.context import Obj
from apiserver.registry.catalog import Catalog
from apiserver.storage.cacher import Cacher


class CacheLister:
    """context.Lister over the cacher. Objects are shared: do not change them."""

    def __init__(self, cacher: Cacher, catalog: Catalog) -> None:
        self._cacher = cacher
        self._catalog = catalog
        self._prefixes: dict[tuple[str, str], str] = {}
        catalog.on_change(self._prefixes.clear)

    def _prefix(self, group: str, plural: str) -> str:
        found = self._prefixes.get((group, plural))
        if found is None:
            served = self._catalog.of(group, plural)
            found = served.resource.storage_prefix if served else f"/registry/{group}/{plural}/" if group else f"/registry/{plural}/"
            self._prefixes[(group, plural)] = found
        return found

    def get(self, group: str, plural: str, namespace: str | None, name: str) -> Obj | None:
        """The object in its storage version, or None."""
        prefix = self._prefix(group, plural)
        entry = self._cacher.get(prefix, f"{prefix}{namespace}/{name}" if namespace else f"{prefix}{name}")
        return None if entry is None else entry.obj

    def list(self, group: str, plural: str, namespace: str | None = None) -> Iterable[Obj]:
        """All objects (of one namespace), in key order."""
        return [entry.obj for entry in self._cacher.list(self._prefix(group, plural), namespace)]

    def generation(self, group: str, plural: str) -> int:
        """Changes whenever any object of the resource does."""
        return self._cacher.generation(self._prefix(group, plural))
