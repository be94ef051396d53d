"""The state of one request's mutation: who ran, what has changed since, and whether a second round is due.

A mutating webhook or policy with reinvocationPolicy IfNeeded runs again, once, when something after it changed the object
(webhook/mutating/reinvocationcontext.go).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from apiserver.admission.interface import Attributes, Tools
from apiserver.context import Obj
from apiserver.rest.scheme import registered, scheme_of
from kubepy.api.errors import InternalError
from kubepy.api.schema import DecodeError


class Mutation:
    """What happened to a request's object in the mutating phase."""

    def __init__(self) -> None:
        self.round = 0
        self._version = 0
        self._seen: dict[Hashable, int] = {}
        self._wanted: set[Hashable] = set()

    def should_run(self, key: Hashable, reinvoke: bool) -> bool:
        """Whether `key` is to run in this round; `reinvoke` is its policy."""
        if self.round == 0:
            return True
        return reinvoke and key in self._seen and self._seen[key] != self._version

    def ran(self, key: Hashable, changed: bool, *, reinvoke: bool = True) -> None:
        """Note that `key` ran, and whether it changed the object."""
        if changed:
            self._version += 1
        self._seen[key] = self._version
        if reinvoke:
            self._wanted.add(key)

    def changed(self) -> None:
        """Note that something else changed the object."""
        self._version += 1

    @property
    def due(self) -> bool:
        """Whether a further round has something to do."""
        return self.round == 0 and any(self._seen[key] != self._version for key in self._wanted)


def state_of(a: Attributes) -> Mutation:
    """The state of this request's mutation."""
    if a.mutation is None:
        a.mutation = Mutation()
    state: Mutation = a.mutation
    return state


def served_of(tools: Tools, a: Attributes) -> Any:
    """What serves the request's resource in its version (apiserver.registry.catalog.Served)."""
    r = a.resource
    return tools.registry.catalog.lookup(r.group, r.version, r.plural) or tools.registry.of(r.group, r.plural)


def replace_object(tools: Tools, a: Attributes, new: Obj) -> bool:
    """Let `new`, decoded and defaulted again, take the place of a.obj; says whether anything changed. Raises StatusError."""
    assert a.obj is not None
    if new == a.obj:
        return False
    # What a subresource carries (a Binding, a Scale) is not of the resource's own kind: it is taken as it is.
    decoded = new if a.subresource not in ("", "status") else _decoded(tools, a, new)
    changed = decoded != a.obj
    if changed:
        a.obj.clear()
        a.obj.update(decoded)
    return changed


def _decoded(tools: Tools, a: Attributes, new: Obj) -> Obj:
    r = a.resource
    version, kind = new.get("apiVersion", ""), new.get("kind", "")
    if not r.custom and version != r.api_version and not registered(tools.registry.catalog, r.group, version, kind):
        raise InternalError.of(f'no kind "{kind}" is registered for version "{version}" in scheme "{scheme_of(r.group)}"')
    try:
        out: Obj = tools.registry.decode(served_of(tools, a), new)
    except DecodeError as error:
        raise InternalError.of(str(error)) from None
    return out
