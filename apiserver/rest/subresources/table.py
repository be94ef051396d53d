"""Which handler answers which subresource and method. Generic ones follow from the resource table; the rest are listed here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from apiserver.context import Lister
from apiserver.registry.catalog import Served
from apiserver.rest import negotiate
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.rest.subresources import scale
from apiserver.rest.subresources.binding import Binder
from apiserver.rest.subresources.eviction import Evictor
from apiserver.rest.subresources.posted import posted
from apiserver.rest.verbs.get import get
from apiserver.rest.verbs.patch import patch
from apiserver.rest.verbs.update import update

SubHandler = Callable[[Api, Request, Served], Awaitable[None]]
_WITHOUT_TABLES = frozenset(
    {
        ("", "pods", "ephemeralcontainers"), ("", "pods", "resize"), ("resource.k8s.io", "devicetaintrules", "status"),
        ("resource.k8s.io", "resourceclaims", "status"), ("resource.k8s.io", "resourcepoolstatusrequests", "status"),
        ("scheduling.k8s.io", "podgroups", "status"),
    }
)  # fmt: skip
"""Subresources whose storage upstream has no rest.TableConvertor."""
_VERB = {"GET": "get", "PUT": "update", "PATCH": "patch", "POST": "create"}


class Subresources:
    """Looks handlers up. `reviews` maps (group, plural, subresource) to handlers of posted objects."""

    def __init__(self, api: Api, lister: Lister, reviews: dict[tuple[str, str, str], Any]) -> None:
        self._posted: dict[tuple[str, str, str], SubHandler] = {}
        self._connect: dict[tuple[str, str], SubHandler] = {}
        binder = Binder(api.registry)
        evictor = Evictor(api.registry, lister, api.ownership)
        self._posted["", "pods", "binding"] = posted(binder.bind, "v1", "Binding")
        self._posted["", "bindings", ""] = posted(binder.create_binding, "v1", "Binding")
        self._posted["", "pods", "eviction"] = posted(evictor.evict, "policy/v1", "Eviction", ("policy/v1beta1",))
        for (group, plural, sub), handler in reviews.items():
            version, kind = _kind_of(api, group, plural, sub)
            self._posted[group, plural, sub] = posted(handler, version, kind)

    def add_connect(self, plural: str, subresource: str, handler: SubHandler) -> None:
        """A core subresource that takes any method (exec, proxy, …)."""
        self._connect[plural, subresource] = handler

    def find(self, served: Served, subresource: str, method: str) -> SubHandler | None:
        """The handler, or None where there is none."""
        r = served.resource
        if not r.group and (handler := self._connect.get((r.plural, subresource))) is not None:
            return handler
        if method == "POST" and (found := self._posted.get((r.group, r.plural, subresource))) is not None:
            return found
        sub = r.subresource(subresource)
        verb = _VERB.get(method)
        if sub is None or verb is None or verb not in sub.verbs:
            return None
        if subresource == "scale":
            return {"get": scale.get_scale, "update": scale.put_scale, "patch": scale.patch_scale}.get(verb)
        generic: dict[str, SubHandler] = {
            "get": _get, "update": partial(_update, subresource=subresource), "patch": partial(_patch, subresource=subresource),
        }  # fmt: skip
        handler = generic.get(verb)
        if handler is None or (r.group, r.plural, subresource) not in _WITHOUT_TABLES:
            return handler
        return partial(_without_tables, handler)


async def _without_tables(handler: SubHandler, api: Api, req: Request, served: Served) -> None:
    if req.accept.transform == "Table":
        req.accept = negotiate.without_tables(req.headers.get(b"accept", b""))
    await handler(api, req, served)


async def _get(api: Api, req: Request, served: Served) -> None:
    await get(api.registry, req, served)


async def _update(api: Api, req: Request, served: Served, subresource: str) -> None:
    await update(api, req, served, subresource)


async def _patch(api: Api, req: Request, served: Served, subresource: str) -> None:
    await patch(api, req, served, subresource)


def _kind_of(api: Api, group: str, plural: str, subresource: str) -> tuple[str, str]:
    served = api.catalog.of(group, plural)
    assert served is not None, plural
    r = served.resource
    if not subresource:
        return r.api_version, r.kind
    sub = r.subresource(subresource)
    assert sub is not None, subresource
    version = f"{sub.group}/{sub.version}" if sub.group else sub.version or r.api_version
    return version, sub.kind
