"""LIST: from the cache, or from the store's history where an older state is asked for; selectors, pages, Tables.

Upstream: apiserver pkg/endpoints/handlers/get.go, pkg/storage/cacher, pkg/storage/etcd3/store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from apiserver.context import Obj
from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry
from apiserver.rest import continuation, output, params, selection
from apiserver.rest.request import GZIP_FROM, LARGE, Request
from apiserver.rest.selection import Selection
from apiserver.rest.verbs.get import parse_version
from apiserver.storage import interface
from apiserver.storage.cacher import Entry
from kubepy.api import errors

_CHUNK = 500
_MANY = 500
"""A list of more objects is streamed."""
_PIECE = 16
"""Objects that are copied into one piece: few enough that it is still in the processor's cache when it is encrypted."""
_EXPIRED_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue "
    "parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided "
    "token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was "
    "returned and now may show up in the list."
)


@dataclass(slots=True)
class Page:
    """What a list holds: the entries, as of `revision`; where to go on, and how many are left (None: not known)."""

    entries: Sequence[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None

    @property
    def meta(self) -> Obj:
        """metav1.ListMeta."""
        out: Obj = {"resourceVersion": str(self.revision)}
        if self.token:
            out["continue"] = self.token
            if self.remaining:
                out["remainingItemCount"] = self.remaining
        return out


async def list_(registry: Registry, req: Request, served: Served) -> None:
    """Answer with the List."""
    options = params.list_options(req.query) if req.query_string else params.ListOptions()
    params.check_list(options)
    if req.accept.transform:
        output.check_transform(req, served, is_list=True)
    namespace = req.info.namespace or None
    chosen = selection.select(served, options.label_selector, options.field_selector)
    cacher = registry.cacher
    resource = served.resource
    plain = chosen.matches is None and not options.limit and not options.token and options.match != params.EXACT
    if plain and not req.accept.transform and output.is_raw(served):
        _check_version(options)
        await _ready(registry, options)
        kind = f'{{"kind":"{resource.list_kind}","apiVersion":"{resource.api_version}","metadata":{{"resourceVersion":"'
        head = f'{kind}{cacher.revision}"}},"items":['
        entries = cacher.list(resource.storage_prefix, namespace)
        form = _whole if resource.custom else _item
        if len(entries) > _MANY and req.plain and not req.takes_gzip:
            await _stream(req, head.encode(), entries, form)
            return
        # One value joined and remembered by the cache until anything under the prefix changes.
        items = cacher.joined(resource.storage_prefix, namespace, "raw" if resource.custom else "item", form)
        if req.plain and (len(items) < GZIP_FROM or (len(items) < LARGE and not req.takes_gzip)):
            req.exchange.respond(200, req.head(), head.encode(), items, b"]}\n")
        else:
            await req.json(200, b"".join((head.encode(), items, b"]}\n")))
        return
    page = await read(registry, served, namespace, options, chosen)
    await req.json(200, await render(req, served, page))


async def _stream(req: Request, head: bytes, entries: Sequence[Entry], form: Callable[[Entry], bytes]) -> None:
    """A long list, put together while it is written: no copy of the whole ever exists."""

    # Every object of one kind starts alike: what `form` cuts off is the same for all, and so they are copied once only.
    cut = len(entries[0].raw) - len(form(entries[0]))
    opening, start = (b"{", cut + 1) if cut else (b"", 0)
    between = b"," + opening

    def parts() -> Iterator[bytes]:
        yield head + opening
        for at in range(0, len(entries), _PIECE):
            objects: list[bytes | memoryview] = [memoryview(e.raw)[start:] for e in entries[at : at + _PIECE]]
            yield between.join([b"", *objects] if at else objects)
        yield b"]}\n"

    size = len(head) + 3 + len(entries) - 1 + sum([len(e.raw) - cut for e in entries])
    await req.exchange.respond_large(200, req.head(), size, parts())


def _item(entry: Entry) -> bytes:
    return entry.item


def _whole(entry: Entry) -> bytes:
    return entry.raw


async def render(req: Request, served: Served, page: Page) -> bytes:
    """A page as the document that the request asks for."""
    resource = served.resource
    accept = req.accept
    if accept.transform == "Table":
        objs = await output.listed(served, page.entries)
        return orjson.dumps(output.table(served, objs, page.meta, output.include_object(req), accept.version))
    if accept.transform:
        objs = await output.listed(served, page.entries)
        out = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{accept.version}", "metadata": page.meta}
        return orjson.dumps({**out, "items": [output.partial(served, o, accept.version) for o in objs]})
    # Upstream's lists of custom resources have the token even when there is none.
    meta = {"continue": "", **page.meta} if resource.custom else page.meta
    head = orjson.dumps({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta})[:-1]
    if output.is_raw(served) or (resource.custom and all(output.entry_is_raw(served, e) for e in page.entries)):
        items = b",".join([e.raw if resource.custom else e.item for e in page.entries])
    else:
        objs = await output.listed(served, page.entries)
        if not resource.custom:
            objs = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in objs]
        items = orjson.dumps(objs)[1:-1]
    return b"".join((head, b',"items":[', items, b"]}\n"))


