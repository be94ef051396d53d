"""From a body to the object in the served version: parsed, checked, decoded and defaulted.

The specs of objects that are made from one template have the same text: what such a text decodes to is remembered, and the body
is read without it. A body that is wrong anywhere is read as a whole, so that what is said of it is about all of it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from apiserver.context import Context, Obj
from apiserver.registry.catalog import Served
from apiserver.rest import body
from apiserver.rest.negotiate import JSON
from kubepy.api import errors
from kubepy.api.recall import Recall
from kubepy.api.schema import Decoded, DecodeError, Decoder, with_empties

if TYPE_CHECKING:
    from apiserver.rest.api import Api
    from apiserver.rest.request import Request

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_WORTH = 256
"""Shorter specs, in bytes, are decoded as quickly as they are looked up."""
_known: Recall[tuple[Decoder, bytes], bytes] = Recall(2 << 20)
"""The decoded spec, before defaults that depend on other fields, by the spec's text in a body; of built-in kinds only."""


class Cut(NamedTuple):
    """A body in two parts."""

    head: bytes
    """The body with null in place of its spec."""
    spec: bytes
    """The spec's text."""


def cut(data: bytes) -> Cut | None:
    """A JSON body in two parts, None where it has no spec worth it, or is not what it seems."""
    try:
        members = _members(data)
    except (msgspec.MsgspecError, RecursionError):
        return None
    spec = bytes(members.get("spec", b""))
    # As long as it is, it occurs once in all but contrived bodies; a name that is doubled stays so in the head.
    if len(spec) < _WORTH or data.count(spec) != 1:
        return None
    return Cut(data.replace(spec, b"null"), spec)


def read(api: Api, req: Request, served: Served, data: bytes, media: str) -> Obj:
    """The decoded and defaulted object of a body, in the served version. Raises BadRequest."""
    parts = cut(data) if media == JSON and not served.resource.custom and len(data) > _WORTH else None
    if parts is not None and (spec := _known.find((served.decoder, parts.spec))) is not None:
        with contextlib.suppress(errors.StatusError):
            return _read(api, req, served, parts.head, media, known=orjson.loads(spec))
    return _read(api, req, served, data, media, text=b"" if parts is None else parts.spec)


def _read(api: Api, req: Request, served: Served, data: bytes, media: str, *, known: Obj | None = None, text: bytes = b"") -> Obj:
    """As `read`. The spec is `known`, or its text is `text`, to be remembered."""
    resource, ctx = served.resource, req.ctx
    strict = ctx.field_validation != "Ignore"
    obj, complaints = body.object_of(data, media, served, resource.kind, strict=strict)
    if resource.custom:
        body.check_custom(ctx, obj, served, api.catalog, complaints)
    else:
        body.check_kind(ctx, obj, resource.kind, resource.api_version, api.catalog, complaints)
    decoded = _decoded(served, obj)
    if known is not None:
        decoded.obj = _with_spec(decoded.obj, known)
    elif text and strict and not (complaints or decoded.unknown or decoded.emptied):
        _known.keep((served.decoder, text), orjson.dumps(decoded.obj.get("spec")), 2 * len(text))
    unknown = (f'unknown field "{path}"' for path in decoded.unknown)
    body.report(ctx, resource.kind, resource.version, complaints + [told for told in unknown if told not in complaints])
    return defaulted(ctx, served, obj, decoded)


def _decoded(served: Served, obj: Obj) -> Decoded:
    r = served.resource
    try:
        return served.decoder.decode(obj)
    except DecodeError as e:
        raise errors.BadRequest(f'{r.kind} in version "{r.version}" cannot be handled as a {r.kind}: {e}') from None


def _with_spec(obj: Obj, spec: Any) -> Obj:
    """A decoded object with its spec, where Go writes it: after the metadata."""
    head: Obj = {k: obj[k] for k in ("kind", "apiVersion", "metadata") if k in obj}
    return {**head, "spec": spec, **{k: v for k, v in obj.items() if k not in head and k != "spec"}}


def defaulted(ctx: Context, served: Served, sent: Obj, decoded: Decoded) -> Obj:
    """The object of a decoded one, with the defaults that depend on other fields; `ctx` is told what ownership needs to see."""
    out: Obj = decoded.obj
    # An empty managedFields, which decoding drops, asks for the loss of all ownership.
    meta = sent.get("metadata")
    if type(meta) is dict and meta.get("managedFields") == []:
        out["metadata"]["managedFields"] = []
    served.strategy.default(out)
    ctx.as_sent = with_empties(sent, out) if decoded.emptied else None
    return out
