"""The scale subresource of workloads and custom resources (autoscaling/v1 Scale).

Upstream: pkg/registry/apps/*/storage, pkg/registry/core/replicationcontroller/storage, apiextensions customresource/etcd.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from apiserver.context import Obj
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Served
from apiserver.rest import body, mutation, output, params
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.rest.verbs import patched
from apiserver.rest.verbs.patch import APPLY, STRATEGIC, Configuration, patch_type, patcher
from apiserver.rest.verbs.update import authorize_create
from kubepy.api import errors
from kubepy.api.gotext import json_text
from kubepy.api.patch.errors import go_print
from kubepy.api.patch.managed import ManagedFields
from kubepy.api.patch.scale import to_parent, to_scale
from kubepy.api.schema import DecodeError, Decoder, Node, decoder_for, node_for
from kubepy.api.selectors import SelectorError, format_label_selector

_KIND, _VERSION = "Scale", "autoscaling/v1"
_SCHEME = "k8s.io/client-go/scale/util.go:146"
_UNTOLD = (
    'no kind is registered for the type v1.Scale in scheme "k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go:781"'
)
"""All that is said of a Scale of a custom resource that cannot be read: the scheme that words errors does not know the kind."""


@dataclass(frozen=True)
class ScalePaths:
    """Where an object keeps what a Scale shows; dotted paths without a leading dot."""

    spec: str = "spec.replicas"
    status: str = "status.replicas"
    selector: str = ""
    """A path to a selector string (custom resources); empty: spec.selector, an object."""


def _at(obj: Mapping[str, Any], path: str) -> Any:
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _selector(obj: Obj, paths: ScalePaths) -> str:
    if paths.selector:
        return str(_at(obj, paths.selector) or "")
    selector = (obj.get("spec") or {}).get("selector")
    if not selector:
        return ""
    if "matchLabels" in selector or "matchExpressions" in selector:
        try:
            return format_label_selector(selector)
        except SelectorError:
            return ""
    return ",".join(f"{k}={v}" for k, v in sorted(selector.items()) if isinstance(v, str))


def scale_of(obj: Obj, paths: ScalePaths) -> Obj:
    """The Scale of an object."""
    meta = obj["metadata"]
    shown = {k: meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if k in meta}
    spec: Obj = {}
    if replicas := _at(obj, paths.spec):
        spec["replicas"] = replicas
    status: Obj = {"replicas": _at(obj, paths.status) or 0}
    if text := _selector(obj, paths):
        status["selector"] = text
    return {"kind": _KIND, "apiVersion": _VERSION, "metadata": shown, "spec": spec, "status": status}


@cache
def _type() -> tuple[Node, Decoder]:
    node = node_for(_VERSION, _KIND)
    return node, decoder_for(node)


@cache
def _ownership() -> ManagedFields:
    return ManagedFields(_type()[0], _VERSION, _KIND, subresource="scale")


def _same(one: Served, other: Served) -> bool:
    a, b = one.resource, other.resource
    return a.group == b.group and a.plural == b.plural and a.subresource("scale") is not None


def _decode(req: Request, obj: Obj, complaints: list[str]) -> Obj:
    try:
        decoded = _type()[1].decode(obj)
    except DecodeError as e:
        raise errors.BadRequest(f'Scale in version "v1" cannot be handled as a Scale: {e}') from None
    body.report(req.ctx, _KIND, "v1", complaints + [f'unknown field "{p}"' for p in decoded.unknown])
    out: Obj = decoded.obj
    out.setdefault("spec", {})
    return out


def paths_of(served: Served) -> ScalePaths:
    """Where this kind keeps its replicas."""
    return served.scale if isinstance(served.scale, ScalePaths) else ScalePaths()


class _Table:
    """catalog.Table of a Scale."""

    @property
    def columns(self) -> Sequence[Any]:
        from kubepy.api.tables import scale_columns

        return scale_columns()

    def row(self, obj: Obj, now: float) -> list[Any]:
        from kubepy.api.tables import scale_row

        return scale_row(obj, now)


async def _send(req: Request, served: Served, scale: Obj) -> None:
    table = served.table if served.resource.custom else _Table()
    await output.send_object(req, Served(served.resource, _type()[0], table=table), 200, scale)


async def get_scale(api: Api, req: Request, served: Served) -> None:
    """GET."""
    r = served.resource
    obj = await api.registry.get(served, req.info.namespace if r.namespaced else "", req.info.name)
    paths = paths_of(served)
    if r.custom and _at(obj, paths.spec) is None:
        raise errors.InternalError.of(f'the spec replicas field ".{paths.spec}" does not exist')
    await _send(req, served, scale_of(obj, paths))


async def put_scale(api: Api, req: Request, served: Served) -> None:
    """PUT."""
    data = await req.body()
    options = params.write_options(req.query, "UpdateOptions")
    mutation.apply_options(req.ctx, options)
    media = body.media_type(req.headers.get(b"content-type", b""))
    try:
        obj, complaints = body.object_of(data, media, served, _KIND, strict=req.ctx.field_validation != "Ignore")
        if not obj.get("kind"):
            obj["kind"] = _KIND
        body.check_kind(req.ctx, obj, _KIND, _VERSION, api.catalog, complaints)
        scale = _decode(req, obj, complaints)
    except errors.BadRequest:
        if served.resource.custom:
            raise errors.BadRequest(_UNTOLD) from None
        raise
    objectmeta.match_namespace(scale, req.info.namespace if served.resource.namespaced else "")
    mutation.check_name(scale, req.info.name, req.info.namespace if served.resource.namespaced else "")
    await _write(api, req, served, options, lambda _old: scale, uid=(scale.get("metadata") or {}).get("uid") or "")


async def patch_scale(api: Api, req: Request, served: Served) -> None:
    """PATCH."""
    kind = patch_type(req, custom=served.resource.custom)
    data = await req.body()
    options = params.write_options(req.query, "PatchOptions", apply=kind == APPLY)
    mutation.apply_options(req.ctx, options)
    node, decoder = _type()
    change = patcher(req, kind, data, node)
    if isinstance(change, Configuration):

        def applied(old: Obj) -> Obj:
            return _decode(req, change.apply(req, _ownership(), old, options), [])

        await _write(api, req, served, options, applied, applies=True)
        return

    def changed(old: Obj) -> Obj:
        new = change(old)

        def show() -> str:
            return go_print(orjson.loads(data)) if kind == STRATEGIC else json_text(new, sort=True)

        if kind == STRATEGIC:
            new = patched.of_type(new, _KIND, _VERSION)
            out: Obj = patched.decoded(req, decoder, new, None, show, patched.converting(show)).obj
        else:
            patched.check_object(node, new, show)
            if served.resource.custom and (given := (new.get("kind") or _KIND, new.get("apiVersion") or _VERSION)) != (_KIND, _VERSION):
                raise patched.refused(show(), f'no kind "{given[0]}" is registered for version "{given[1]}" in scheme "{_SCHEME}"')
            new = patched.as_kind(req, api.catalog, _KIND, _VERSION, new, show)
            out = patched.decoded(req, decoder, new, None, show).obj
        out.setdefault("spec", {})
        return out

    await _write(api, req, served, options, changed)


async def _write(
    api: Api, req: Request, served: Served, options: Obj, make: Callable[[Obj], Obj], *, uid: str = "", applies: bool = False
) -> None:
    r = served.resource
    paths = paths_of(served)
    by_version = {s.resource.api_version: paths_of(s).spec for s in api.catalog if _same(s, served)}

    def transform(old: Obj | None) -> Obj:
        if old is None:
            authorize_create(api, req)
            raise errors.NotFound.of(r.group, r.plural, req.info.name)
        live = scale_of(old, paths)
        live["metadata"]["managedFields"] = to_scale(old["metadata"].get("managedFields"), by_version)
        scale = make(live)
        meta = scale.setdefault("metadata", {})
        mutation.check_name(scale, req.info.name, req.info.namespace if r.namespaced else "")
        replicas = (scale.get("spec") or {}).get("replicas", 0)
        if replicas < 0 and not r.custom:
            error = errors.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            raise errors.Invalid.of("autoscaling", _KIND, req.info.name, [error])
        new: Obj = orjson.loads(orjson.dumps(old))
        parent = new
        *parents, last = paths.spec.split(".")
        for part in parents:
            parent = parent.setdefault(part, {})
        parent[last] = replicas
        if version := meta.get("resourceVersion"):
            new["metadata"]["resourceVersion"] = version
        if not applies:
            mutation.own(_ownership(), live, scale, req.ctx.field_manager)
        entries = to_parent(old["metadata"].get("managedFields"), meta.get("managedFields"), by_version, r.api_version)
        new["metadata"]["managedFields"] = entries
        return new

    written = await api.registry.update(
        req.ctx,
        served,
        req.info.namespace if r.namespaced else "",
        req.info.name,
        transform,
        subresource="scale",
        options=options,
        uid=uid,
    )
    await _send(req, served, scale_of(written.obj, paths))