def _check_version(options: params.ListOptions) -> None:
    """Raises BadRequest (storage interfaces.go ValidateListOptions)."""
    if not options.version:
        return
    try:
        parse_version(options.version)
    except errors.StatusError as e:
        raise errors.BadRequest(f"invalid resource version: {e.message}") from None


async def _ready(registry: Registry, options: params.ListOptions) -> None:
    if not options.version:
        await registry.cacher.fresh()
    elif options.version != "0":
        await registry.cacher.wait_for(parse_version(options.version))


async def read(registry: Registry, served: Served, namespace: str | None, options: params.ListOptions, chosen: Selection) -> Page:
    """The page of a collection that the options ask for. Raises BadRequest, Gone, Timeout.

    Where the selector can be judged only after a conversion, a page may hold less than its limit.
    """
    page = await _read(registry, served, namespace, options, chosen)
    if chosen.late is not None:
        page.entries = await selection.lately(served, chosen, page.entries)
    return page


async def _read(registry: Registry, served: Served, namespace: str | None, options: params.ListOptions, chosen: Selection) -> Page:
    cacher = registry.cacher
    resource = served.resource
    prefix = resource.storage_prefix
    single = _only(served, namespace, chosen) is not None
    limit = 0 if single else max(options.limit, 0)
    if options.token and not single:
        revision, start = continuation.decode(options.token)
        if options.version not in ("", "0"):
            raise errors.BadRequest("specifying resource version is not allowed when using continue")
        limit = 0 if options.version == "0" else limit
        after = _absolute(served, namespace, start)
        await cacher.fresh()
        if revision < 0:
            return _cached(registry, served, namespace, after, limit, chosen, cacher.revision)
        if cacher.generation(prefix) <= revision:
            await _check_kept(registry, _scope_prefix(served, namespace), after, revision)
            return _cached(registry, served, namespace, after, limit, chosen, revision)
        return await _historic(registry, served, namespace, after, limit, chosen, revision)
    _check_version(options)
    if options.version == "0" and options.match != params.EXACT:
        return _cached(registry, served, namespace, "", 0, chosen, cacher.revision)
    exact = options.match == params.EXACT or (limit and options.version and not options.match)
    if exact and options.version:
        revision = parse_version(options.version)
        return await _historic(registry, served, namespace, "", limit, chosen, revision)
    await _ready(registry, options)
    return _cached(registry, served, namespace, "", limit, chosen, cacher.revision)


def _only(served: Served, namespace: str | None, chosen: Selection) -> str | None:
    """The name of the one object that the selectors mean: such a list has no pages, its tokens and limits are not looked at."""
    return chosen.name if namespace or not served.resource.namespaced else None


def _scope_prefix(served: Served, namespace: str | None) -> str:
    prefix = served.resource.storage_prefix
    return f"{prefix}{namespace}/" if namespace and served.resource.namespaced else prefix


def _absolute(served: Served, namespace: str | None, start: str) -> str:
    return _scope_prefix(served, namespace) + start


