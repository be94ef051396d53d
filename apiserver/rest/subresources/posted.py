"""Subresources and virtual resources that are only created: the body is decoded, a handler answers, nothing is stored as such.

Handlers have the signature `async (ctx, namespace, name, obj) -> obj` and return the answer, with 201.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache

import orjson

from apiserver.context import Context, Obj
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Served
from apiserver.rest import body, mutation, negotiate, params
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from kubepy.api import errors
from kubepy.api.patch.managed import ManagedFields
from kubepy.api.schema import DecodeError, Decoder, decoder_for, node_for

Handler = Callable[[Context, str, str, Obj], Awaitable[Obj]]
NEEDS_METADATA = frozenset(("Eviction", "Binding"))
SUCCESS: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


@cache
def _decoder(api_version: str, kind: str) -> Decoder:
    return decoder_for(node_for(api_version, kind))


@cache
def _ownership(api_version: str, kind: str, subresource: str) -> ManagedFields:
    return ManagedFields(node_for(api_version, kind), api_version, kind, subresource=subresource)


def posted(handler: Handler, api_version: str, kind: str, also: tuple[str, ...] = ()) -> Callable[[Api, Request, Served], Awaitable[None]]:
    """A verb handler for POST with a body of that kind; `also` are older apiVersions of the same form."""

    async def serve(api: Api, req: Request, served: Served) -> None:
        ctx, info = req.ctx, req.info
        if req.accept.transform == "Table":
            req.accept = negotiate.without_tables(req.headers.get(b"accept", b""))
        media = body.media_type(req.headers.get(b"content-type", b""))
        data = await req.body()
        options = params.write_options(req.query, "CreateOptions")
        mutation.apply_options(ctx, options)
        obj, complaints = body.object_of(data, media, served, kind, strict=ctx.field_validation != "Ignore")
        if obj.get("apiVersion") in also and obj.get("kind") == kind:
            obj["apiVersion"] = api_version
        body.check_kind(ctx, obj, kind, api_version, api.catalog, complaints)
        _, _, version = api_version.rpartition("/")
        try:
            decoded = _decoder(api_version, kind).decode(obj)
        except DecodeError as e:
            raise errors.BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: {e}') from None
        body.report(ctx, kind, version, complaints + [f'unknown field "{p}"' for p in decoded.unknown])
        out: Obj = decoded.obj
        meta = out.setdefault("metadata", {})
        namespaced = served.resource.namespaced
        if info.subresource or namespaced:
            objectmeta.match_namespace(out, info.namespace if namespaced else "")
        if kind not in NEEDS_METADATA:
            objectmeta.wipe_system_fields(meta)
            mutation.own(_ownership(api_version, kind, info.subresource), None, out, ctx.field_manager)
        registry = api.registry
        await registry.admit(ctx, "CREATE", served, info.subresource, info.namespace, info.name, out, None, options)
        await registry.validate(ctx, "CREATE", served, info.subresource, info.namespace, info.name, out, None, options)
        answer = await handler(ctx, info.namespace if namespaced else "", info.name, out)
        await req.json(201, orjson.dumps(answer))

    return serve
