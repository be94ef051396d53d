"""The API's verbs by kind over one Transport; errors are kubepy.api.errors, bodies plain JSON objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
import orjson

from kubepy.api import kinds
from kubepy.api.errors import StatusError
from kubepy.api.kinds import Resource
from kubepy.client import watch as frames
from kubepy.client.config import Config
from kubepy.client.transport import REFUSED_PATIENCE, Transport, Unreachable, error_of

__all__ = ["Client", "Unreachable"]

Obj = dict[str, Any]

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_JSON = {"Accept": "application/json"}
_JSON_BODY = {"Accept": "application/json", "Content-Type": "application/json"}
WATCH_SILENCE = 30.0
"""Seconds past its own end after which a silent watch is taken for dead."""


class Client:
    """Verbs by kind. `resource` is a kinds.Resource or a string such as `pods` or `deployments.apps`.

    Use as an async context manager or call `close`. `qps` bounds requests per second (None: no bound);
    every verb raises kubepy.api.errors.StatusError, Unreachable when no answer came.
    """

    def __init__(
        self,
        config: Config,
        *,
        user_agent: str = "kubepy",
        qps: float | None = None,
        burst: int | None = None,
        patience: float = REFUSED_PATIENCE,
        transport: Transport | None = None,
    ) -> None:
        self.config = config
        self.transport = transport or Transport(config, user_agent, patience)
        self._spacing = 1.0 / qps if qps else 0.0
        self._burst = (burst or max(1, int(qps))) if qps else 0
        self._next = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()

    async def _throttle(self) -> None:
        if not self._spacing:
            return
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._spacing * self._burst) + self._spacing
        if self._next > now:
            await asyncio.sleep(self._next - now)

    async def raw(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bytes:
        """The body of a successful answer to any request; `body` is bytes or a JSON value. Raises StatusError."""
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        await self._throttle()
        if headers is None:
            headers = _JSON if data is None else _JSON_BODY
        status, content, _ = await self.transport.request(method, path, body=data, headers=headers, timeout=timeout)
        if status >= 400:
            raise error_of(status, content, method, path)
        return content

    async def _json(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Obj:
        out: Obj = orjson.loads(await self.raw(method, path, body, headers=headers))
        return out

    async def get(
        self,
        resource: Resource | str,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        resource_version: str | None = None,
    ) -> Obj:
        """One object."""
        return await self._json("GET", _path(resource, namespace, name, subresource, resourceVersion=resource_version))

    async def list(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int | None = None,
        continue_token: str | None = None,
        resource_version: str | None = None,
        metadata_only: bool = False,
    ) -> Obj:
        """The List object of a collection (all namespaces without `namespace`)."""
        path = _path(
            resource, namespace, labelSelector=label_selector, fieldSelector=field_selector, limit=limit,
            resourceVersion=resource_version, **{"continue": continue_token},
        )  # fmt: skip
        return await self._json("GET", path, headers=_METADATA_LIST if metadata_only else None)

    async def create(
        self, resource: Resource | str, obj: Obj, namespace: str | None = None, *, subresource: str | None = None, name: str | None = None,
        field_manager: str | None = None, dry_run: bool = False,
    ) -> Obj:  # fmt: skip
        """Create an object; with `name` and `subresource` post to it (binding, eviction, token)."""
        namespace = namespace or obj.get("metadata", {}).get("namespace")
        return await self._json(
            "POST", _path(resource, namespace, name, subresource, fieldManager=field_manager, dryRun=_dry(dry_run)), obj
        )

    async def update(
        self, resource: Resource | str, obj: Obj, namespace: str | None = None, *, subresource: str | None = None,
        field_manager: str | None = None, dry_run: bool = False,
    ) -> Obj:  # fmt: skip
        """Replace an object; its metadata.resourceVersion, if set, must be current."""
        meta = obj["metadata"]
        path = _path(
            resource, namespace or meta.get("namespace"), meta["name"], subresource, fieldManager=field_manager, dryRun=_dry(dry_run)
        )
        return await self._json("PUT", path, obj)

    async def update_status(
        self, resource: Resource | str, obj: Obj, namespace: str | None = None, *, field_manager: str | None = None
    ) -> Obj:
        """Replace an object's status."""
        return await self.update(resource, obj, namespace, subresource="status", field_manager=field_manager)

    async def patch(
        self, resource: Resource | str, name: str, patch: Any, namespace: str | None = None, *, type: str = "merge",
        subresource: str | None = None, field_manager: str | None = None, force: bool = False, dry_run: bool = False,
    ) -> Obj:  # fmt: skip
        """Patch an object; `type` is merge, strategic, json or apply (server-side apply needs `field_manager`)."""
        path = _path(
            resource, namespace, name, subresource, fieldManager=field_manager,
            force="true" if force else None, dryRun=_dry(dry_run),
        )  # fmt: skip
        return await self._json("PATCH", path, patch, {"Accept": "application/json", "Content-Type": PATCH_TYPES[type]})

    async def delete(
        self, resource: Resource | str, name: str, namespace: str | None = None, *, propagation: str | None = None,
        grace: int | None = None, preconditions: Mapping[str, str] | None = None,
    ) -> Obj:  # fmt: skip
        """Delete one object; `propagation` Foreground, Background or Orphan, `grace` seconds, `preconditions` uid/resourceVersion."""
        return await self._json("DELETE", _path(resource, namespace, name), _delete_options(propagation, grace, preconditions))

    async def delete_collection(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        propagation: str | None = None,
        grace: int | None = None,
    ) -> Obj:
        """Delete all objects of a collection that the selectors match."""
        path = _path(resource, namespace, labelSelector=label_selector, fieldSelector=field_selector)
        return await self._json("DELETE", path, _delete_options(propagation, grace, None))

    async def watch_batches(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        resource_version: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        bookmarks: bool = True,
        timeout_seconds: int | None = None,
        metadata_only: bool = False,
    ) -> AsyncGenerator[Sequence[tuple[str, Obj]], None]:
        """The events after `resource_version`, as lists of (type, object), until the server ends the stream.

        Types are ADDED, MODIFIED, DELETED, BOOKMARK; an ERROR event is raised (Gone: list again).
        """
        path = _path(
            resource, namespace, watch="true", resourceVersion=resource_version, labelSelector=label_selector,
            fieldSelector=field_selector, allowWatchBookmarks="true" if bookmarks else None, timeoutSeconds=timeout_seconds,
        )  # fmt: skip
        headers = _METADATA if metadata_only else _JSON
        silence = timeout_seconds + WATCH_SILENCE if timeout_seconds is not None else 0.0
        response = await self.transport.open("GET", path, headers=headers, timeout=silence)
        try:
            if response.status >= 400:
                raise error_of(response.status, await response.read(), "GET", path)
            async for batch in frames.batches(response.content):
                kind, last = batch[-1]
                if kind == "ERROR":
                    if len(batch) > 1:
                        yield batch[:-1]
                    raise StatusError.from_status(last)
                yield batch
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise Unreachable(f"watch {path}: {e or type(e).__name__}") from e
        finally:
            # The stream has no end of its own: cut it, as a polite TLS goodbye would wait for the server.
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    async def watch(
        self, resource: Resource | str, namespace: str | None = None, resource_version: str | None = None, **options: Any
    ) -> AsyncGenerator[tuple[str, Obj], None]:
        """The events one by one; options as `watch_batches`."""
        async with aclosing(self.watch_batches(resource, namespace, resource_version, **options)) as stream:
            async for batch in stream:
                for event in batch:
                    yield event


_METADATA = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"}
_METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}


def _dry(dry_run: bool) -> str | None:
    return "All" if dry_run else None


def _path(resource: Resource | str, namespace: str | None, name: str | None = None, subresource: str | None = None, **query: Any) -> str:
    found = kinds.resource(resource) if isinstance(resource, str) else resource
    path = found.path(namespace, quote(name, safe="") if name else None, subresource)
    params = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(params, quote_via=quote)}" if params else path


def _delete_options(propagation: str | None, grace: int | None, preconditions: Mapping[str, str] | None) -> Obj | None:
    options: Obj = {}
    if propagation:
        options["propagationPolicy"] = propagation
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if preconditions:
        options["preconditions"] = dict(preconditions)
    return {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