def _cached(registry: Registry, served: Served, namespace: str | None, after: str, limit: int, chosen: Selection, revision: int) -> Page:
    cacher = registry.cacher
    resource = served.resource
    prefix = resource.storage_prefix
    scope = _scope_prefix(served, namespace)
    if chosen.matches is None:
        if not limit:
            if not after:
                return Page(cacher.list(prefix, namespace), revision)
            entries, _ = cacher.page(prefix, namespace, after, 0)
            return Page(entries, revision)
        entries, remaining = cacher.page(prefix, namespace, after, limit)
        if not remaining:
            return Page(entries, revision)
        return Page(entries, revision, continuation.encode(revision, entries[-1].key[len(scope) :]), remaining)
    if (name := _only(served, namespace, chosen)) is not None:
        entry = cacher.get(prefix, resource.key(namespace, name))
        found = [entry] if entry is not None and chosen.matches(entry) and entry.key > after else []
        return Page(found, revision)
    candidates: Sequence[Entry]
    if chosen.index is not None:
        field, value = chosen.index
        cacher.add_index(prefix, field, selection.index_key(served, field))
        candidates = cacher.by_index(prefix, field, value)
        if namespace:
            candidates = [e for e in candidates if e.namespace == namespace]
    else:
        candidates = cacher.list(prefix, namespace)
    matches = chosen.matches
    if not limit:
        return Page([e for e in candidates if matches(e) and (not after or e.key > after)], revision)
    out: list[Entry] = []
    for i, e in enumerate(candidates):
        if after and e.key <= after:
            continue
        if matches(e):
            out.append(e)
        if len(out) == limit:
            # Whether what follows matches is not looked at: the next page may be empty.
            token = continuation.encode(revision, out[-1].key[len(scope) :]) if i + 1 < len(candidates) else ""
            return Page(out, revision, token)
    return Page(out, revision)


async def _historic(
    registry: Registry, served: Served, namespace: str | None, after: str, limit: int, chosen: Selection, revision: int
) -> Page:
    """From the store, as of `revision`, unless nothing has changed since."""
    cacher = registry.cacher
    scope = _scope_prefix(served, namespace)
    out: list[Entry] = []
    first = not after
    while True:
        try:
            part = await registry.storage.range(
                scope, after=after, limit=(limit - len(out) if chosen.matches is None else max(limit, _CHUNK)) if limit else 0,
                revision=revision,
            )  # fmt: skip
        except interface.Compacted:
            if first:
                raise errors.Gone("The resourceVersion for the provided list is too old.", reason="Expired") from None
            raise _expired(after[len(scope) :]) from None
        except interface.FutureRevision as e:
            raise too_large(revision, e.current) from None
        for i, kv in enumerate(part.items):
            after = kv.key
            entry = cacher.entry(kv)
            if chosen.matches is None or chosen.matches(entry):
                out.append(entry)
            if limit and len(out) == limit:
                remaining = part.remaining + len(part.items) - i - 1
                if not remaining:
                    return Page(out, revision)
                token = continuation.encode(revision, after[len(scope) :])
                return Page(out, revision, token, remaining if chosen.matches is None else None)
        if not part.remaining or not part.items:
            return Page(out, revision)


async def _check_kept(registry: Registry, scope: str, after: str, revision: int) -> None:
    """A token ends with the history that it is from, even where nothing has changed since. Raises Gone."""
    try:
        await registry.storage.range(scope, after=after, limit=1, revision=revision)
    except interface.Compacted:
        raise _expired(after[len(scope) :]) from None
    except interface.FutureRevision as e:
        raise too_large(revision, e.current) from None


def _expired(start: str) -> errors.Gone:
    error = errors.Gone(_EXPIRED_PAGE)
    token = continuation.encode(-1, start)

    class WithToken(errors.Gone):
        def status(self) -> Obj:
            out = super().status()
            out["metadata"] = {"continue": token}
            return out

    return WithToken(error.message)


def too_large(revision: int, current: int) -> errors.Timeout:
    """A resourceVersion from the future."""
    return errors.Timeout(
        f"Timeout: Too large resource version: {revision}, current: {current}",
        details={"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1},
        headers=(("Retry-After", "1"),),
    )
