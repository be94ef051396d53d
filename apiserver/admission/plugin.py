"""The base of built-in plugins: which writes a plugin is for, and how it refuses. Plugins import this, never one another."""

from __future__ import annotations

from typing import ClassVar

from apiserver.admission.interface import Attributes, Tools
from apiserver.middleware.authz.attributes import refuse
from kubepy.api.errors import Forbidden
from kubepy.api.kinds import Resource

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


class BasePlugin:
    """Covers the (group, plural) pairs of `resources` with `operations`, on the resource itself and `subresources`.

    What `covers` says of a kind of request is remembered by the chain; `handles` is asked each time.
    """

    name: ClassVar[str] = ""
    default_on: ClassVar[bool] = True
    """Whether it is in the chain without --enable-admission-plugins."""
    operations: ClassVar[frozenset[str]] = frozenset((CREATE, UPDATE))
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    subresources: ClassVar[frozenset[str]] = frozenset(("",))

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.lister = tools.lister

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Whether such requests can concern the plugin at all; always the same for the same arguments."""
        return operation in self.operations and (resource.group, resource.plural) in self.resources and subresource in self.subresources

    def handles(self, a: Attributes) -> bool:
        """Cheap test that lets the chain skip the plugin."""
        return True

    async def close(self) -> None:
        """Release what is held open."""

    async def admit(self, a: Attributes) -> None:
        """Mutate a.obj."""

    async def validate(self, a: Attributes) -> None:
        """Refuse or accept; must not mutate."""


def deny(a: Attributes, text: str) -> Forbidden:
    """The refusal `pods "x" is forbidden: <text>` (admission.NewForbidden)."""
    name = a.name
    if not name:
        meta = (a.obj or {}).get("metadata") or {}
        name = meta.get("name") or meta.get("generateName") or "Unknown"
    return refuse(a.resource.group, a.resource.plural, name, text)
