"""PUT of an object or of its status (and of other subresources that carry the whole object)."""

from __future__ import annotations

from dataclasses import replace

import orjson

from apiserver.context import Obj
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Served
from apiserver.rest import body, decoding, mutation, output, params
from apiserver.rest.api import Api
from apiserver.rest.request import Request


async def update(api: Api, req: Request, served: Served, subresource: str = "") -> None:
    """Replace the object by the one in the body; answer 200, or 201 where it was created."""
    ctx, resource, info = req.ctx, served.resource, req.info
    data = await req.body()
    options = params.write_options(req.query, "UpdateOptions")
    mutation.apply_options(ctx, options)
    media = body.media_type(req.headers.get(b"content-type", b""))
    obj = decoding.read(api, req, served, data, media)
    if req.accept.transform:
        output.check_transform(req, served, is_list=False)
    objectmeta.match_namespace(obj, info.namespace if resource.namespaced else "")
    mutation.check_name(obj, info.name, info.namespace if resource.namespaced else "")
    objectmeta.dedup_owner_references(ctx, obj["metadata"], after_admission=False)
    fields = api.ownership.of(served, subresource)
    pristine = orjson.dumps(obj)
    first: list[Obj] = [obj]

    def transform(old: Obj | None) -> Obj:
        if old is None:
            authorize_create(api, req)
            mutation.check_thawed(served, info.name)
        new: Obj = first.pop() if first else orjson.loads(pristine)
        live = old if old is None or served.from_hub is None else served.from_hub(old)
        mutation.own(fields, live, new, ctx.field_manager, ctx.as_sent)
        return new if served.to_hub is None else served.to_hub(new)

    written = await api.registry.update(
        ctx,
        served.work,
        info.namespace if resource.namespaced else "",
        info.name,
        transform,
        subresource=subresource,
        options=options,
        strategy=mutation.strategy_of(served, subresource),
        uid=obj["metadata"].get("uid") or "",
    )
    await output.send_written(req, served, 201 if written.created else 200, written)


def authorize_create(api: Api, req: Request) -> None:
    """Creating by PUT or apply needs the right to create. Raises Forbidden."""
    api.require(req.ctx.user, replace(req.info, verb="create"))
