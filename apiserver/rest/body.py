"""Request bodies: media type, parsing, and the checks of what kind they are, with upstream's texts. Pure but for warnings.

Upstream: apiserver pkg/endpoints/handlers (create.go, update.go, rest.go), apimachinery pkg/runtime/serializer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec
import orjson

from apiserver.context import Context, Obj
from apiserver.registry.catalog import Catalog, Served
from apiserver.rest import gojson, goyaml
from apiserver.rest.negotiate import JSON, PROTOBUF, YAML
from apiserver.rest.scheme import parse_version, problem
from kubepy.api import errors, protobuf
from kubepy.api.schema import DecodeError, strict_errors

MEDIA = (JSON, YAML, PROTOBUF)
_ACCEPTED = "the body of the request was in an unknown format - accepted media types include: "
_NOT_AN_OBJECT = (
    r"json: cannot unmarshal {} into Go value of type struct "
    r'{{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }}'
)


class Unreadable(Exception):
    """The body is not what its media type says."""


def media_type(header: bytes, accepted: tuple[str, ...] = MEDIA) -> str:
    """The body's media type, JSON where none is named; raises UnsupportedMediaType."""
    if not header or header == b"application/json":
        return JSON
    text, _, params = header.decode("latin-1").partition(";")
    media = text.strip().lower()
    if media in accepted and all("=" in p for p in params.split(";") if p.strip()) and not params.strip().startswith(";"):
        return media
    raise errors.UnsupportedMediaType(_ACCEPTED + ", ".join(accepted))


def parse(body: bytes, media: str, *, strict: bool) -> tuple[Any, list[str]]:
    """(the value, strict decoding complaints); raises Unreadable."""
    if media == PROTOBUF:
        try:
            return protobuf.unpack(body), []
        except protobuf.NotProtobuf as e:
            raise Unreadable(str(e)) from None
    if media == YAML:
        try:
            value, doubled = goyaml.load_yaml(body)
        except goyaml.YamlProblem as e:
            raise Unreadable(str(e)) from None
        return value, (["yaml: unmarshal errors:\n  " + "\n  ".join(doubled)] if doubled and strict else [])
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = gojson.problem(body)
        if not text:
            return lenient(body), []
        raise Unreadable(f"couldn't get version/kind; json parse error: {text}") from None
    if not strict or not isinstance(value, dict):
        return value, []
    # What has lost nothing in parsing has no key twice: most bodies are compact, the others are made so.
    length = len(orjson.dumps(value))
    if length == len(body.rstrip()) or length == len(msgspec.json.format(body, indent=-1)):
        return value, []
    return value, [f'duplicate field "{path}"' for path in gojson.duplicates(body)]


def lenient(body: bytes) -> Any:
    """What is valid for Go and not for orjson: lone surrogates and invalid UTF-8 become U+FFFD. Raises Unreadable."""
    import json

    def number(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise Unreadable(f"json: cannot unmarshal number {text[:100]} into Go value of type float64")
        return value

    def integer(text: str) -> int | float:
        return int(text) if len(text) < 20 else number(text)

    try:
        value = json.loads(body.decode("utf-8", "replace"), parse_int=integer, parse_float=number)
    except (ValueError, RecursionError) as e:
        raise Unreadable(f"couldn't get version/kind; json parse error: {e}") from None
    return _without_surrogates(value)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return [_without_surrogates(v) for v in value] if isinstance(value, list) else value


def _shown(body: bytes) -> str:
    if not body:
        return "<empty>"
    cut = " ..." if len(body) > 30 else ""
    if body[:1] == b"{":
        return body[:30].decode("utf-8", "replace") + cut
    return body[:30].hex() + cut


_GO_KIND = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}


def not_an_object(value: Any) -> str:
    """What Go's decoder says of a value where it looks for an object's kind and apiVersion."""
    return _NOT_AN_OBJECT.format(_GO_KIND.get(type(value), "null"))


def check_type_meta(value: Obj) -> None:
    """Kind and apiVersion must be readable, whatever they are. Raises Unreadable (runtime/serializer/json/meta.go)."""
    for name in ("apiVersion", "kind"):
        given = value.get(name)
        if given is not None and not isinstance(given, str):
            go = "object" if isinstance(given, dict) else _GO_KIND.get(type(given), "number")
            text = f"json: cannot unmarshal {go} into Go struct field .{name} of type string"
            raise Unreadable(f"couldn't get version/kind; json parse error: {text}")
    try:
        parse_version(value.get("apiVersion") or "")
    except ValueError as e:
        raise Unreadable(str(e)) from None


