"""POST on a collection: decode, own, store."""

from __future__ import annotations

from apiserver.registry import objectmeta
from apiserver.registry.catalog import Served
from apiserver.rest import body, decoding, mutation, output, params
from apiserver.rest.api import Api
from apiserver.rest.request import Request


async def create(api: Api, req: Request, served: Served) -> None:
    """Store the object in the body; answer 201 with it."""
    ctx, resource = req.ctx, served.resource
    media = body.media_type(req.headers.get(b"content-type", b""))
    data = await req.body()
    options = params.write_options(req.query, "CreateOptions")
    mutation.apply_options(ctx, options)
    obj = decoding.read(api, req, served, data, media)
    if req.accept.transform:
        output.check_transform(req, served, is_list=False)
    meta = obj.setdefault("metadata", {})
    objectmeta.wipe_system_fields(meta)
    objectmeta.match_namespace(obj, req.info.namespace if resource.namespaced else "")
    objectmeta.dedup_owner_references(ctx, meta, after_admission=False)
    mutation.check_thawed(served, meta.get("name") or "")
    mutation.own(api.ownership.of(served), None, obj, ctx.field_manager, ctx.as_sent)
    work = obj if served.to_hub is None else served.to_hub(obj)
    written = await api.registry.create(ctx, served, req.info.namespace, work, options=options)
    await output.send_written(req, served, 201, written)
