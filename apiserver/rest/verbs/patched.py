"""What a patch has made, read as an object of its kind, or refused in the words of upstream's decoders.

Upstream: apiserver pkg/endpoints/handlers/patch.go, apimachinery pkg/runtime/serializer/{json,versioning}, apiextensions-apiserver
pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.context import Obj
from apiserver.registry.catalog import Catalog, Served
from apiserver.rest import body, decoding, mutation
from apiserver.rest.request import Request
from apiserver.rest.scheme import problem
from kubepy.api import errors
from kubepy.api.patch.errors import go_kind
from kubepy.api.schema import Decoded, DecodeError, Decoder, Node, TypeMismatch

Show = Callable[[], str]
"""The patch or what it made, as errors quote it."""
Refuse = Callable[[DecodeError], errors.StatusError]


def refused(shown: str, text: str) -> errors.Invalid:
    """The error of a patch that cannot be used."""
    return errors.Invalid.of("", "", "", [errors.invalid("patch", shown, text)])


def as_kind(req: Request, catalog: Catalog, kind: str, api_version: str, patched: Obj, show: Show) -> Obj:
    """The patched object of a built-in kind with the kind and apiVersion that it is read as: the kind's, in whatever version.

    No version at all means the internal one, whose type has no field that JSON knows. Raises Invalid, BadRequest.
    """
    try:
        body.check_type_meta(patched)
        given_kind, given_version = patched.get("kind") or kind, patched.get("apiVersion") or ""
        if (given_kind, given_version) != (kind, api_version):
            if text := problem(catalog, (api_version, kind), given_version, given_kind):
                raise body.Unreadable(text)
            if not given_version or given_version.endswith("__internal"):
                _lost(req, patched)
    except body.Unreadable as e:
        raise refused(show(), str(e)) from None
    return {**patched, "kind": given_kind, "apiVersion": given_version}


def _lost(req: Request, patched: Obj) -> None:
    """An object of the internal version has lost everything, its name too. Raises BadRequest."""
    if req.ctx.field_validation == "Warn":
        for name in sorted(patched.keys() - {"kind", "apiVersion"}):
            req.ctx.warn(f'unknown field "{name}"')
    mutation.check_name({}, req.info.name, "")


def of_type(patched: Obj, kind: str, api_version: str) -> Obj:
    """The object as one of that kind. What is no text stays, for the decoder to refuse."""
    given = {"kind": kind, "apiVersion": api_version}
    return {**patched, **{k: v for k, v in given.items() if patched.get(k) is None or isinstance(patched[k], str)}}


def decoded(req: Request, decoder: Decoder, patched: Obj, live: Obj | None, show: Show, refuse: Refuse | None = None) -> Decoded:
    """Decode strictly as asked. `refuse` words what the type cannot hold where the default, Invalid, is not it. Raises Invalid."""
    try:
        out = _decode(decoder, patched, live, refuse is not None)
    except DecodeError as e:
        raise (refused(show(), str(e)) if refuse is None else refuse(e)) from None
    report(req, [f'unknown field "{p}"' for p in out.unknown], show)
    return out


def _decode(decoder: Decoder, patched: Obj, live: Obj | None, converts: bool) -> Decoded:
    """`converts`: Go values are converted, not text read, and there a float without a fraction is an integer. Raises DecodeError."""
    try:
        return decoder.decode(patched, live)
    except TypeMismatch as e:
        if not (converts and e.go_type.startswith("int")):
            raise
    return decoder.decode(integers(patched), live)


def integers(value: Any) -> Any:
    """The value with integers for the floats that have no fraction and fit in 64 bits."""
    if type(value) is dict:
        return {k: integers(v) for k, v in value.items()}
    if type(value) is list:
        return [integers(v) for v in value]
    return int(value) if type(value) is float and abs(value) < 2**63 and value.is_integer() else value


def converting(show: Show) -> Refuse:
    """`refuse` where the patch is made on Go values, not on JSON text."""
    return lambda e: refused(show(), e.converting if isinstance(e, TypeMismatch) else str(e))


def report(req: Request, complaints: list[str], show: Show) -> None:
    """Strict decoding complaints about a patch: warnings, or with fieldValidation=Strict a refusal. Raises Invalid."""
    if not complaints or req.ctx.field_validation == "Ignore":
        return
    if req.ctx.field_validation == "Strict":
        raise refused(show(), f"strict decoding error: {', '.join(complaints)}")
    for complaint in complaints:
        req.ctx.warn(complaint)


def built_in(req: Request, catalog: Catalog, served: Served, patched: Obj, live: Obj | None, show: Show) -> Obj:
    """The patched object of a built-in kind, defaulted; one of another version of the kind is converted. Raises Invalid, BadRequest."""
    kind, version = served.resource.kind, served.resource.api_version
    patched = as_kind(req, catalog, kind, version, patched, show)
    if patched["apiVersion"] == version:
        return decoding.defaulted(req.ctx, served, patched, decoded(req, served.decoder, patched, live, show))
    other = catalog.by_kind(patched["apiVersion"], kind)
    if other is None or other.work is not served.work:
        # A version that is served no longer: as near as can be, the one that is.
        other, patched = served, {**patched, "apiVersion": version}
    out = decoding.defaulted(req.ctx, other, patched, decoded(req, other.decoder, patched, None, show))
    if other is served:
        return out
    hub = out if other.to_hub is None else other.to_hub(out)
    return hub if served.from_hub is None else served.from_hub(hub)


def custom(req: Request, catalog: Catalog, served: Served, patched: Obj, live: Obj | None, show: Show) -> Obj:
    """The patched custom resource, defaulted. Raises Invalid, InternalError."""
    resource = served.resource
    try:
        body.check_type_meta(patched)
    except body.Unreadable as e:
        raise refused(show(), str(e)) from None
    kind, version = patched.get("kind"), patched.get("apiVersion", "")
    if not kind:
        raise refused(show(), f"Object 'Kind' is missing in '{show()}'")
    if version is None:
        raise refused(show(), ".apiVersion accessor error: <nil> is of the type <nil>, expected string")
    if not version:
        raise errors.InternalError.of("Object 'apiVersion' is missing in 'object has no apiVersion field'")
    if (kind, version) == (resource.kind, resource.api_version):
        return decoding.defaulted(req.ctx, served, patched, decoded(req, served.decoder, patched, live, show))
    group = version.rpartition("/")[0]
    if (group, kind) == (resource.group, resource.kind):
        other = catalog.by_kind(version, kind)
        if other is not None:
            decoded(req, other.decoder, patched, None, show)
        else:
            report(req, [f'unknown field "{name}"' for name in body.unknown_version_fields(patched)], show)
    if req.info.subresource == "status":
        # Nothing but the status is taken from it: the kind stays what it was.
        patched = {**patched, "kind": resource.kind, "apiVersion": resource.api_version}
        return decoding.defaulted(req.ctx, served, patched, decoded(req, served.decoder, patched, live, show))
    found = [errors.invalid("kind", kind, f"must be {resource.kind}")] if kind != resource.kind else []
    if version != resource.api_version:
        found.append(errors.invalid("apiVersion", version, f"must be {resource.api_version}"))
    raise errors.Invalid.of(group, kind, patched["metadata"].get("name") or "", found)


def check_object(node: Node, patched: object, show: Show) -> None:
    """A patch can leave something that is no object. Raises Invalid."""
    if not isinstance(patched, dict):
        raise refused(show(), f"json: cannot unmarshal {go_kind(patched)} into Go value of type {node.go_type}")