def object_of(body: bytes, media: str, served: Served, kind: str, *, strict: bool) -> tuple[Obj, list[str]]:
    """The body as an object, with kind and apiVersion filled in where missing; raises BadRequest. `kind` is what is expected."""
    try:
        value, complaints = parse(body, media, strict=strict)
        if value is None and not served.resource.custom:
            value = {}
        if not isinstance(value, dict):
            raise Unreadable(f"couldn't get version/kind; json parse error: {not_an_object(value)}")
        check_type_meta(value)
        if served.resource.custom and not value.get("kind"):
            raise Unreadable(f"Object 'Kind' is missing in '{body.decode('utf-8', 'replace')}'")
    except Unreadable as e:
        raise errors.BadRequest(f"the object provided is unrecognized (must be of type {kind}): {e} ({_shown(body)})") from None
    if complaints and media == JSON and not served.resource.custom:
        # Go finds duplicate and unknown fields in one walk: they are told in the order of the document.
        with contextlib.suppress(RecursionError):  # nested deeper than any type is
            complaints = strict_errors(served.node, body)
    return value, complaints


def check_kind(ctx: Context, obj: Obj, kind: str, api_version: str, catalog: Catalog, complaints: list[str]) -> None:
    """Fill in kind and apiVersion; raises BadRequest when the object is of another kind or version."""
    given_kind, given_version = obj.get("kind") or kind, obj.get("apiVersion") or api_version
    if given_version.endswith("/") and api_version.startswith(given_version):
        given_version = api_version
    if given_kind == kind and given_version == api_version:
        obj["kind"], obj["apiVersion"] = kind, api_version
        return
    if text := problem(catalog, (api_version, kind), given_version, given_kind):
        version = given_version.rpartition("/")[2]
        raise errors.BadRequest(f'{given_kind} in version "{version}" cannot be handled as a {kind}: {text}')
    _other_version(ctx, obj, catalog.by_kind(given_version, kind), given_version, api_version, complaints)


def check_custom(ctx: Context, obj: Obj, served: Served, catalog: Catalog, complaints: list[str]) -> None:
    """As `check_kind`, for custom resources: their kind is left to validation, and an unknown version knows no fields."""
    r = served.resource
    if obj.get("apiVersion", "") is None:
        text = ".apiVersion accessor error: <nil> is of the type <nil>, expected string"
        raise errors.BadRequest(f'{obj["kind"]} in version "" cannot be handled as a {r.kind}: {text}')
    given = obj.get("apiVersion") or ""
    if given != r.api_version:
        other = catalog.by_kind(given, r.kind)
        if other is None and given.rpartition("/")[0] == r.group and obj["kind"] == r.kind:
            complaints = [*complaints, *(f'unknown field "{name}"' for name in unknown_version_fields(obj))]
        _other_version(ctx, obj, other if obj["kind"] == r.kind else None, given, r.api_version, complaints)


def unknown_version_fields(obj: Obj) -> list[str]:
    """The fields that a version without a schema does not know."""
    return [name for name in obj if name not in ("apiVersion", "kind", "metadata")]


def _other_version(ctx: Context, obj: Obj, other: Served | None, given: str, wanted: str, complaints: list[str]) -> NoReturn:
    """Refuse an object of another version, after what that version has to say. Raises BadRequest."""
    version = given.rpartition("/")[2]
    unknown: Sequence[str] = ()
    if other is not None:
        try:
            unknown = other.decoder.decode(obj).unknown
        except DecodeError as e:
            raise errors.BadRequest(f'{obj["kind"]} in version "{version}" cannot be handled as a {obj["kind"]}: {e}') from None
    report(ctx, obj.get("kind") or "", version, complaints + [f'unknown field "{path}"' for path in unknown])
    raise errors.BadRequest(f"the API version in the data ({given}) does not match the expected API version ({wanted})")


def report(ctx: Context, kind: str, version: str, complaints: list[str]) -> None:
    """Strict decoding complaints: warnings, or with fieldValidation=Strict a refusal."""
    if not complaints or ctx.field_validation == "Ignore":
        return
    if ctx.field_validation == "Strict":
        text = ", ".join(complaints)
        raise errors.BadRequest(f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {text}')
    for c in complaints:
        for line in yaml_lines(c):
            ctx.warn(line)


def yaml_lines(complaint: str) -> list[str]:
    """A YAML complaint as one warning a line."""
    for prefix in ("error converting YAML to JSON: yaml: unmarshal errors:\n", "yaml: unmarshal errors:\n"):
        if complaint.startswith(prefix):
            return [line.strip() for line in complaint[len(prefix) :].split("\n") if line.strip()]
    return [complaint]
