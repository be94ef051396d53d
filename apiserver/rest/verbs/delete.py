"""DELETE of one object and of collections."""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry import deletion
from apiserver.registry.catalog import Served
from apiserver.rest import body, gojson, output, params, selection
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.rest.verbs.list import Page, read, render
from kubepy.api import errors

_PAGE = 10000
"""Objects listed at a time (registry/generic/registry/store.go deleteCollectionPageSize)."""
_SCHEME = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
_TYPES: dict[str, tuple[type, str]] = {
    "gracePeriodSeconds": (int, "int64"),
    "orphanDependents": (bool, "bool"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "dryRun": (list, "[]string"),
    "preconditions": (dict, "v1.Preconditions"),
}


async def options_of(api: Api, req: Request) -> Obj:
    """DeleteOptions from the body, or from the query where there is none. Raises BadRequest, Invalid, UnsupportedMediaType."""
    data = await req.body()
    if not data:
        options = params.delete_options(req.query)
        params.check_delete(options)
        return options
    media = body.media_type(req.headers.get(b"content-type", b""))
    try:
        value, _ = body.parse(data, media, strict=False)
    except body.Unreadable as e:
        raise errors.BadRequest(str(e)) from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {body.not_an_object(value)}")
    kind, version = value.get("kind") or "DeleteOptions", value.get("apiVersion") or "meta.k8s.io/v1"
    if kind != "DeleteOptions":
        raise errors.BadRequest(f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"')
    out: dict[str, Any] = {}
    for key, (wanted, go) in _TYPES.items():
        given = value.get(key)
        if given is None:
            continue
        if not isinstance(given, wanted) or (wanted is int and isinstance(given, bool)):
            what = gojson.go_kind(given)
            raise errors.BadRequest(f"json: cannot unmarshal {what} into Go struct field DeleteOptions.{key} of type {go}")
        out[key] = given
    params.check_delete(out)
    return out


async def delete(api: Api, req: Request, served: Served) -> None:
    """Delete one object; answer with it, or with a Status where the kind does so."""
    options = await options_of(api, req)
    req.ctx.dry_run = bool(options.get("dryRun"))
    info, resource = req.info, served.resource
    namespace = info.namespace if resource.namespaced else ""
    done = await deletion.delete(api.registry, req.ctx, served, namespace, info.name, options)
    status = 202 if not done.gone and options.get("orphanDependents") is False else 200
    await answer(req, served, status, done)


async def answer(req: Request, served: Served, status: int, done: deletion.Deleted) -> None:
    """Send what a deletion came to."""
    if done.as_status:
        r = served.resource
        details: Obj = {"name": done.obj["metadata"]["name"]}
        if r.group:
            details["group"] = r.group
        details |= {"kind": r.plural, "uid": done.obj["metadata"]["uid"]}
        await req.object(status, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        return
    await output.send_object(req, served, status, output.in_version(served, done.obj))


async def delete_collection(api: Api, req: Request, served: Served) -> None:
    """Delete what a list with the same parameters shows; answer with that list.

    As upstream, the list is read in pages even where no limit is asked for: a resourceVersion means that very state then.
    """
    listing = params.list_options(req.query) if req.query_string else params.ListOptions()
    params.check_list(listing)
    options = await options_of(api, req)
    req.ctx.dry_run = bool(options.get("dryRun"))
    namespace = req.info.namespace or None
    chosen = selection.select(served, listing.label_selector, listing.field_selector)
    limited = listing.limit > 0
    listing.limit = listing.limit or _PAGE
    page = whole = await read(api.registry, served, namespace, listing, chosen)
    await _delete_page(api, req, served, page, options)
    while page.token and not limited:
        listing.token, listing.version, listing.match = page.token, "", ""
        page = await read(api.registry, served, namespace, listing, chosen)
        await _delete_page(api, req, served, page, options)
        whole.entries = [*whole.entries, *page.entries]
    await req.json(200, await render(req, served, whole))


async def _delete_page(api: Api, req: Request, served: Served, page: Page, options: Obj) -> None:
    await deletion.delete_many(api.registry, req.ctx, served, [(e.namespace, e.name) for e in page.entries], options)


__all__ = ["answer", "delete", "delete_collection", "options_of"]
