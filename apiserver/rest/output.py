"""Objects in the form a client asked for: another version, a Table, PartialObjectMetadata.

Upstream: apiserver pkg/endpoints/handlers/response.go.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.context import Obj
from apiserver.registry.catalog import Served
from apiserver.registry.store import Written
from apiserver.rest.negotiate import JSON, Accept
from apiserver.rest.request import Request
from apiserver.storage.cacher import Entry
from kubepy.api import errors

_GENERIC = "Created At"
"""The second column of kinds that are printed generically, whose empty tables have null rows."""
_INCLUDE = ("", "Metadata", "Object", "None")


def is_raw(served: Served) -> bool:
    """Whether the stored bytes of every object are what this version serves."""
    return served.hub is None and served.from_storage is None


def entry_is_raw(served: Served, entry: Entry) -> bool:
    """Whether this object's stored bytes can be served."""
    if served.hub is not None:
        return False
    return served.from_storage is None or (served.reads_raw is not None and served.reads_raw(entry.raw))


def in_version(served: Served, obj: Obj) -> Obj:
    """An object of the working version in the served one; shared where nothing has to be converted."""
    return obj if served.from_hub is None else served.from_hub(obj)


async def objects(served: Served, entries: Sequence[Entry]) -> list[Obj]:
    """Entries as objects of the served version: shared, do not change."""
    if served.hub is not None:
        assert served.from_hub is not None
        return [served.from_hub(e.obj) for e in entries]
    if served.from_storage is None:
        return [e.obj for e in entries]
    foreign = [i for i, e in enumerate(entries) if not entry_is_raw(served, e)]
    converted = await served.from_storage([entries[i].fresh() for i in foreign]) if foreign else []
    remaining = frozenset(foreign)
    done = iter(converted)
    return [next(done) if i in remaining else e.obj for i, e in enumerate(entries)]


async def listed(served: Served, entries: Sequence[Entry]) -> list[Obj]:
    """`objects` of a list. Upstream keeps a cache per version, which is not there while its objects cannot be converted.

    Raises TooManyRequests.
    """
    try:
        return await objects(served, entries)
    except errors.StatusError:
        raise errors.TooManyRequests("storage is (re)initializing", details={"retryAfterSeconds": 1}) from None


async def raw(served: Served, entry: Entry) -> bytes:
    """One entry as JSON in the served version."""
    if entry_is_raw(served, entry):
        return entry.raw
    return orjson.dumps((await objects(served, [entry]))[0])


def partial(served: Served, obj: Obj, version: str = "v1") -> Obj:
    """An object's PartialObjectMetadata, without the annotations that stand for fields: it is made before those are written."""
    meta = obj["metadata"]
    noted = served.strategy.field_annotations
    if noted and any(key in noted for key in meta.get("annotations") or ()):
        meta = dict(meta)
        if kept := {k: v for k, v in meta["annotations"].items() if k not in noted}:
            meta["annotations"] = kept
        else:
            del meta["annotations"]
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": meta}


def columns(served: Served) -> list[Obj]:
    """The columnDefinitions of a kind."""
    if served.table is not None:
        found: Sequence[Any] = served.table.columns
    else:
        from kubepy.api.tables import columns_for

        found = columns_for(served.resource)
    return [{"name": c.name, "type": c.type, "format": c.format, "description": c.description, "priority": c.priority} for c in found]


def rows(served: Served, objs: Sequence[Obj], include: str, version: str) -> list[Obj]:
    """Table rows; `include` is the parameter includeObject."""
    now = time.time()
    out = []
    if served.table is not None:
        cells_of = served.table.row
    else:
        from kubepy.api.tables import arranged, row

        objs = arranged(served.resource, objs)

        def cells_of(obj: Obj, now: float) -> list[Any]:
            return row(served.resource, obj, now)

    for obj in objs:
        cells = cells_of(obj, now)
        entry: Obj = {"cells": cells}
        if include == "Object":
            entry["object"] = obj
        elif include == "None":
            entry["object"] = None
        else:
            entry["object"] = partial(served, obj, version)
        out.append(entry)
    return out


def table(served: Served, objs: Sequence[Obj], meta: Obj, include: str, version: str, *, headers: bool = True) -> Obj:
    """A meta.k8s.io Table."""
    shown = columns(served)
    lines: list[Obj] | None = rows(served, objs, include, version)
    if not lines and len(shown) == 2 and shown[1]["name"] == _GENERIC:
        lines = None
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": meta,
        "columnDefinitions": shown if headers else None,
        "rows": lines,
    }


def include_object(req: Request) -> str:
    """The parameter includeObject; raises BadRequest."""
    values = req.query.get("includeObject")
    value = values[0] if values else ""
    if value not in _INCLUDE:
        error = errors.invalid("includeObject", value, "must be 'Metadata', 'Object', 'None', or empty")
        raise errors.BadRequest(f"Unable to convert to Table as requested: {error}")
    return value


def go_type(served: Served, *, is_list: bool) -> str:
    """How upstream prints the Go type of an answer."""
    r = served.resource
    if r.custom:
        return "*unstructured.UnstructuredList" if is_list else "*unstructured.Unstructured"
    package = (r.group.split(".")[0] if r.group else "core").replace("-", "")
    return f"*{package}.{r.kind}{'List' if is_list else ''}"


def check_transform(req: Request, served: Served, *, is_list: bool) -> None:
    """Refuse transformations that do not fit: raises NotAcceptable, BadRequest."""
    transform = req.accept.transform
    if transform == "PartialObjectMetadata" and is_list:
        raise errors.NotAcceptable(
            f"you requested PartialObjectMetadata, but the requested object is a list ({go_type(served, is_list=True)})"
        )
    if transform == "PartialObjectMetadataList" and not is_list:
        raise errors.NotAcceptable(
            f"you requested PartialObjectMetadataList, but the requested object is not a list ({go_type(served, is_list=False)})"
        )
    if transform == "Table":
        include_object(req)


def transformed(req: Request, served: Served, obj: Obj) -> bytes:
    """One object of the served version, transformed as the request asks."""
    accept: Accept = req.accept
    if accept.transform == "Table":
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return orjson.dumps(table(served, [obj], meta, include_object(req), accept.version))
    if accept.transform:
        check_transform(req, served, is_list=False)
        return orjson.dumps(partial(served, obj, accept.version))
    return orjson.dumps(obj)


async def send_entry(req: Request, served: Served, status: int, entry: Entry) -> None:
    """Answer with a stored object."""
    accept = req.accept
    if not accept.transform:
        body = await raw(served, entry)
        if accept.media is JSON and not accept.pretty and b"pretty" not in req.query_string and len(body) < 128 * 1024:
            agent = req.headers.get(b"user-agent", b"")
            if not agent.startswith((b"curl", b"Wget", b"Mozilla/5.0")):
                req.send(status, body)
                return
        await req.json(status, body)
        return
    obj = (await objects(served, [entry]))[0]
    await req.json(status, transformed(req, served, obj))


async def send_written(req: Request, served: Served, status: int, written: Written) -> None:
    """Answer with what a write came to."""
    if written.entry is not None:
        await send_entry(req, served, status, written.entry)
    else:
        await send_object(req, served, status, in_version(served, written.obj))


async def send_object(req: Request, served: Served, status: int, obj: Obj) -> None:
    """Answer with an object of the served version."""
    if req.accept.transform:
        await req.json(status, transformed(req, served, obj))
    else:
        await req.json(status, orjson.dumps(obj))
