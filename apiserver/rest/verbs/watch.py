"""WATCH: batches of the cache's events written as they come, encoded once for all watchers of one kind.

Upstream: apiserver pkg/endpoints/handlers/watch.go, pkg/storage/cacher.
"""

from __future__ import annotations

import asyncio
import random

import orjson

from apiserver.context import Obj
from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry
from apiserver.rest import negotiate, output, params, selection
from apiserver.rest.request import Request
from apiserver.rest.selection import Selection
from apiserver.rest.verbs.get import parse_version
from apiserver.storage.cacher import Batch, CacheEvent, EventType, Filter, Watcher
from kubepy.api import errors, protobuf
from kubepy.api.patch.zero import zero_object

MIN_TIMEOUT = 1800
_BOOKMARK_BEFORE_END = 2.0


class Watches:
    """The running watches of this server, so that they can be ended when it stops."""

    def __init__(self) -> None:
        self.running: set[Watcher] = set()
        self.min_timeout = MIN_TIMEOUT

    def close(self) -> None:
        """End all."""
        for watcher in list(self.running):
            watcher.close()


async def watch(registry: Registry, req: Request, served: Served, watches: Watches, *, name: str = "") -> None:
    """Answer with events until the client goes, the time is up, or the server stops."""
    options = params.list_options(req.query) if req.query_string else params.ListOptions()
    options.watch = True
    params.check_list(options)
    req.accept = negotiate.for_watch(req.headers.get(b"accept", b""), routed=not served.resource.custom)
    include = output.include_object(req) if req.accept.transform == "Table" else ""
    name = name or req.info.name if req.info.name and not options.field_selector else name
    chosen = selection.select(served, options.label_selector, options.field_selector, name)
    cacher = registry.cacher
    version = parse_version(options.version) if options.version else 0
    since: int | None = None
    if options.initial_events:
        if version:
            await cacher.wait_for(version)
        elif not options.version:
            await cacher.fresh()
    elif version:
        since = version
    else:
        await cacher.fresh()
        # "00" asks for what there is, as "0" does: the defaults of a watch look at the text.
        since = None if options.version and options.initial_events is None else cacher.revision
    timeout = options.timeout or 0
    seconds = float(timeout) if timeout > 0 else watches.min_timeout * (1 + random.random())
    content_type = negotiate.JSON
    if req.accept.media == negotiate.PROTOBUF:
        content_type = f"{negotiate.PROTOBUF};stream=watch"
    elif b"stream=watch" in req.headers.get(b"accept", b""):
        content_type = "application/json;stream=watch"
    try:
        watcher = _open(registry, served, req.info.namespace or None, since, options, chosen)
    except errors.Gone as gone:
        req.exchange.start(200, req.head(content_type))
        _write_error(req, gone)
        req.exchange.end()
        return
    watches.running.add(watcher)
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(seconds, watcher.close)]
    if options.bookmarks and seconds > _BOOKMARK_BEFORE_END:
        timers.append(loop.call_later(seconds - _BOOKMARK_BEFORE_END, _last_bookmark, registry, watcher))
    req.exchange.on_gone = watcher.close
    try:
        req.exchange.start(200, req.head(content_type))
        await _pump(req, served, watcher, include, chosen)
    except errors.StatusError as error:
        # What was to be told could not be converted.
        _write_error(req, error)
    finally:
        for timer in timers:
            timer.cancel()
        watches.running.discard(watcher)
        watcher.close()
        req.exchange.on_gone = None
    req.exchange.end()


def _open(
    registry: Registry, served: Served, namespace: str | None, since: int | None, options: params.ListOptions, chosen: Selection
) -> Watcher:
    cacher = registry.cacher
    prefix = served.resource.storage_prefix
    if chosen.index is not None:
        cacher.add_index(prefix, chosen.index[0], selection.index_key(served, chosen.index[0]))
    wanted = Filter(
        namespace if served.resource.namespaced else None,
        chosen.name if namespace or not served.resource.namespaced else None,
        chosen.index,
        chosen.text,
        chosen.matches,
    )
    initial = bool(options.initial_events and options.bookmarks)
    return cacher.watch(prefix, since, wanted, bookmarks=options.bookmarks, initial_bookmark=initial)


def _last_bookmark(registry: Registry, watcher: Watcher) -> None:
    registry.cacher.bookmark(watcher)


async def _pump(req: Request, served: Served, watcher: Watcher, include: str, chosen: Selection) -> None:
    exchange = req.exchange
    transform, version = req.accept.transform, req.accept.version
    framed = req.accept.media == negotiate.PROTOBUF
    raw = output.is_raw(served) and not transform and not framed
    headers = True
    async for batch in watcher:
        events = batch if chosen.late is None else await selection.seen_lately(served, chosen, batch)
        if raw:
            first = batch.events[0]
            data = batch.lines if first.type is not EventType.BOOKMARK else _bookmark_line(served, first)
            if len(batch.events) > 1 and batch.events[-1].type is EventType.BOOKMARK:
                data = b"".join([_line(served, e) for e in batch])
        elif framed:
            data = b"".join([await _frame(served, event, transform, version) for event in events])
        elif transform == "Table":
            lines = []
            for event in events:
                lines.append(await _table_line(served, event, include, version, headers))
                headers = False
            data = b"".join(lines)
        else:
            data = b"".join([await _converted_line(served, event, transform, version) for event in events])
        if not data:
            continue
        if not exchange.write(data):
            return
        if exchange.full:
            await exchange.drained()


def _line(served: Served, event: CacheEvent) -> bytes:
    return _bookmark_line(served, event) if event.type is EventType.BOOKMARK else event.line


def bookmark(served: Served, event: CacheEvent) -> Obj:
    """The object of a BOOKMARK: the empty object of its kind with a resourceVersion."""
    meta: Obj = {"resourceVersion": str(event.revision)}
    if event.initial:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    empty = {} if served.resource.custom else zero_object(served.node)
    return {**empty, "kind": served.resource.kind, "apiVersion": served.resource.api_version, "metadata": meta}


def _bookmark_line(served: Served, event: CacheEvent) -> bytes:
    return b'{"type":"BOOKMARK","object":%b}\n' % orjson.dumps(bookmark(served, event))


async def _object(served: Served, event: CacheEvent) -> Obj:
    if event.entry is None:
        return bookmark(served, event)
    return (await output.objects(served, [event.entry]))[0]


async def _converted_line(served: Served, event: CacheEvent, transform: str, version: str) -> bytes:
    obj = await _object(served, event)
    if transform:
        obj = output.partial(served, obj, version)
    return b'{"type":"%b","object":%b}\n' % (event.type.encode(), orjson.dumps(obj))


async def _frame(served: Served, event: CacheEvent, transform: str, version: str) -> bytes:
    obj = await _object(served, event)
    return protobuf.watch_frame(event.type, output.partial(served, obj, version) if transform else obj)


async def _table_line(served: Served, event: CacheEvent, include: str, version: str, headers: bool) -> bytes:
    obj = await _object(served, event)
    meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
    shown = output.table(served, [obj], meta, include if event.entry is not None else "", version, headers=headers)
    return b'{"type":"%b","object":%b}\n' % (event.type.encode(), orjson.dumps(shown))


def _write_error(req: Request, error: errors.StatusError) -> None:
    status = error.status()
    framed = req.accept.media == negotiate.PROTOBUF
    req.exchange.write(protobuf.watch_frame("ERROR", status) if framed else b'{"type":"ERROR","object":%b}\n' % orjson.dumps(status))


__all__ = ["Batch", "Watches", "bookmark", "watch"]
