"""What an admission plugin is. Plugins never import one another; the chain is a table in `chain.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from apiserver.context import Context, Lister, Obj
from kubepy.api.kinds import Resource


@dataclass(slots=True)
class Attributes:
    """One write under admission. `obj` may be changed in place by mutating plugins; `old` must not be.

    `operation` is CREATE, UPDATE, DELETE or CONNECT. For subresources `obj` is what the request carries
    (an Eviction, a Binding); `options` are the Create/Update/DeleteOptions as sent.
    """

    ctx: Context
    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    options: dict[str, Any]
    mutation: Any = None
    """apiserver.admission.reinvocation.Mutation, made by the first plugin that can be invoked again."""


class Plugin(Protocol):
    """Either method may do nothing. Both raise kubepy.api.errors (Forbidden, mostly) to refuse."""

    name: str

    def handles(self, a: Attributes) -> bool:
        """Cheap test that lets the chain skip the plugin."""

    async def admit(self, a: Attributes) -> None:
        """Mutate a.obj."""

    async def validate(self, a: Attributes) -> None:
        """Refuse or accept; must not mutate."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What plugins get from the composition root: `lister` for reads, `registry` for the writes they need."""

    lister: Lister
    registry: Any
    """apiserver.registry.store.Registry (typed there to avoid a cycle)."""
    flags: Any
    authorizer: Any = None
    """apiserver.middleware.authz.Chain, for plugins that ask what a user may do; None allows everything."""
