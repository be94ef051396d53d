"""What the Accept header chooses: JSON or YAML, plain, as a Table or as PartialObjectMetadata, pretty or not. Pure.

Two layers refuse upstream, with different texts: go-restful's routes first, then the serializers' own negotiation
(apiserver pkg/endpoints/handlers/negotiation). Protobuf costs this server far more than JSON: for lists and watches it is only
chosen when the client does not take JSON as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubepy.api import errors

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_MEDIA = (JSON, YAML, PROTOBUF)
_STREAMS = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_META_GROUP = "meta.k8s.io"
_TRANSFORMS = frozenset(("Table", "PartialObjectMetadata", "PartialObjectMetadataList"))


@dataclass(frozen=True, slots=True)
class Accept:
    """The chosen form of an answer. `transform` is empty, Table, PartialObjectMetadata or PartialObjectMetadataList."""

    media: str = JSON
    transform: str = ""
    version: str = "v1"
    pretty: bool = False
    profile: str = ""


PLAIN = Accept()
_memo: dict[tuple[bytes, bool, bool, bool], Accept | errors.StatusError] = {}


def negotiate(header: bytes, *, stream: bool = False, routed: bool = True, plain: bool = False) -> Accept:
    """The best form that `header` accepts; raises NotAcceptable.

    `stream`: the route can watch (lists). `routed`: go-restful checks first (built-in kinds; not custom resources). `plain`: it
    does not, for a handler that is no route, though all forms are there.
    """
    if not header or header == b"application/json" or header == b"*/*":
        return PLAIN
    key = (header, stream, routed, plain)
    found = _memo.get(key)
    if found is None:
        try:
            found = _choose(header.decode("latin-1"), stream, routed, plain)
        except errors.StatusError as e:
            found = e
        if len(_memo) < 1024:
            _memo[key] = found
    if isinstance(found, errors.StatusError):
        raise found
    return found


def for_watch(header: bytes, *, routed: bool = True) -> Accept:
    """As `negotiate`, for the events of a watch, which cannot be YAML."""
    accept = negotiate(header, stream=True, routed=routed)
    if accept.media == YAML:
        shown = _STREAMS if routed else _STREAMS[:1]
        raise errors.NotAcceptable(f"only the following media types are accepted: {', '.join(shown)}")
    return accept


def for_errors(header: bytes) -> Accept:
    """As `negotiate`, for errors, which have no other form and are no stream: clauses that ask for one do not count."""
    if b"as=" not in header and b"stream=" not in header:
        return negotiate(header)
    rest = [c for c in header.split(b",") if b"as=" not in c and b"stream=" not in c]
    if not rest:
        raise errors.NotAcceptable(f"only the following media types are accepted: {', '.join(_MEDIA)}")
    return negotiate(b",".join(rest))


def without_tables(header: bytes) -> Accept:
    """As `negotiate`, for backends that have no tables (no rest.TableConvertor): clauses that ask for one do not count."""
    rest = [c for c in header.split(b",") if b"as=Table" not in c]
    if not rest:
        raise errors.NotAcceptable(f"only the following media types are accepted: {', '.join(_MEDIA)}")
    return negotiate(b",".join(rest))


def _choose(header: str, stream: bool, routed: bool, plain: bool) -> Accept:
    clauses = [c.strip() for c in header.split(",")]
    if routed and not plain:
        produced = _MEDIA + _STREAMS if stream else _MEDIA
        bare = [c.split(";", 1)[0].strip() for c in clauses]
        if not any(b == "*/*" or b in produced for b in bare):
            raise errors.NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}", details={})
    parsed = sorted((_parsed(c, i) for i, c in enumerate(clauses)), key=lambda p: (-p[0], p[1]))
    fallback: Accept | None = None
    for _, _, media, params in parsed:
        kind, _, sub = media.partition("/")
        for offered in _MEDIA:
            okind, _, osub = offered.partition("/")
            if (kind in (okind, "*")) and (sub in (osub, "*")) and (sub == "*" or kind != "*"):
                chosen = _accept(offered, params, routed)
                if chosen is None:
                    continue
                if chosen.media != PROTOBUF or not stream:
                    return chosen
                fallback = fallback or chosen
    if fallback is not None:
        return fallback
    raise errors.NotAcceptable(f"only the following media types are accepted: {', '.join(_MEDIA)}")


def _parsed(clause: str, at: int) -> tuple[float, int, str, dict[str, str]]:
    media, *rest = (p.strip() for p in clause.split(";"))
    quality = 1.0
    params: dict[str, str] = {}
    for p in rest:
        key, _, value = p.partition("=")
        if key == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 1.0
        elif key:
            params[key.strip()] = value.strip()
    return quality, at, media, params


def _accept(media: str, params: dict[str, str], routed: bool) -> Accept | None:
    transform = params.get("as", "")
    if media == PROTOBUF and (transform == "Table" or not (routed or transform)):
        return None
    if params.get("stream", "") not in ("", "watch"):
        return None
    pretty = params.get("pretty") == "1"
    profile = params.get("profile", "")
    if not params.keys() & {"as", "g", "v"}:
        return Accept(media, pretty=pretty, profile=profile)
    kind, group, version = params.get("as", ""), params.get("g", ""), params.get("v", "")
    if group != _META_GROUP or version not in ("v1", "v1beta1") or kind not in _TRANSFORMS:
        return None
    return Accept(media, kind, version, pretty, profile)


def wants_pretty(query: bytes, agent: bytes) -> bool:
    """Whether the query asks for indented JSON, or a person looks with curl, wget or a browser."""
    if b"pretty" in query:
        for pair in query.split(b"&"):
            if pair.startswith(b"pretty=") and len(pair) > 7:
                return pair[7:] in (b"1", b"t", b"T", b"true", b"TRUE", b"True")
    return agent.startswith((b"curl", b"Wget", b"Mozilla/5.0"))
