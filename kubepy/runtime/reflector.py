"""List, then watch, for ever: keeps a sink equal to a collection of the API (client-go tools/cache/reflector.go)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Protocol

from kubepy.api.errors import Gone, StatusError, TooManyRequests
from kubepy.api.kinds import Resource
from kubepy.client.rest import Client
from kubepy.runtime.backoff import Backoff
from kubepy.runtime.clock import Clock

log = logging.getLogger(__name__)

Obj = dict[str, Any]
MIN_WATCH = 300
"""Shortest server-side watch timeout in seconds; each watch asks for once to twice this."""
PAGE = 0
"""Items per LIST page; 0: whole collections, which the server answers from its cache."""


class Sink(Protocol):
    """What a reflector feeds."""

    def replace(self, items: Sequence[Obj]) -> None:
        """The collection is exactly `items`."""

    def apply(self, events: Sequence[tuple[str, Obj]]) -> None:
        """These changes happened, in order (ADDED, MODIFIED, DELETED)."""


class Reflector:
    """One collection's list and watch; `run` ends only by cancellation."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        sink: Sink,
        clock: Clock,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
    ) -> None:
        self._client, self._resource, self._sink, self._clock = client, resource, sink, clock
        self._namespace = namespace
        self._selectors: dict[str, Any] = {
            "label_selector": label_selector, "field_selector": field_selector, "metadata_only": metadata_only,
        }  # fmt: skip
        self._backoff = Backoff(clock)
        self.revision: str | None = None
        """The resourceVersion up to which the sink is current; None before the first list and after it expired."""

    async def run(self) -> None:
        """Keep the sink current. A lost connection resumes at the last revision; 410 Gone lists again."""
        listed_at = "0"
        while True:
            try:
                if self.revision is None:
                    await self._list(listed_at)
                    listed_at = "0"
                await self._watch()
                continue
            except Gone:
                # The revision is no longer kept. Ask for the newest state, not for whatever a cache has ("" and not "0").
                log.debug("%s: revision %s has expired", self._resource.plural, self.revision)
                self.revision, listed_at = None, ""
                continue
            except TooManyRequests as e:
                log.debug("%s: %s", self._resource.plural, e)
            except StatusError as e:
                level = logging.DEBUG if e.status_code == 503 else logging.WARNING
                log.log(level, "failed to list or watch %s: %s", self._resource.plural, e)
                if e.status_code != 503:
                    self.revision = None
            except Exception:
                # Whatever it was, a cache that silently stays as it is would be worse.
                log.exception("failed to list or watch %s", self._resource.plural)
                self.revision = None
            await self._clock.sleep(self._backoff.next())

    async def _list(self, resource_version: str) -> None:
        resource = self._resource
        found = await self._client.list(resource, self._namespace, resource_version=resource_version or None, **self._selectors)
        items: list[Obj] = found.get("items") or []
        kind, api_version = resource.kind, resource.api_version
        # Items of a list carry no type; those of a watch do. Give every cached object the same form.
        items = [item if "kind" in item else {"kind": kind, "apiVersion": api_version, **item} for item in items]
        self._sink.replace(items)
        self.revision = found["metadata"]["resourceVersion"]

    async def _watch(self) -> None:
        seconds = int(MIN_WATCH * (1.0 + random.random()))
        stream = self._client.watch_batches(self._resource, self._namespace, self.revision, timeout_seconds=seconds, **self._selectors)
        started, count = self._clock.monotonic(), 0
        async with aclosing(stream):
            async for batch in stream:
                count += len(batch)
                changes = [event for event in batch if event[0] != "BOOKMARK"]
                if changes:
                    self._sink.apply(changes)
                self.revision = batch[-1][1]["metadata"]["resourceVersion"]
                # Handlers may have queued much work: let it begin before the next batch.
                await asyncio.sleep(0)
        if count == 0 and self._clock.monotonic() - started < 1.0:
            raise TooManyRequests("the watch ended at once without an event")
