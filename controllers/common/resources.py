"""What the server serves at the moment: discovery, asked again when CRDs or APIServices change. Shared by collectors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from controllers.context import Context
from kubepy.api.errors import StatusError
from kubepy.api.kinds import Resource
from kubepy.client.discovery import Discovered, discover

log = logging.getLogger(__name__)

Obj = dict[str, Any]
SETTLE = 0.3
"""Seconds between a change of the served kinds and asking for them: several changes come together."""


class ResourceMap:
    """The served resources; `on_change` listeners hear of every new picture."""

    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._current: Discovered | None = None
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._listeners: list[Callable[[Discovered], None]] = []
        self._stale = asyncio.Event()
        self._stale.set()
        self._known = asyncio.Event()
        for plural in ("customresourcedefinitions.apiextensions.k8s.io", "apiservices.apiregistration.k8s.io"):
            ctx.informer(plural, metadata_only=True).on_event(self._changed)
        ctx.manager.add(self._run)

    def on_change(self, listener: Callable[[Discovered], None]) -> None:
        """Tell `listener` of the present picture, if there is one, and of each new one."""
        self._listeners.append(listener)
        if self._current is not None:
            listener(self._current)

    async def current(self, *, fresh: bool = False) -> Discovered:
        """The present picture; `fresh` asks the server. Raises StatusError."""
        if fresh:
            return await self._ask()
        await self._known.wait()
        assert self._current is not None
        return self._current

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind, or None while it is not known."""
        return self._by_kind.get((api_version, kind))

    def invalidate(self) -> None:
        """Ask again soon: something unknown was met."""
        self._stale.set()

    def _changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        self._stale.set()

    async def _run(self) -> None:
        while True:
            await self._stale.wait()
            await self._clock.sleep(SETTLE if self._current is not None else 0)
            self._stale.clear()
            try:
                await self._ask()
            except StatusError as e:
                log.warning("discovery failed: %s", e)
                self._stale.set()
                await self._clock.sleep(1.0)

    async def _ask(self) -> Discovered:
        found = await discover(self._client)
        changed = self._current is None or found != self._current
        self._current = found
        self._by_kind = {(r.api_version, r.kind): r for r in reversed(found.resources)}
        self._known.set()
        if changed:
            for listener in self._listeners:
                listener(found)
        return found


def shared(ctx: Context) -> ResourceMap:
    """The one map of a process."""
    known = ctx.shared.get("resources")
    if known is None:
        known = ctx.shared["resources"] = ResourceMap(ctx)
    assert isinstance(known, ResourceMap)
    return known
