"""PATCH: JSON patch, merge patch, strategic merge patch and server-side apply, on objects and subresources.

Upstream: apiserver pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.context import Obj
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Served
from apiserver.rest import body, decoding, gojson, goyaml, mutation, output, params
from apiserver.rest.api import Api
from apiserver.rest.request import Request
from apiserver.rest.verbs import patched
from apiserver.rest.verbs.update import authorize_create
from kubepy.api import errors
from kubepy.api.gotext import json_text
from kubepy.api.patch import json as json_patch
from kubepy.api.patch.errors import go_kind, go_print
from kubepy.api.patch.managed import ManagedFields, describe, group_version_kind
from kubepy.api.patch.merge import apply_merge_patch
from kubepy.api.patch.strategic import apply_strategic_patch
from kubepy.api.schema import DecodeError, Node, TypeMismatch

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_BUILT_IN = (JSON_PATCH, MERGE, STRATEGIC, APPLY)
_CUSTOM = (JSON_PATCH, MERGE, APPLY)


def patch_type(req: Request, *, custom: bool) -> str:
    """The kind of patch by Content-Type; raises UnsupportedMediaType."""
    given = req.headers.get(b"content-type", b"").split(b";", 1)[0].strip().decode("latin-1")
    if custom:
        if given not in _CUSTOM:
            raise errors.UnsupportedMediaType(
                f"the body of the request was in an unknown format - accepted media types include: {', '.join(_CUSTOM)}"
            )
    elif given not in _BUILT_IN:
        raise errors.UnsupportedMediaType("415: Unsupported Media Type", details={})
    return given


async def patch(api: Api, req: Request, served: Served, subresource: str = "") -> None:
    """Change the object as the patch in the body says; answer 200 with it, or 201 where apply created it."""
    ctx, resource, info = req.ctx, served.resource, req.info
    kind = patch_type(req, custom=resource.custom)
    if req.accept.transform:
        output.check_transform(req, served, is_list=False)
    data = await req.body()
    options = params.write_options(req.query, "PatchOptions", apply=kind == APPLY)
    mutation.apply_options(ctx, options)
    fields = api.ownership.of(served, subresource)
    namespace = info.namespace if resource.namespaced else ""
    change = patcher(req, kind, data, served.node)

    def transform(old: Obj | None) -> Obj:
        live = old if old is None or served.from_hub is None else served.from_hub(old)
        if kind == APPLY:
            if live is None:
                authorize_create(api, req)
                mutation.check_thawed(served, info.name)
            assert isinstance(change, Configuration)
            merged = change.apply(req, fields, live, options)
            new = _decoded(api, req, served, live, merged, None, change)
        else:
            if live is None:
                raise errors.NotFound.of(resource.group, resource.plural, info.name)
            new = _decoded(api, req, served, live, change(live), data if kind == STRATEGIC else None)
            mutation.own(fields, live, new, ctx.field_manager, ctx.as_sent)
        if live is None and new["metadata"].get("uid"):
            text = f"uid mismatch: the provided object specified uid {new['metadata']['uid']}, and no existing object was found"
            raise errors.Conflict.of(resource.group, resource.plural, info.name, text)
        objectmeta.match_namespace(new, namespace)
        mutation.check_name(new, info.name, namespace)
        return new if served.to_hub is None else served.to_hub(new)

    written = await api.registry.update(
        ctx,
        served.work,
        namespace,
        info.name,
        transform,
        subresource=subresource,
        options=options,
        strategy=mutation.strategy_of(served, subresource),
        allow_create=kind == APPLY and not subresource,
    )
    await output.send_written(req, served, 201 if written.created else 200, written)


def patcher(req: Request, kind: str, data: bytes, node: Node) -> Callable[[Obj | None], Obj]:
    """live object → patched object (for apply: the configuration itself). Syntax errors are raised at once, as BadRequest."""
    if kind == APPLY:
        return Configuration(data)
    strict = req.ctx.field_validation != "Ignore"
    try:
        parsed: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        text = gojson.problem(data)
        try:
            if text:
                raise body.Unreadable(text)
            parsed = body.lenient(data)
        except body.Unreadable as e:
            raise errors.BadRequest(f"error decoding patch: {e}" if strict and kind != STRATEGIC else str(e)) from None
    complaints: list[str] = []
    if strict and len(orjson.dumps(parsed)) != len(data.rstrip()):
        complaints = [f'duplicate field "{p}"' for p in gojson.duplicates(data)]
    if kind == JSON_PATCH:
        if strict:
            complaints = [f"json patch {c}" for c in complaints + json_patch.strict_errors(parsed)]
        patched.report(req, complaints, lambda: orjson.dumps(parsed).decode())
        json_patch.check(parsed)
        return lambda live: json_patch.apply_json_patch(live, parsed)
    if not isinstance(parsed, dict):
        go = {list: "array", str: "string", bool: "bool"}.get(type(parsed), "number")
        if parsed is not None:
            text = f"json: cannot unmarshal {go} into Go value of type map[string]interface {{}}"
            raise errors.BadRequest(f"error decoding patch: {text}" if strict and kind == MERGE else text)
    patched.report(req, complaints, lambda: orjson.dumps(parsed).decode())
    changes: Obj = parsed or {}
    if kind == MERGE:
        return lambda live: apply_merge_patch(live or {}, changes)
    return lambda live: apply_strategic_patch(live or {}, changes, node)


class Configuration:
    """The body of an apply: a YAML document that is a map. Raises BadRequest."""

    def __init__(self, data: bytes) -> None:
        try:
            value, self._doubled = goyaml.load_yaml(data)
        except goyaml.YamlProblem as e:
            raise errors.BadRequest(f"error decoding YAML: error converting YAML to JSON: {e}") from None
        if value is not None and not isinstance(value, dict):
            text = f"json: cannot unmarshal {go_kind(value)} into Go value of type map[string]interface {{}}"
            raise errors.BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {text}")
        self._value: Obj = value or {}

    def __call__(self, _live: Obj | None) -> Obj:
        return self._value

    def apply(self, req: Request, fields: ManagedFields, live: Obj | None, options: Obj) -> Obj:
        """The live object with the configuration merged in, not yet decoded. Keys that occur twice count only when that works."""
        now = objectmeta.timestamp()
        merged = fields.on_apply(live, self._value, options["fieldManager"], now, force=bool(options.get("force")))
        if self._doubled and req.ctx.field_validation == "Strict":
            text = "error converting YAML to JSON: yaml: unmarshal errors:\n  " + "\n  ".join(self._doubled)
            raise errors.BadRequest(f"error strict decoding YAML: {text}")
        if req.ctx.field_validation == "Warn":
            for line in self._doubled:
                req.ctx.warn(line)
        return merged

    def refused(self, e: DecodeError) -> errors.StatusError:
        """The error of a merged object that its type cannot hold."""
        kind = group_version_kind(self._value)
        text = e.converting if isinstance(e, TypeMismatch) else str(e)
        if text.startswith("illegal base64"):
            text = f"error decoding from json: {text}"
        where = f"failed to convert new object ({describe(self._value)}) to proper version"
        return errors.StatusError(f"{where}: unable to convert unstructured object to {kind}: {text}", reason="")


def _decoded(
    api: Api, req: Request, served: Served, live: Obj | None, result: Obj, strategic: bytes | None, applied: Configuration | None = None
) -> Obj:
    """The patched object decoded and defaulted; raises Invalid about the patch (of `applied`: a plain error, 500)."""
    resource = served.resource

    def show() -> str:
        return go_print(orjson.loads(strategic)) if strategic is not None else json_text(result, sort=True)

    patched.check_object(served.node, result, show)
    if applied is not None:
        try:  # What is not of the type has been refused before it was merged.
            return decoding.defaulted(req.ctx, served, result, served.decoder.decode(result, live))
        except DecodeError as e:
            raise applied.refused(e) from None
    if strategic is None:
        make = patched.custom if resource.custom else patched.built_in
        return make(req, api.catalog, served, result, live, show)
    # The patched object is of the endpoint's type, whatever it says.
    result = patched.of_type(result, resource.kind, resource.api_version)
    refuse = patched.converting(show)
    return decoding.defaulted(req.ctx, served, result, patched.decoded(req, served.decoder, result, live, show, refuse))


__all__ = ["APPLY", "JSON_PATCH", "MERGE", "STRATEGIC", "Configuration", "patch", "patch_type", "patcher"]
