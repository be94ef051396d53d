"""What the server serves: one `Served` per group, version and plural, built-in or custom. Holds no objects and does no I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from apiserver.context import Obj
from apiserver.registry.strategy import DEFAULT, Strategy
from kubepy.api.kinds import Resource

if TYPE_CHECKING:
    from kubepy.api.schema import Decoder, Node


class Table(Protocol):
    """How one kind is printed (custom resources bring their own; built-ins use kubepy.api.tables)."""

    @property
    def columns(self) -> Sequence[Any]:
        """kubepy.api.tables.Column values."""

    def row(self, obj: Obj, now: float) -> list[Any]:
        """The cells of one object; `now` is the wall clock in seconds."""


class Served:
    """One resource in one version, with all that its requests need.

    The registry works on objects in the version of `hub or self`: built-in kinds that are served in several
    versions are converted to the hub (their storage version) as soon as they are decoded, by `to_hub`, and back by `from_hub`.
    Custom resources have no hub: they work in the requested version, and `to_storage`/`from_storage` (which may call a
    webhook) convert where objects are written and read.
    """

    def __init__(
        self,
        resource: Resource,
        node: Node | Callable[[], Node],
        decoder: Decoder | None = None,
        strategy: Strategy = DEFAULT,
        *,
        hub: Served | None = None,
        to_hub: Callable[[Obj], Obj] | None = None,
        from_hub: Callable[[Obj], Obj] | None = None,
        to_storage: Callable[[Obj], Awaitable[Obj]] | None = None,
        from_storage: Callable[[Sequence[Obj]], Awaitable[list[Obj]]] | None = None,
        reads_raw: Callable[[bytes], bool] | None = None,
        table: Table | None = None,
        unavailable: str = "",
        warning: str = "",
        schema: Mapping[str, Any] | None = None,
        scale: Any = None,
    ) -> None:
        self.resource = resource
        self._node = node
        self._decoder = decoder
        self.strategy = strategy
        self.hub = hub
        self.to_hub = to_hub
        self.from_hub = from_hub
        self.to_storage = to_storage
        """Request version → storage version; None where they are one."""
        self.from_storage = from_storage
        """Objects as stored, in whatever version → request version, pruned and defaulted. Gets private copies."""
        self.reads_raw = reads_raw
        """Whether an object's stored bytes may be served as they are; None: never where there is a `from_storage`, else always."""
        self.table = table
        self.unavailable = unavailable
        """A message: requests are answered 503 (a CRD that is not ready, a remote group that is down)."""
        self.frozen = ""
        """A message: nothing can be created (a CRD that is being deleted)."""
        self.schema = schema
        """A custom resource's openAPIV3Schema, for the published OpenAPI documents."""
        self.scale = scale
        """rest.subresources.scale.ScalePaths, where they are not spec.replicas and status.replicas."""
        self.warning = warning
        """A Warning for every request (deprecated versions)."""
        self.raw_prefix = f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode()
        """How the JSON of every object in this version starts."""

    @cached_property
    def node(self) -> Node:
        """The type; given, or made on first use."""
        return self._node() if callable(self._node) else self._node

    @cached_property
    def decoder(self) -> Decoder:
        """The decoder; given, or compiled on first use."""
        if self._decoder is not None:
            return self._decoder
        from kubepy.api.schema import decoder_for

        return decoder_for(self.node)

    @property
    def work(self) -> Served:
        """The version that strategies and storage of this kind work in."""
        return self.hub or self


class Catalog:
    """All that is served, found by group, version and plural. `generation` changes with every change."""

    def __init__(self) -> None:
        self._served: dict[tuple[str, str, str], Served] = {}
        self._kinds: dict[tuple[str, str], Served] = {}
        self.generation = 0
        self._listeners: list[Callable[[], None]] = []

    def lookup(self, group: str, version: str, plural: str) -> Served | None:
        """What serves `plural` of that group and version."""
        return self._served.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Served | None:
        """What serves objects of that kind."""
        return self._kinds.get((api_version, kind))

    def add(self, *served: Served) -> None:
        """Serve these from now on; replaces what had the same group, version and plural."""
        for s in served:
            r = s.resource
            self._served[(r.group, r.version, r.plural)] = s
            self._kinds[(r.api_version, r.kind)] = s
        self._changed()

    def remove(self, *resources: Resource) -> None:
        """Serve these no longer."""
        for r in resources:
            self._served.pop((r.group, r.version, r.plural), None)
            self._kinds.pop((r.api_version, r.kind), None)
        self._changed()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change."""
        self._listeners.append(listener)

    def _changed(self) -> None:
        self.generation += 1
        for listener in self._listeners:
            listener()

    def versions(self, group: str) -> set[str]:
        """The served versions of one group; empty for an unknown group."""
        return {v for g, v, _ in self._served if g == group}

    def __iter__(self) -> Iterator[Served]:
        return iter(tuple(self._served.values()))

    def of(self, group: str, plural: str) -> Served | None:
        """The preferred (first added) version of a resource, in its hub version where it has one."""
        for (g, _, p), s in self._served.items():
            if g == group and p == plural:
                return s.work
        return None
